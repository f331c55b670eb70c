"""The offline engine against a real vLLM and a real rung of the ladder, and against transformers."""

import json
import shutil
from dataclasses import replace
from itertools import count
from pathlib import Path
from statistics import mean, variance
from typing import Any

import pytest

from prefdelta.core.asking.engine_options import TransformersOptions, VLLMOptions
from prefdelta.core.asking.requests import Failure, Reply, Request, Sampling
from prefdelta.core.errors import StudyError
from prefdelta.engines.transformers import TransformersEngine
from prefdelta.engines.vllm import VLLMEngine

Plan = list[tuple[str, Request]]
Results = dict[str, Reply | Failure]

PROMPTS = [f"Q:{a}+{b}?" for a in range(1, 9) for b in range(1, 9)]
SAMPLED = Sampling(temperature=1.0, max_tokens=40)
GREEDY = Sampling(temperature=0.0, max_tokens=40)
LENGTH = 64


def engine_for(folder: Path) -> VLLMEngine:
    options = VLLMOptions(name="vllm", dtype="float32", max_length=LENGTH, max_sequences=32, gpu_memory_share=0.3)
    return VLLMEngine(folder, "weights", options)


def plan_of(kind: str, sampling: Sampling, prompts: list[str] = PROMPTS, first_seed: int = 0) -> Plan:
    return [
        (f"{kind} {i:02}", Request((("user", text),), sampling, seed=first_seed + i)) for i, text in enumerate(prompts)
    ]


def ask(engine: VLLMEngine, plan: Plan, missing: set[str] | None = None) -> Results:
    results = list(engine.run(plan, {key for key, _ in plan} if missing is None else missing))
    by_key = {result.key: result for result in results}
    assert len(by_key) == len(results), "a request was answered twice"
    return by_key


# BOS, <user>, 6 characters, <assistant> and 55 tokens fill the context of 64.
FITS, EXCEEDS = (Sampling(temperature=1.0, max_tokens=n) for n in (LENGTH - 9, LENGTH - 8))
DIGIT = {"type": "integer", "minimum": 1, "maximum": 5}
PLAN = [
    *plan_of("sampled", SAMPLED),
    *plan_of("again", SAMPLED),
    *plan_of("other", SAMPLED, first_seed=2**63 - 1 - len(PROMPTS)),
    *plan_of("attempt", SAMPLED),
    *plan_of("short", SAMPLED.model_copy(update={"max_tokens": 3})),
    *plan_of("greedy", GREEDY),
    *plan_of("fits", FITS, PROMPTS[:1]),
    *plan_of("exceeds", EXCEEDS, PROMPTS[:1]),
    ("schema", Request((("user", PROMPTS[0]),), SAMPLED, seed=0, response_schema=DIGIT)),
]


@pytest.fixture(scope="module")
def results(rung: Path) -> Results:
    return ask(engine_for(rung), PLAN)


def replies(results: Results, kind: str) -> list[Reply]:
    found = [result for key, result in sorted(results.items()) if key.startswith(kind)]
    assert found
    assert all(isinstance(result, Reply) for result in found)
    return found  # type: ignore[return-value]


def texts(results: Results, kind: str) -> list[str | None]:
    return [reply.text for reply in replies(results, kind)]


def test_every_request_gets_one_result(results: Results) -> None:
    assert results.keys() == {key for key, _ in PLAN}


def test_a_seed_belongs_to_its_request(results: Results) -> None:
    assert texts(results, "sampled") == texts(results, "again")
    differ = sum(a != b for a, b in zip(texts(results, "sampled"), texts(results, "other"), strict=True))
    assert differ > len(PROMPTS) / 2


def test_a_reply_ends_at_end_of_sequence_or_at_the_limit_and_says_which(results: Results) -> None:
    sampled = replies(results, "sampled")
    stopped = [reply for reply in sampled if reply.finish_reason == "stop"]
    assert len(stopped) > len(PROMPTS) / 2
    # One character is one token, and end of sequence counts.
    assert all(len(str(reply.text)) == (reply.n_tokens or 0) - 1 for reply in stopped if "<" not in str(reply.text))
    short = replies(results, "short")
    assert {(reply.finish_reason, reply.n_tokens) for reply in short} == {("length", 3)}
    assert all(str(whole.text).startswith(str(cut.text)) for whole, cut in zip(sampled, short, strict=True))


def test_greedy_replies_are_those_of_transformers(results: Results, rung: Path) -> None:
    # So the prompt is the same to the token: a second BOS would show.
    plan = plan_of("greedy", GREEDY)
    other = TransformersEngine(rung, "weights", TransformersOptions(name="transformers"))
    expected = {reply.key: reply for reply in other.run(plan, {key for key, _ in plan})}
    found = {key: results[key] for key in expected}
    assert found == expected


def test_the_entropy_is_an_unbiased_estimate_of_what_transformers_computes_and_changes_no_text(rung: Path) -> None:
    sampling = Sampling(temperature=0.7, top_p=0.9, max_tokens=40)
    plain = plan_of("entropy", sampling, PROMPTS * 8)
    plan = [(key, replace(request, with_entropy=True)) for key, request in plain]
    ours = ask(engine_for(rung), plan)
    other = TransformersEngine(rung, "weights", TransformersOptions(name="transformers"))
    exact = {reply.key: reply for reply in other.run(plan, {key for key, _ in plan})}
    nats = [[reply.entropy for reply in found.values() if isinstance(reply, Reply)] for found in (ours, exact)]
    assert all(None not in side and len(side) == len(plan) for side in nats)
    first, second = ([value for value in side if value is not None] for side in nats)
    error = ((variance(first) + variance(second)) / len(plan)) ** 0.5  # each engine draws answers of its own
    assert abs(mean(first) - mean(second)) < 4 * error
    assert error < 0.1 * mean(second)
    without = ask(engine_for(rung), plain)
    assert without == {key: replace(reply, entropy=None) for key, reply in ours.items() if isinstance(reply, Reply)}


def test_a_prompt_that_leaves_no_room_is_a_typed_failure(results: Results) -> None:
    assert isinstance(results["fits 00"], Reply)
    failure = results["exceeds 00"]
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.permanent) == ("too_long", True)


def test_a_schema_binds_the_reply(results: Results) -> None:
    (reply,) = replies(results, "schema")
    assert json.loads(str(reply.text)) in range(1, 6)


def test_only_what_is_missing_is_asked_and_gets_the_same_text(results: Results, rung: Path) -> None:
    missing = {"sampled 03", "sampled 40", "exceeds 00"}
    assert ask(engine_for(rung), PLAN, missing) == {key: results[key] for key in missing}


def test_of_a_checkpoints_generation_config_the_stop_tokens_count_and_nothing_else(
    results: Results, rung: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(rung, tmp_path / "opinionated")
    config = json.loads((folder / "generation_config.json").read_text())
    semicolon = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"][";"]
    config |= {"repetition_penalty": 5.0, "top_k": 1, "temperature": 0.1, "do_sample": True}
    config["eos_token_id"] = [config["eos_token_id"], semicolon]
    (folder / "generation_config.json").write_text(json.dumps(config))
    plan = plan_of("sampled", SAMPLED)
    found = ask(engine_for(folder), plan)
    assert any(";" in str(text) for text in texts(results, "sampled"))
    assert texts(found, "sampled") == [str(text).partition(";")[0] for text in texts(results, "sampled")]
    assert {reply.finish_reason for reply in replies(found, "sampled")} <= {"stop", "length"}


# --- an engine that does not start, or dies ---


def test_what_vllm_cannot_start_with_is_an_error_that_says_what_can_be_set(rung: Path) -> None:
    engine = VLLMEngine(rung, "weights", VLLMOptions(name="vllm", dtype="float32", max_length=100_000))
    with pytest.raises(StudyError, match="did not start") as raised:
        list(engine.run(PLAN, {"sampled 00"}))
    assert "max_model_len (100000) is greater than" in str(raised.value), "vLLM's own reason is lost"
    assert "engine.dtype, max_length" in str(raised.value)


def test_an_engine_that_dies_is_an_error_and_what_it_answered_counts(
    rung: Path, monkeypatch: pytest.MonkeyPatch, results: Results
) -> None:
    from vllm import LLMEngine

    step, steps = LLMEngine.step, count()

    def step_then_die(engine: LLMEngine) -> Any:
        if next(steps) == 15:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return step(engine)

    monkeypatch.setattr(LLMEngine, "step", step_then_die)
    answered: Results = {}
    replies = engine_for(rung).run(PLAN, {key for key, _ in plan_of("sampled", SAMPLED)})
    with pytest.raises(StudyError, match="illegal memory access") as raised:
        answered.update((result.key, result) for result in replies)
    assert "the same command" in str(raised.value)
    assert 0 < len(answered) < len(PROMPTS)
    assert answered.items() <= results.items()
