import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdelta.core.data.contamination import ExcludedPrompts, counts_by_benchmark, overlaps
from prefdelta.core.errors import StudyError

TWELVE = "one two three four five six seven eight nine ten eleven twelve"
THIRTEEN = f"{TWELVE} thirteen"


def overlap(prompt: str, item: str, ngram: int = 13) -> bool:
    return bool(rule(prompt, item, ngram))


def rule(prompt: str, item: str, ngram: int = 13) -> str | None:
    found = overlaps([("p", prompt)], [("i", item)], ngram)
    return found["p"]["i"] if found else None


@pytest.mark.parametrize(
    ("prompt", "item", "overlapping"),
    [
        (f"before {THIRTEEN} after", f"other {THIRTEEN} words", True),
        (f"before {TWELVE} after that", f"{THIRTEEN} fourteen", False),
        (THIRTEEN.upper(), THIRTEEN.replace(" ", ",\n"), True),
        ("Compute $\\frac{1}{2}$!", "compute frac 1 2", True),  # short texts: as a whole
        ("Compute $\\frac{1}{2}$ now", "Compute $\\frac{1}{2}$", True),
        (f"short {THIRTEEN}", "one two three", False),
        ("!?", "...", False),
    ],
)
def test_thirteen_words_in_a_row_overlap_and_short_texts_as_a_whole(prompt, item, overlapping):
    assert overlap(prompt, item) is overlapping


# Of public maths, in words of our own: (item, how another collection writes it).
LONG = "Let $f(x)=\\frac{x+1}{2}$ and let $g(x)=xy$ be functions of all real numbers. Find $f(g(3))$."
SHORT = "Evaluate $(1+2i)6-3i$."


@pytest.mark.parametrize(("item", "by"), [(LONG, "words"), (SHORT, "characters")])
@pytest.mark.parametrize(
    "label",
    [
        "",
        "5. ",
        "5. (10 points) ",
        "(15 points) ",
        "[5 pts] ",
        "Example 3 ",
        "Problem 4. ",
        "Q7) ",
        "(AIME 2019) ",
        "12) ",
    ],
)
@pytest.mark.parametrize(
    "typeset",
    [
        lambda text: text,
        lambda text: text.replace("$", ""),
        lambda text: re.sub(r"\$(.*?)\$", r"\\(\1\\)", text),
        lambda text: text.replace("(", "\\left(").replace(")", "\\right)"),
        lambda text: text.replace("(", "\\bigl( ").replace(")", " \\bigr)"),
        lambda text: text.replace("\\frac", "\\dfrac"),
        lambda text: text.replace("\\frac{x+1}{2}", "\\tfrac{ x + 1 } 2"),
        lambda text: text.replace("xy", "x y").replace("2i", "2 i"),
        lambda text: text.replace("+", "\\,+\\;").replace("-", " \u2212 "),
        lambda text: text.upper(),
        lambda text: text.rstrip(".").rstrip("$") + "=$ ?" if text.endswith("$.") else text,
        lambda text: "\\begin{align*}" + text.replace("$", " ") + "\\end{align*}",
        lambda text: text.rstrip(".") + "? Give the exact value.",
    ],
)
def test_typesetting_and_labels_hide_no_overlap(item, by, label, typeset):
    assert rule(label + typeset(item), item) == by
    assert rule(item, label + typeset(item)) == by  # the short one may be the prompt


@pytest.mark.parametrize(
    ("prompt", "item", "overlapping"),
    [
        ("5. What is 2+3?", "What is $2 + 3$?", True),  # too short to be looked for within another, but the whole
        ("Tom asks: what is 2+3?", "What is $2+3$?", False),
        ("What is 2-3?", "What is 2+3?", False),
        ("Evaluate $(1+2i)6-3i+4$.", SHORT, False),  # a part of a longer formula
        ("Evaluate $(1+2i)6-3i2$.", SHORT, False),
        ("Evaluate $(1+2i)6-3.5i$.", "Evaluate $(1+2i)6-3$.", False),
        ("Reevaluate $(1+2i)6-3i$.", SHORT, False),
        ("Find the value of $x$. Then double it.", "Find the value of $x$.", False),  # says nothing
        ("Who was it? What do bees in a hive live on in winter?", "What do bees in a hive live on in winter?", True),
    ],
)
def test_a_short_text_is_found_within_another_if_it_says_something_and_stands_alone(prompt, item, overlapping):
    assert overlap(prompt, item) is overlapping


def test_words_that_only_look_alike_without_spaces_are_no_words_in_a_row():
    assert not overlap(f"{TWELVE} thirteenth", THIRTEEN + " and more")
    assert not overlap(f"x{THIRTEEN}", THIRTEEN + " and more")


def test_every_item_that_a_prompt_overlaps_with_is_named():
    items = [("gsm8k:b", "x y z"), ("gsm8k:a", "w x y z"), ("amc:c", "x y z q"), ("amc:d", "other words here")]
    found = overlaps([("p2", "a x y z"), ("p1", "no such words"), ("p0", "x y z b")], items, 3)
    by_words = dict.fromkeys(("amc:c", "gsm8k:a", "gsm8k:b"), "words")
    assert found == {"p0": by_words, "p2": by_words}
    assert counts_by_benchmark(found, "words") == {"amc": (1, 2), "gsm8k": (2, 2)}
    assert counts_by_benchmark(found, "characters") == {}


texts = st.lists(st.sampled_from("abc"), max_size=8).map(" ".join)


@given(texts, texts, st.integers(1, 4))
def test_overlap_is_what_comparing_all_grams_says(prompt, item, ngram):
    def grams(text: str) -> set[tuple[str, ...]]:
        words = text.split()
        long = {tuple(words[at : at + ngram]) for at in range(len(words) - ngram + 1)}
        return long or ({tuple(words)} if words else set())

    assert overlap(prompt, item, ngram) is bool(grams(prompt) & grams(item))


def test_a_lock_comes_back_and_the_order_of_its_prompts_does_not_matter():
    text = ExcludedPrompts(ngram=13, prompts=["b", "a"]).text()
    assert text == ExcludedPrompts(ngram=13, prompts=["a", "b"]).text()
    assert ExcludedPrompts.read(text, "x").prompts == ["a", "b"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"ngram": 0, "prompts": []}', '{"ngram": 13, "prompts": [1]}'])
def test_what_is_no_lock_is_told_with_the_command_that_writes_one(text):
    with pytest.raises(StudyError, match=r"x\.json: not a lock file of excluded prompts.*prefdelta decontaminate"):
        ExcludedPrompts.read(text, "x.json")
