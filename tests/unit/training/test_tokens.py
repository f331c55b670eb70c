import copy

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.training.tokens import tokenise

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


def test_a_template_that_renders_the_prompt_otherwise_with_a_completion_is_refused(tokenizer):
    # As templates do that open a thought in the prompt, but not before a reply that is there already.
    template = PLAIN.replace("%s", TURN).replace("<assistant>{% endif %}", "<assistant>={% endif %}")
    with pytest.raises(StudyError, match="does not keep the prompt as a prefix: alone it ends in") as error:
        tokenise(with_template(tokenizer, template), ASKED, "A:2")
    assert "'Q:1+1?<assistant>='" in str(error.value)
    assert "'Q:1+1?<assistant>A'" in str(error.value)


def test_a_template_that_adds_a_second_beginning_of_sequence_is_refused(tokenizer):
    template = "{{ bos_token }}" + PLAIN.replace("%s", TURN)
    with pytest.raises(StudyError, match="has 2 beginning-of-sequence tokens; 1 is right"):
        tokenise(with_template(tokenizer, template), ASKED, "A:2")


def test_a_template_without_beginning_of_sequence_is_refused(tokenizer):
    template = PLAIN.replace("%s", TURN).replace("{{ bos_token }}", "")
    with pytest.raises(StudyError, match="has 0 beginning-of-sequence tokens; 1 is right"):
        tokenise(with_template(tokenizer, template), ASKED, "A:2")


def test_a_tokenizer_that_has_no_beginning_of_sequence_needs_none(tokenizer):
    changed = with_template(tokenizer, PLAIN.replace("%s", TURN).replace("{{ bos_token }}", ""))
    changed.bos_token = None
    assert tokenise(changed, ASKED, "A:2").prompt[0] == tokenizer.convert_tokens_to_ids("<user>")


@pytest.mark.parametrize("end", ["", "{{ eos_token }};"])
def test_a_template_whose_completions_do_not_end_with_end_of_sequence_is_refused(end, tokenizer):
    template = PLAIN.replace("%s", TURN.replace("{{ eos_token }}", end))
    with pytest.raises(StudyError, match="does not end with end-of-sequence"):
        tokenise(with_template(tokenizer, template), ASKED, "A:2")


def test_a_control_token_as_text_of_a_trace_is_refused(tokenizer):
    with pytest.raises(StudyError, match="has 2 beginning-of-sequence tokens"):
        tokenise(tokenizer, ASKED, "1+1=2;<bos>A:2")
