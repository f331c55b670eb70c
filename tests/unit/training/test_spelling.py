"""What is trained spells prompt + completion, whatever the tokenizer does to spaces; or the trace fails, typed."""

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from prefdelta.training.spelling import UnfitTraceError
from prefdelta.training.tokens import tokenise

ASKED = [("user", "AI")]
TEMPLATE = "{%% for m in messages %%}{{ m.content }}{%% if m.role == 'assistant' %%}</s>{%% endif %%}{%% endfor %%}%s"
PIECES = ["▁The", "The", "▁A", "▁AI", "▁five", "five", "\n", "\n\n", "▁", "e\u0301"]
KINDS = ["first", "always", "never", "legacy", "bytes"]


def tokenizer_of(kind, prompt=":", fallback=True):
    """Metaspace with a scheme, Llama's legacy normaliser, or byte-level; `prompt` follows the question."""
    special = ["<unk>", "<s>", "</s>"]
    single = [f"<0x{byte:02X}>" for byte in range(256)]
    vocabulary = [(piece, -20.0) for piece in special + single] + [(piece, -1.0 / len(piece)) for piece in PIECES]
    made = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=fallback))
    if kind == "legacy":
        made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        made.decoder = decoders.Sequence(steps)
    elif kind == "bytes":
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        made = Tokenizer(models.BPE({sign: at for at, sign in enumerate([*sorted(alphabet), "ĊĊ"])}, [("Ċ", "Ċ")]))
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        made.decoder = decoders.ByteLevel()
    else:
        made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=kind, split=False)
        made.decoder = decoders.Sequence(
            [decoders.ByteFallback(), decoders.Metaspace(prepend_scheme=kind, split=False)]
        )
    found = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="</s>", unk_token="<unk>")
    found.add_tokens([AddedToken("<|turn|>", special=True, rstrip=True, normalized=False)])
    found.add_tokens([AddedToken("<|plain|>", special=True, normalized=False)])
    found.add_tokens([AddedToken("<think>", normalized=False), AddedToken("</think>", normalized=False)])
    found.chat_template = TEMPLATE % f"{{% if add_generation_prompt %}}{prompt}{{% endif %}}"
    return found


def spelt(tokenizer, completion):
    """(the prompt's text, what follows it) of the tokens that are trained on."""
    tokens = tokenise(tokenizer, ASKED, completion)
    assert tokens.completion[-1] == tokenizer.eos_token_id
    prompt = tokenizer.decode(tokens.prompt)
    return prompt, tokenizer.decode(tokens.prompt + tokens.completion[:-1])[len(prompt) :]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prompt", [":", ": ", ":\\n", "<|turn|>", "<|plain|>", "<|turn|>\\n"])
@pytest.mark.parametrize(
    "completion",
    ["The A", " The A", "  The", "\nThe", "\n\nfive", "", " ", "<think>The A</think>\n\nfive", "<think>\nThe", "éé²"],
)
def test_what_is_trained_spells_the_completion_whatever_the_border(kind, prompt, completion):
    assert spelt(tokenizer_of(kind, prompt), completion)[1] == completion


def test_a_border_that_a_model_can_write_stays_as_the_tokenizer_has_it():
    made = tokenizer_of("first")
    assert made.convert_ids_to_tokens(tokenise(made, ASKED, " The A").completion) == ["▁The", "▁A", "</s>"]


def test_two_spellings_of_one_character_are_one_text():
    made = tokenizer_of("bytes")
    made.backend_tokenizer.normalizer = normalizers.NFC()
    assert spelt(made, "e\u0301")[1] == "\u00e9"


@pytest.mark.parametrize(
    ("change", "completion"),
    [
        (normalizers.Lowercase(), "The A"),
        (normalizers.NFKC(), "x²"),  # would be trained as x2
        (normalizers.Strip(), " The\n"),
        (normalizers.Replace("five", "5"), "The five"),
    ],
)
def test_a_trace_that_no_tokens_spell_is_a_failure_of_that_trace(change, completion):
    made = tokenizer_of("bytes")
    made.backend_tokenizer.normalizer = change
    with pytest.raises(UnfitTraceError, match="not given back by its tokens") as raised:
        tokenise(made, ASKED, completion)
    assert raised.value.failure == "not_spelt"
    assert spelt(made, "a")[1] == "a"


def test_a_character_that_is_in_no_vocabulary_is_a_failure_of_that_trace(tokenizer):
    for made, question in ((tokenizer, "Q:1+1?"), (tokenizer_of("first", fallback=False), "AI")):
        with pytest.raises(UnfitTraceError, match=r"cannot read '1\+一'|no token for a part of the trace") as raised:
            tokenise(made, [("user", question)], "1+一")
        assert raised.value.failure == "not_spelt"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("token", ["</s>", "<|turn|>", "<|plain|>"])
@pytest.mark.parametrize("text", ["A{}", "The {} A", "{}"])
def test_a_control_token_that_a_trace_or_a_problem_writes_is_a_failure_of_that_trace(kind, token, text):
    made = tokenizer_of(kind)
    with pytest.raises(UnfitTraceError, match=r"the trace holds .* as text") as raised:
        tokenise(made, ASKED, text.format(token))
    assert raised.value.failure == "control_token"
    assert f"{token!r}" in str(raised.value)
    with pytest.raises(UnfitTraceError, match="the problem holds"):
        tokenise(made, [("user", text.format(token))], "A")


@pytest.mark.parametrize(("text", "fine"), [("A <|reply|>", False), ("A <b>", True), ("A <think>", True)])
def test_a_token_by_which_the_template_begins_a_turn_is_one_of_control_also_if_it_is_not_called_special(text, fine):
    made = tokenizer_of("bytes", "<|reply|><think>\\n")
    made.add_tokens([AddedToken("<|reply|>", special=False), AddedToken("<b>", special=False)])
    if fine:
        assert spelt(made, text)[1] == text
        tokenise(made, [("user", text)], text)
    else:
        with pytest.raises(UnfitTraceError, match=r"the trace holds '<\|reply\|>' as text"):
            tokenise(made, ASKED, text)


@pytest.mark.parametrize("special", [False, True])
def test_marks_of_thinking_stay_the_one_token_that_a_model_writes(special):
    made = tokenizer_of("bytes")
    if special:
        made.add_tokens([AddedToken("<think>", special=True), AddedToken("</think>", special=True)], True)
    marks = made.convert_tokens_to_ids(["<think>", "</think>"])
    tokens = tokenise(made, ASKED, "<think>A</think>The")
    assert [token for token in tokens.completion if token in marks] == marks


def test_what_looks_like_a_control_token_of_another_family_is_text():
    assert spelt(tokenizer_of("bytes"), "The <|im_end|> A")[1] == "The <|im_end|> A"
