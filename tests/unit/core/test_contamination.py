import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdelta.core.contamination import ExcludedPrompts, counts_by_benchmark, overlaps
from prefdelta.core.errors import StudyError

TWELVE = "one two three four five six seven eight nine ten eleven twelve"
THIRTEEN = f"{TWELVE} thirteen"


def overlap(prompt: str, item: str, ngram: int = 13) -> bool:
    return overlaps([("p", prompt)], [("i", item)], ngram) == {"p": ["i"]}


@pytest.mark.parametrize(
    ("prompt", "item", "overlapping"),
    [
        (f"before {THIRTEEN} after", f"other {THIRTEEN} words", True),
        (f"before {TWELVE} after that", f"{THIRTEEN} fourteen", False),
        (THIRTEEN.upper(), THIRTEEN.replace(" ", ",\n"), True),
        ("Compute $\\frac{1}{2}$!", "compute frac 1 2", True),  # short texts: as a whole
        ("Compute $\\frac{1}{2}$ now", "Compute $\\frac{1}{2}$", False),
        (f"short {THIRTEEN}", "one two three", False),
        ("!?", "...", False),
    ],
)
def test_thirteen_words_in_a_row_overlap_and_short_texts_only_as_a_whole(prompt, item, overlapping):
    assert overlap(prompt, item) is overlapping


def test_every_item_that_a_prompt_overlaps_with_is_named():
    items = [("gsm8k:b", "x y z"), ("gsm8k:a", "w x y z"), ("amc:c", "x y z q"), ("amc:d", "other words here")]
    found = overlaps([("p2", "a x y z"), ("p1", "no such words"), ("p0", "x y z b")], items, 3)
    assert found == {name: ["amc:c", "gsm8k:a", "gsm8k:b"] for name in ("p0", "p2")}
    assert counts_by_benchmark(found) == {"amc": (1, 2), "gsm8k": (2, 2)}


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
