import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdelta.core.asking.model_names import is_one_of, same_model

SAME = [
    ("scripted", "scripted"),
    ("scripted", "Scripted"),
    ("scripted", "scripted:free"),
    ("scripted:nitro", "scripted"),
    ("scripted", "scripted@20250101"),
    ("scripted", "scripted-latest"),
    ("scripted-latest", "scripted-2411"),
    ("scripted@default", "scripted@001"),
    ("scripted", "scripted-fp8"),
    ("llama3", "llama3:latest"),
    ("gpt-4o", "openai/gpt-4o"),
    ("openai/gpt-4o", "gpt-4o-2024-08-06"),
    ("gpt-4", "gpt-4-0613"),
    ("claude-sonnet-4-5", "anthropic/claude-sonnet-4-5-20250929"),
    ("claude-sonnet-4@20250514", "claude-sonnet-4-20250514"),
    ("gpt-4o-2024-08-06", "gpt-4o"),
    ("gemini-1.5-pro", "models/gemini-1.5-pro-002"),
    ("gemini-2.5-pro-preview", "gemini-2.5-pro-preview-05-06"),
    ("command-a", "command-a-03-2025"),
    ("deepseek/deepseek-chat-v3:free", "deepseek-chat-v3-0324"),
    ("Llama-3.3-70B-Instruct", "meta-llama/Llama-3.3-70B-Instruct-FP8"),
    ("Qwen2.5-7B-Instruct", "Qwen2.5-7B-Instruct-GPTQ-Int4"),
    ("Meta-Llama-3.1-8B-Instruct", "RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16"),
    ("qwen3-8b", "/models/Qwen3-8B-Q4_K_M.gguf"),
]
OTHER = [
    ("claude-sonnet-4", "claude-sonnet-4-5-20250929"),
    ("claude-sonnet-4", "claude-sonnet-4-5"),
    ("gpt-4", "gpt-4o"),
    ("gpt-4.1", "gpt-4.1-mini"),
    ("gpt-4", "gpt-4.1"),
    ("gpt-4", "gpt-4-32k"),
    ("gpt-4o", "gpt-4o-mini-2024-07-18"),
    ("scripted", "scripted-2"),
    ("scripted", "other"),
    ("scripted", "scripted-8b"),
    ("llama3.1:8b", "llama3.1:70b"),
    ("qwen3-8b", "qwen3-8b-base"),
    ("gpt-4o-2024-08-06", "gpt-4o-2024-11-20"),
    ("mistral-large-2407", "mistral-large-2411"),
    ("claude-sonnet-4@20250514", "claude-sonnet-4@20250929"),
    ("qwen3-8b-awq", "qwen3-8b-fp8"),
    ("deepseek-r1", "deepseek-r1-distill-llama-70b"),
    ("x", "x-9999"),  # no date
]


@pytest.mark.parametrize(("asked", "named"), SAME)
def test_a_model_is_known_by_every_name_that_means_it(asked, named):
    assert same_model(asked, named)
    assert same_model(named, asked)


@pytest.mark.parametrize(("asked", "named"), OTHER)
def test_another_model_is_not_taken_for_it_because_its_name_begins_alike(asked, named):
    assert not same_model(asked, named)
    assert not same_model(named, asked)


@pytest.mark.parametrize(("named", "accepted"), [(None, True), ("", True), ("b-2411", True), ("c", False)])
def test_a_reply_is_accepted_under_one_of_several_names_or_without_any(named, accepted):
    assert is_one_of(named, ["a", "b"]) == accepted


@given(st.text(alphabet="ab4-:@/._0129 fp8", max_size=12))
def test_every_name_means_itself(name):
    assert same_model(name, name)
