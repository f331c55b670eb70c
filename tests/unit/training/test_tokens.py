import copy

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.training import tokens as module
from prefdelta.training.spelling import UnfitTraceError
from prefdelta.training.tokens import Tokeniser, tokenise

ASKED = [("user", "Q:1+1?")]


def with_template(tokenizer, template):
    changed = copy.deepcopy(tokenizer)
    changed.chat_template = template
    return changed


def test_prompt_and_completion_are_rendered_by_the_chat_template(tokenizer):
    tokens = tokenise(tokenizer, ASKED, "1+1=2;A:2")
    assert tokenizer.decode(tokens.prompt) == "<bos><user>Q:1+1?<assistant>"
    assert tokenizer.decode(tokens.completion) == "1+1=2;A:2<eos>"


def test_a_completion_ends_with_end_of_sequence(tokenizer):
    assert tokenise(tokenizer, ASKED, "A:2").completion[-1] == tokenizer.eos_token_id


def test_an_empty_completion_is_end_of_sequence_alone(tokenizer):
    assert tokenise(tokenizer, ASKED, "").completion == [tokenizer.eos_token_id]


def test_there_is_one_beginning_of_sequence_and_it_comes_first(tokenizer):
    tokens = tokenise(tokenizer, ASKED, "A:2")
    assert (tokens.prompt + tokens.completion).count(tokenizer.bos_token_id) == 1
    assert tokens.prompt[0] == tokenizer.bos_token_id


def test_the_prompt_is_the_same_for_each_completion(tokenizer):
    assert tokenise(tokenizer, ASKED, "A:2").prompt == tokenise(tokenizer, ASKED, "1+1=3;A:3").prompt


# Templates as they are found, each wrong in one way.
PLAIN = "{{ bos_token }}{% for m in messages %}%s{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
TURN = "{% if m.role == 'user' %}<user>{{ m.content }}{% else %}<assistant>{{ m.content }}{{ eos_token }}{% endif %}"


# --- templates of reasoning models ---

THOUGHT = "<think>1+1=2;</think>A:2"


@pytest.fixture
def thinking(tokenizer):
    """The tokenizer with the characters and the tags of reasoning."""
    changed = copy.deepcopy(tokenizer)
    changed.add_tokens(["<think>", "</think>", "\n"])
    return changed


STRIPPING = TURN.replace("<assistant>{{ m.content }}", "<assistant>{{ m.content.split('</think>')[-1] }}")
OPENING = PLAIN.replace("%s", TURN).replace("<assistant>{% endif %}", "<assistant><think>\n{% endif %}")


def test_a_template_that_drops_the_reasoning_of_replies_does_not_drop_it_from_training(thinking):
    changed = with_template(thinking, PLAIN.replace("%s", STRIPPING))
    said = changed.apply_chat_template(
        [{"role": "user", "content": "Q:1+1?"}, {"role": "assistant", "content": THOUGHT}], tokenize=False
    )
    assert "think" not in said  # as the template would have it
    assert changed.decode(tokenise(changed, ASKED, THOUGHT).completion) == THOUGHT + "<eos>"


@pytest.mark.parametrize(
    ("completion", "learnt"),
    [
        ("<think>\n1+1=2;</think>A:2", "1+1=2;</think>A:2<eos>"),
        ("\n<think>\n1+1=2;</think>A:2", "1+1=2;</think>A:2<eos>"),
        ("<think>1+1=2;</think>A:2", "1+1=2;</think>A:2<eos>"),
        ("<think>\n\n</think>A:2", "\n</think>A:2<eos>"),  # only what the prompt has already
        ("1+1=2;</think>A:2", "1+1=2;</think>A:2<eos>"),
        ("A:2", "\n</think>\n\nA:2<eos>"),  # without a thought: it is closed at once, or it would never be
        ("A:<think>", "\n</think>\n\nA:<think><eos>"),
    ],
)
def test_a_thought_that_the_prompt_opens_is_not_opened_again(completion, learnt, thinking):
    changed = with_template(thinking, OPENING)
    tokens = tokenise(changed, ASKED, completion)
    assert changed.decode(tokens.prompt).endswith("<assistant><think>\n")
    assert changed.decode(tokens.completion) == learnt


@pytest.mark.parametrize("closed", ["<think></think>", "</think>", "<think>\n\n</think>\n\n"])
def test_a_thought_after_one_that_the_prompt_has_closed_is_refused_and_a_plain_answer_is_learnt(closed, thinking):
    template = OPENING.replace("<think>\n{% endif %}", closed + "{% endif %}")
    off = with_template(thinking, template)
    with pytest.raises(StudyError, match=r"chat_template_kwargs.*enable_thinking"):
        tokenise(off, ASKED, THOUGHT)
    assert thinking.decode(tokenise(off, ASKED, "A:2").completion) == "A:2<eos>"


# --- where the prompt ends and the completion begins ---


@pytest.fixture
def merging(thinking):
    """A tokenizer with a token for two line breaks, whose prompts end with one."""
    changed = with_template(thinking, OPENING.replace("<think>\n{% endif %}", "\n{% endif %}"))
    changed.add_tokens(["\n\n"])
    return changed


def test_a_merge_across_the_border_is_undone_because_the_model_cannot_make_it(merging):
    line = merging.convert_tokens_to_ids("\n")
    tokens = tokenise(merging, ASKED, "\nA:2")
    assert merging.convert_tokens_to_ids("\n\n") in merging("<assistant>\n\nA:2")["input_ids"]
    assert (tokens.prompt[-1], tokens.completion[0]) == (line, line)
    assert tokens.prompt == tokenise(merging, ASKED, "A:2").prompt


def test_a_template_that_adds_a_second_beginning_of_sequence_is_refused(tokenizer):
    template = "{{ bos_token }}" + PLAIN.replace("%s", TURN)
    with pytest.raises(StudyError, match="has 2 beginning-of-sequence tokens; 1 is right, or none"):
        tokenise(with_template(tokenizer, template), ASKED, "A:2")


@pytest.mark.parametrize("bos", ["<bos>", None])
def test_a_template_that_writes_no_beginning_of_sequence_needs_none_whatever_the_tokenizer_has(bos, tokenizer):
    changed = with_template(tokenizer, PLAIN.replace("%s", TURN).replace("{{ bos_token }}", ""))
    changed.bos_token = bos
    tokens = tokenise(changed, ASKED, "A:2")
    assert tokens.prompt[0] == tokenizer.convert_tokens_to_ids("<user>")
    assert tokenizer.bos_token_id not in tokens.prompt + tokens.completion


@pytest.mark.parametrize("end", ["", ";{{ eos_token }}"])
def test_a_template_whose_turns_do_not_end_with_end_of_sequence_is_refused(end, tokenizer):
    template = PLAIN.replace("%s", TURN.replace("{{ eos_token }}", end))
    with pytest.raises(StudyError, match="does not end with end-of-sequence"):
        tokenise(with_template(tokenizer, template), ASKED, "A:2")


def test_what_a_template_writes_after_end_of_sequence_is_not_learnt(tokenizer):
    # A model stops there.
    template = PLAIN.replace("%s", TURN.replace("{{ eos_token }}", "{{ eos_token }};"))
    assert tokenizer.decode(tokenise(with_template(tokenizer, template), ASKED, "A:2").completion) == "A:2<eos>"


# --- many traces ---


def test_what_is_tokenised_once_is_known_and_what_was_refused_is_refused_again(tokenizer, monkeypatch):
    asked, original = [], module.text_ids

    def watched(of, text):
        asked.append(text)
        return original(of, text)

    monkeypatch.setattr(module, "text_ids", watched)
    tokeniser = Tokeniser(tokenizer)
    first, other = (tokeniser(ASKED, text) for text in ("A:2", "A:3"))
    assert asked == ["<bos><user>Q:1+1?<assistant>"]  # both traces have this prompt
    assert tokeniser(ASKED, "A:2") is first
    assert tokeniser([("user", "Q:1+2?")], "A:2").prompt != first.prompt
    assert other.completion != first.completion
    for _ in range(2):
        with pytest.raises(UnfitTraceError):
            tokeniser(ASKED, "A:<eos>")
