"""Engine `transformers` on a tiny random model: seeds, batches, exactness of sampling, ends of replies."""

import json
import os
import re
import shutil
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import chisquare

from prefdelta.core.asking.engine_options import TransformersOptions
from prefdelta.core.asking.requests import Failure, Reply, Request, Sampling
from prefdelta.core.errors import StudyError
from prefdelta.engines import transformers as transformers_engine
from prefdelta.engines.transformers import TransformersEngine
from prefdelta.models.loading import load_tokenizer
from prefdelta.system import processes
from prefdelta.training.tokenizer import CHAT_TEMPLATE

# Several lengths, and several prompts of each length: batches hold equal lengths only.
PROMPTS = ["Q:1+1?", "Q:2*3?", "Q:5-4?", "Q:1+1-3?", "Q:2*3+5?", "Q:5-4*2?", "Q:3*3?", "Q:4+4?", "P:a=1;b=a+2;b?"] * 2
SAMPLED = Sampling(temperature=1.0, max_tokens=24)

Plan = list[tuple[str, Request]]


def engine_for(folder: Path, batch_size: int = 64) -> TransformersEngine:
    return TransformersEngine(folder, "weights", TransformersOptions(name="transformers", batch_size=batch_size))


def plan_of(prompts: list[str], sampling: Sampling = SAMPLED, first_seed: int = 0) -> Plan:
    return [
        (f"key {i:04}", Request((("user", text),), sampling, seed=first_seed + i)) for i, text in enumerate(prompts)
    ]


def ask(engine: TransformersEngine, plan: Plan, missing: set[str] | None = None) -> dict[str, Reply]:
    keys = {key for key, _ in plan} if missing is None else missing
    replies = list(engine.run(plan, keys))
    assert sorted(reply.key for reply in replies) == sorted(keys)
    assert all(isinstance(reply, Reply) for reply in replies)
    return {reply.key: reply for reply in replies if isinstance(reply, Reply)}


def tokens_and_logits(folder: Path, prompt: str) -> tuple[Any, Any, Any, Any]:
    """Tokenizer, model, prompt ids (1 x n) and logits of the next token, by transformers alone."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}], add_generation_prompt=True, return_tensors="pt", return_dict=False
    )
    with torch.inference_mode():
        logits = model(ids).logits[0, -1].double()
    return tokenizer, model, ids, logits


def text_of(tokenizer: Any, ids: list[int]) -> str:
    """All that was said: special tokens too, but for the one at the end."""
    return str(tokenizer.decode(ids[:-1] if ids[-1] == tokenizer.eos_token_id else ids))


# --- a signal ---


def test_a_signal_waits_until_the_batch_is_handed_over(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_received", [])
    before = signal.signal(signal.SIGTERM, processes._stop)
    plan, came = plan_of(["Q:1+1?"] * 16), list[str]()

    def take_all() -> None:
        for reply in engine_for(checkpoint, batch_size=8).run(plan, {key for key, _ in plan}):
            if not came:
                os.kill(os.getpid(), signal.SIGTERM)
            came.append(reply.key)

    try:
        with pytest.raises(SystemExit):
            take_all()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert came == [key for key, _ in plan[:8]]


# --- seeds and batches ---


def test_the_same_seed_gives_the_same_reply_and_another_seed_another(checkpoint: Path) -> None:
    plan = plan_of(PROMPTS)
    once, again = ask(engine_for(checkpoint), plan), ask(engine_for(checkpoint), plan)
    assert once == again
    others = ask(engine_for(checkpoint), plan_of(PROMPTS, first_seed=1000))
    assert all(once[key].text != others[key].text for key in once)


def test_a_prompt_asked_with_many_seeds_gets_as_many_replies(checkpoint: Path) -> None:
    replies = ask(engine_for(checkpoint), plan_of(["Q:1+1?"] * 50))
    assert len({reply.text for reply in replies.values()}) > 45


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_reply_does_not_depend_on_the_size_of_its_batch(checkpoint: Path, batch_size: int) -> None:
    plan = plan_of(PROMPTS)
    assert ask(engine_for(checkpoint, batch_size), plan) == ask(engine_for(checkpoint, 64), plan)


def test_a_resumed_run_gives_the_replies_of_an_uninterrupted_one(checkpoint: Path) -> None:
    plan = plan_of(PROMPTS)
    whole = ask(engine_for(checkpoint, 3), plan)
    keys = sorted(whole)
    for missing in (set(keys[:1]), set(keys[1::2]), set(keys[-5:])):
        assert ask(engine_for(checkpoint, 3), plan, missing) == {key: whole[key] for key in missing}


def test_a_resumed_run_computes_the_batches_of_an_uninterrupted_one(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This model gives the same bits in any batch, so its replies cannot show it; a larger one's could differ.
    batches: list[tuple[str, ...]] = []
    compute = TransformersEngine._reply

    def noted(self: TransformersEngine, model: Any, tokenizer: Any, stops: Any, batch: Any) -> list[Reply]:
        batches.append(tuple(row.key for row in batch))
        return compute(self, model, tokenizer, stops, batch)

    monkeypatch.setattr(TransformersEngine, "_reply", noted)
    plan = plan_of(PROMPTS)
    keys = sorted(ask(engine_for(checkpoint, 3), plan))
    whole, batches[:] = set(batches), []
    missing = set(keys[1::4])
    ask(engine_for(checkpoint, 3), plan, missing)
    assert set(batches) == {batch for batch in whole if missing & set(batch)}
    assert len(batches) < len(whole)


def test_requests_with_different_sampling_may_stand_in_one_plan(checkpoint: Path) -> None:
    greedy = Sampling(temperature=0.0, max_tokens=24)
    alone = ask(engine_for(checkpoint), plan_of(PROMPTS, greedy)) | ask(engine_for(checkpoint), plan_of(PROMPTS[:4]))
    mixed = [*plan_of(PROMPTS[:4]), *plan_of(PROMPTS, greedy)[4:]]
    assert ask(engine_for(checkpoint), mixed) == alone


# --- exactness ---


def test_temperature_0_is_greedy_decoding(checkpoint: Path) -> None:
    greedy = Sampling(temperature=0.0, max_tokens=24)
    prompts = sorted(set(PROMPTS))
    replies = ask(engine_for(checkpoint), plan_of(prompts, greedy))
    for prompt, (_, reply) in zip(prompts, sorted(replies.items()), strict=True):
        tokenizer, model, ids, _ = tokens_and_logits(checkpoint, prompt)
        output = model.generate(ids, do_sample=False, max_new_tokens=24)[0, ids.shape[1] :].tolist()
        assert reply.text == text_of(tokenizer, output)
        assert reply.n_tokens == len(output)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_the_first_token_follows_the_models_own_distribution(checkpoint: Path, temperature: float) -> None:
    n = 4000
    tokenizer, _, _, logits = tokens_and_logits(checkpoint, "Q:1+1?")
    probabilities = (logits / temperature).softmax(-1).tolist()
    expected: Counter[str] = Counter()
    for token, probability in enumerate(probabilities):
        expected[text_of(tokenizer, [token])] += n * probability
    sampling = Sampling(temperature=temperature, max_tokens=1)
    replies = ask(engine_for(checkpoint, 2000), plan_of(["Q:1+1?"] * n, sampling))
    found = Counter(str(reply.text) for reply in replies.values())

    # The chi-square test needs some 5 expected draws per class, so that rare characters share one.
    common = [text for text, count in expected.items() if count >= 5]
    assert len(common) > 8
    observed = [found[text] for text in common]
    awaited = [expected[text] for text in common]
    result = chisquare([*observed, n - sum(observed)], [*awaited, n - sum(awaited)])
    assert result.pvalue > 1e-3, "seeds are fixed: this is no chance, the distribution is another"


def test_top_p_draws_from_the_smallest_set_that_holds_its_share(checkpoint: Path) -> None:
    tokenizer, _, _, logits = tokens_and_logits(checkpoint, "Q:1+1?")
    nucleus, share = [], 0.0
    for token in logits.argsort(descending=True).tolist():
        nucleus.append(text_of(tokenizer, [token]))
        share += float(logits.softmax(-1)[token])
        if share >= 0.6:
            break
    assert 3 < len(nucleus) < 15, "the model is too flat or too sharp for this test"
    sampling = Sampling(temperature=1.0, top_p=0.6, max_tokens=1)
    replies = ask(engine_for(checkpoint, 1000), plan_of(["Q:1+1?"] * 1000, sampling))
    assert {reply.text for reply in replies.values()} == set(nucleus)


@pytest.mark.parametrize("top_p", [1.0, 0.6])
def test_a_reply_says_the_entropy_of_what_its_tokens_were_drawn_from(checkpoint: Path, top_p: float) -> None:
    sampling = Sampling(temperature=0.7, top_p=top_p, max_tokens=6)
    plain = plan_of(PROMPTS, sampling)
    asked = [(key, replace(request, with_entropy=True)) for key, request in plain]
    replies, without = ask(engine_for(checkpoint), asked), ask(engine_for(checkpoint), plain)
    assert {key: replace(reply, entropy=None) for key, reply in replies.items()} == without
    for key, request in asked[:9]:
        tokenizer, model, prompt, _ = tokens_and_logits(checkpoint, request.messages[0][1])
        text, n = str(replies[key].text), replies[key].n_tokens or 0
        ids = tokenizer(text, add_special_tokens=False).input_ids[:n]
        with torch.inference_mode():  # the distribution of each token, given those before it
            logits = model(torch.cat([prompt, torch.tensor([ids], dtype=torch.long)], dim=1)).logits[0].double()
        ranked = (logits[prompt.shape[1] - 1 :][:n] / 0.7).softmax(-1).sort(descending=True).values
        nucleus = torch.where(ranked.cumsum(-1) - ranked < top_p, ranked, 0.0)
        nucleus /= nucleus.sum(-1, keepdim=True)
        assert replies[key].entropy == pytest.approx(-torch.xlogy(nucleus, nucleus).sum().item(), abs=1e-4)


def test_greedy_replies_have_no_entropy(checkpoint: Path) -> None:
    plan = plan_of(PROMPTS[:2], Sampling(temperature=0.0, max_tokens=6))
    replies = ask(engine_for(checkpoint), [(key, replace(request, with_entropy=True)) for key, request in plan])
    assert [reply.entropy for reply in replies.values()] == [None, None]


def test_a_checkpoints_own_generation_defaults_do_not_bend_the_sampling(checkpoint: Path, tmp_path: Path) -> None:
    # Published chat models come with a repetition penalty or a top-k of their own; what counts is the config's.
    from transformers import GenerationConfig

    folder = shutil.copytree(checkpoint, tmp_path / "opinionated")
    GenerationConfig(
        repetition_penalty=3.0, no_repeat_ngram_size=2, min_new_tokens=20, do_sample=True, top_k=1, temperature=0.1
    ).save_pretrained(folder)
    plan = plan_of(PROMPTS)
    assert ask(engine_for(folder), plan) == ask(engine_for(checkpoint), plan)


# --- ends of replies ---


def test_a_reply_ends_at_end_of_sequence_or_at_the_limit_and_says_which(checkpoint: Path) -> None:
    replies = ask(engine_for(checkpoint), plan_of(PROMPTS * 4))
    stopped = {key: reply for key, reply in replies.items() if reply.finish_reason == "stop"}
    cut = {key: reply for key, reply in replies.items() if reply.finish_reason == "length"}
    assert len(stopped) > 5
    assert len(cut) > 5
    assert len(stopped) + len(cut) == len(replies)
    assert all(reply.n_tokens == 24 for reply in cut.values())
    assert len({reply.n_tokens for reply in stopped.values()}) > 5
    assert all("<eos>" not in str(reply.text) for reply in replies.values()), "what ends a reply is no text"
    assert any("<user>" in str(reply.text) for reply in replies.values()), "other special tokens are text"


def test_end_of_sequence_counts_as_a_token_and_may_be_the_last_one_allowed(checkpoint: Path) -> None:
    plan = plan_of(PROMPTS * 2)
    replies = ask(engine_for(checkpoint), plan)
    key, whole = next((k, r) for k, r in replies.items() if r.finish_reason == "stop" and (r.n_tokens or 0) > 5)
    request = dict(plan)[key]
    assert whole.n_tokens is not None
    for max_tokens, finish_reason in ((whole.n_tokens, "stop"), (whole.n_tokens - 1, "length")):
        shorter = Request(request.messages, Sampling(temperature=1.0, max_tokens=max_tokens), request.seed)
        reply = ask(engine_for(checkpoint), [(key, shorter)])[key]
        # All of the text comes before end-of-sequence, so it is whole in both cases.
        assert (reply.text, reply.finish_reason, reply.n_tokens) == (whole.text, finish_reason, max_tokens)


def test_a_request_that_cannot_fit_the_context_is_a_typed_failure_and_the_others_are_answered(checkpoint: Path) -> None:
    # Context of 64: <bos> <user> 6 characters <assistant> leave room for 55 tokens, and 56 are too many.
    fits, exceeds = (Sampling(temperature=1.0, max_tokens=n) for n in (55, 56))
    plan = [*plan_of(["Q:1+1?"], fits), ("too long", Request((("user", "Q:1+1?"),), exceeds, seed=1))]
    results = {result.key: result for result in engine_for(checkpoint).run(plan, {"key 0000", "too long"})}
    assert isinstance(results["key 0000"], Reply)
    failure = results["too long"]
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.permanent) == ("too_long", True)
    # Once recorded, it is not told again.
    assert [result.key for result in engine_for(checkpoint).run(plan, {"key 0000"})] == ["key 0000"]


def test_the_identity_names_weights_and_all_that_can_move_a_bit(checkpoint: Path) -> None:
    def identity(weights: str = "weights", **options: Any) -> dict[str, Any]:
        return TransformersEngine(checkpoint, weights, TransformersOptions(name="transformers", **options)).identity()

    assert identity() == identity()
    for other in (
        identity("others"),
        identity(batch_size=2),
        identity(threads=2),
        identity(dtype="bfloat16"),
    ):
        assert other != identity()


# --- what ends a reply ---


@pytest.fixture
def two_ends(checkpoint: Path, tmp_path: Path) -> Path:
    """The model with two tokens that end a reply, by its generation config: <eos>, and a common character."""
    shutil.copytree(checkpoint, tmp_path, dirs_exist_ok=True)
    tokenizer = load_tokenizer(checkpoint)
    ends = [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(ANOTHER_END)]
    config = json.loads((tmp_path / "generation_config.json").read_text()) | {"eos_token_id": ends}
    (tmp_path / "generation_config.json").write_text(json.dumps(config))
    return tmp_path


ANOTHER_END = "z"


def test_every_stop_token_of_the_generation_config_ends_a_reply_and_is_cut(checkpoint: Path, two_ends: Path) -> None:
    plan = plan_of(PROMPTS * 4)
    one_end, replies = ask(engine_for(checkpoint), plan), ask(engine_for(two_ends), plan)
    cut = {key for key, reply in one_end.items() if ANOTHER_END in str(reply.text)}
    assert len(cut) > 5, "the model says it too rarely for this test"
    for key, reply in replies.items():
        before = str(one_end[key].text).partition(ANOTHER_END)[0]
        assert reply.text == before
        if key in cut:
            # Each of its tokens is a character but for the special ones, which are written <name>.
            assert (reply.finish_reason, reply.n_tokens) == ("stop", len(re.sub("<[a-z]+>", "x", before)) + 1)
        else:
            assert reply == one_end[key]


def test_the_tokenizers_end_of_sequence_ends_a_reply_also_if_the_generation_config_does_not_name_it(
    checkpoint: Path, two_ends: Path
) -> None:
    config = json.loads((two_ends / "generation_config.json").read_text())
    both = ask(engine_for(two_ends), plan_of(PROMPTS))
    (two_ends / "generation_config.json").write_text(json.dumps(config | {"eos_token_id": config["eos_token_id"][1]}))
    assert ask(engine_for(two_ends), plan_of(PROMPTS)) == both


# --- what the chat template gets ---


def templated(checkpoint: Path, folder: Path, template: str) -> Path:
    shutil.copytree(checkpoint, folder, dirs_exist_ok=True)
    (folder / "chat_template.jinja").write_text(template)
    return folder


def test_a_reasoning_effort_reaches_a_template_that_knows_it_and_is_refused_by_others(
    checkpoint: Path, tmp_path: Path
) -> None:
    plan = plan_of(PROMPTS, SAMPLED.model_copy(update={"reasoning_effort": "low"}))
    with pytest.raises(StudyError, match="reasoning effort 'low'"):
        list(engine_for(checkpoint).run(plan, {key for key, _ in plan}))
    knowing = templated(checkpoint, tmp_path, CHAT_TEMPLATE.replace("'<user>'", "'<user>' + reasoning_effort + ':'"))
    asked = plan_of([f"low:{prompt}" for prompt in PROMPTS])
    assert ask(engine_for(knowing), plan) == ask(engine_for(checkpoint), asked)


def test_reasoning_that_the_prompt_opens_is_whole_in_the_reply(checkpoint: Path, tmp_path: Path) -> None:
    opening = templated(
        checkpoint, tmp_path, CHAT_TEMPLATE.replace("{{ '<assistant>' }}", "{{ '<assistant><think>' }}")
    )
    tokenizer = load_tokenizer(opening)
    tokenizer.add_tokens(["<think>"])
    tokenizer.save_pretrained(opening)
    model: Any = transformers_engine.load_model(checkpoint, "float32", 1)
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(opening)
    replies = ask(engine_for(opening), plan_of(PROMPTS))
    assert all(str(reply.text).startswith("<think>") for reply in replies.values())
    for reply in replies.values():
        tokens = tokenizer(str(reply.text).removeprefix("<think>"), add_special_tokens=False).input_ids
        assert reply.n_tokens == len(tokens) + (reply.finish_reason == "stop")


# --- prompts that make the model raise ---


def break_model(monkeypatch: pytest.MonkeyPatch, error: Exception, prompt: str = "", for_good: bool = False) -> None:
    """Have the forward pass over a prompt that holds `prompt` raise, and if `for_good` each one after it."""
    load = transformers_engine.load_model
    broken = False

    def load_broken(folder: Path, *more: Any) -> Any:
        tokenizer, model = load_tokenizer(folder), load(folder, *more)

        def fail(_: Any, arguments: Any, named: dict[str, Any]) -> None:
            nonlocal broken
            ids = named["input_ids"] if "input_ids" in named else arguments[0]
            whole = ids.shape[1] > 1  # a prompt; later steps bring one token each
            if (broken and for_good) or (whole and any(prompt in tokenizer.decode(row) for row in ids)):
                broken = True
                raise error

        model.register_forward_pre_hook(fail, with_kwargs=True)
        return model

    monkeypatch.setattr(transformers_engine, "load_model", load_broken)


def test_a_prompt_that_makes_a_batch_raise_is_quarantined_and_the_rest_give_the_same_text(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = plan_of(PROMPTS)
    whole = ask(engine_for(checkpoint), plan)
    break_model(monkeypatch, IndexError("index out of range in self"), "2*3?")
    results = {result.key: result for result in engine_for(checkpoint).run(plan, set(whole))}
    crashed = {key for key, request in plan if "2*3?" in request.messages[0][1]}
    assert len(crashed) == 2
    for key, reply in whole.items():
        if key not in crashed:
            assert results[key] == reply
            continue
        failure = results[key]
        assert isinstance(failure, Failure)
        assert (failure.kind, failure.permanent) == ("crashed_engine", True)
        assert failure.detail == "IndexError: index out of range in self"
    assert "Traceback" in capsys.readouterr().err, "whoever has to mend it cannot see where"


def test_a_resumed_run_asks_no_row_again_that_is_recorded_when_its_batch_raises(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(PROMPTS)
    whole = ask(engine_for(checkpoint), plan)
    break_model(monkeypatch, IndexError("index out of range"), "2*3?")
    missing = {key for key, request in plan if "1+1?" in request.messages[0][1]}  # of the same length
    assert ask(engine_for(checkpoint), plan, missing) == {key: whole[key] for key in missing}


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(MemoryError(), id="Python"),
        pytest.param(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), id="GPU"),
        pytest.param(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), id="CPU"),
        pytest.param(RuntimeError("DefaultCPUAllocator: not enough memory: tried to allocate 9 bytes."), id="CPU 2"),
        pytest.param(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), id="GPU 2"),
        pytest.param(StudyError("something a person can put right"), id="no defect at all"),
    ],
)
def test_too_little_memory_is_blamed_on_no_prompt(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    break_model(monkeypatch, error, "2*3?")
    with pytest.raises(type(error)) as raised:
        list(engine_for(checkpoint).run(plan := plan_of(PROMPTS), {key for key, _ in plan}))
    assert raised.value is error


def test_a_model_that_raises_at_every_prompt_is_an_error_and_no_prompt_is_blamed(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_model(monkeypatch, RuntimeError("expected scalar type Half"))
    results = []
    with pytest.raises(StudyError, match="engine is to blame") as raised:
        results.extend(engine_for(checkpoint).run(plan := plan_of(PROMPTS), {key for key, _ in plan}))
    assert results == []
    assert "expected scalar type Half" in str(raised.value)


def test_a_model_that_raises_at_everything_after_a_prompt_is_an_error(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A failed assertion on a GPU: each later call in this process fails too, whatever it asks.
    error = RuntimeError("CUDA error: device-side assert triggered")
    break_model(monkeypatch, error, "2*3?", for_good=True)
    results = []
    with pytest.raises(StudyError, match="device-side assert"):
        results.extend(engine_for(checkpoint).run(plan := plan_of(PROMPTS), {key for key, _ in plan}))
    assert all(isinstance(result, Reply) for result in results)
