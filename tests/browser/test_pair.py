"""One pair and one trace: both sides, the judge's words, lineage, and texts that are not obeyed."""

from .made import (
    HOSTILE,
    MONEY,
    ONE_SIDED,
    PAIRS,
    POLICIES,
    PRICES,
    TAGS,
    TYPICAL,
    UNJUDGED,
    UNWRITTEN,
    Study,
    pair_id,
    prompt_id,
)
from .visits import Visit


def pair(row: int) -> str:
    return f"#pair=strong~weak/{pair_id(row)}"


def test_both_sides_stand_beside_each_other_with_scores_and_grades(visit: Visit, study: Study) -> None:
    page = visit.open(pair(TYPICAL))
    sides = page.locator("#pair .trace")
    left, right = (sides.nth(n).bounding_box() for n in range(2))
    assert left is not None
    assert right is not None
    assert left["y"] == right["y"]
    assert left["x"] < right["x"]
    pairs = study.pairs()
    rows = [text.split("\t") for text in page.locator("#pair table").first.inner_text().splitlines()]
    assert rows[0] == ["", "factuality", "step coherence", "signal to noise", "mean", "tokens", "characters"]
    assert rows[1][1] == str(pairs["chosen_scores"]["factuality"][TYPICAL])
    assert float(rows[3][4].replace("−", "-")) == round(pairs["deltas"]["mean"][TYPICAL], 2)
    words = {True: "✓ right", False: "✗ wrong"}
    assert [sides.nth(g).locator(".mark").inner_text() for g in range(2)] == [
        words[study.traces[g][TYPICAL][0]["correct"]] for g in range(2)
    ]


def test_maths_is_rendered_and_raw_text_is_a_key_away(visit: Visit, study: Study) -> None:
    page = visit.open(pair(TYPICAL))
    assert page.locator("#pair .problem .katex-display").count() == 1
    assert page.locator("#pair .trace .katex").count() > 4
    assert page.locator("#pair .maths-error").count() == 0
    page = visit.press("r")
    assert page.locator("#pair .katex").count() == 0
    assert page.locator("#pair .trace .text").first.text_content() == study.traces[0][TYPICAL][0]["text"]


def test_money_is_no_maths(visit: Visit) -> None:
    page = visit.open(pair(MONEY))
    assert PRICES in page.inner_text("#pair .trace >> nth=1")


def test_tags_of_a_model_are_text_and_do_not_run(visit: Visit) -> None:
    page = visit.open(pair(HOSTILE))
    text = page.locator("#pair .trace .text").nth(1)
    assert text.text_content().startswith(TAGS)
    assert page.locator("#pair .text script, #pair .text img").count() == 0
    assert page.title() == f"Pair {pair_id(HOSTILE)} · made"


def test_formulas_are_bounded_not_trusted_and_never_break_the_page(visit: Visit) -> None:
    page = visit.open(pair(TYPICAL))
    visit.asked(
        r"""document.body.replaceChildren(...[
        '$\\href{javascript:alert(1)}{x}$', '$\\unknown$', '\\(' + '{'.repeat(3000) + '\\)',
        '\\(\\def\\a{\\a\\a}\\a\\)', '\\(\\rule{9999em}{9999em}\\)', '\\(\\pmb{x} \\fcolorbox{red}{blue}{y}\\)',
        '$a$ and $b', '\\$5$', '`$x$` ``` $y$ ```', '$$x$$ $5$6',
    ].map(text => prefdelta.text(text)))"""
    )
    visit.shown()
    shown = visit.asked(
        """[...document.body.children].map(made =>
          [made.querySelectorAll('a').length, made.querySelectorAll('.katex').length, made.textContent])"""
    )
    assert [links for links, *_ in shown] == [0] * len(shown)
    assert [rendered for _, rendered, _ in shown] == [1, 0, 0, 0, 1, 1, 1, 0, 1, 1]
    assert shown[1][2] == r"$\unknown$"
    assert visit.asked("Math.max(...[...document.querySelectorAll('.rule')].map(rule => rule.offsetWidth))") < 1000
    assert page.locator(".maths-error").count() == 3


def test_marks_that_would_turn_or_hide_text_are_shown_by_their_code(visit: Visit) -> None:
    visit.open(pair(TYPICAL))
    assert visit.asked(r"prefdelta.text('a\u202eb\u001b[31m').textContent") == "a⟨U+202E⟩b⟨U+001B⟩[31m"


def test_the_judges_words_unfold(visit: Visit) -> None:
    page = visit.open(pair(TYPICAL))
    fold = page.locator("#pair .trace details").first
    assert "each step follows" not in fold.inner_text()
    fold.locator("summary").first.click()
    page.wait_for_selector("text=Problem 7: each step follows.")
    assert "judge-120b" in fold.inner_text()
    page.click("summary:has-text('what the judge saw')")
    page.wait_for_selector("text=Rate the trace.")


def test_lineage_names_model_commit_prompt_sampling_seed_and_call(visit: Visit) -> None:
    page = visit.open(pair(TYPICAL))
    page.locator("#pair summary:has-text('lineage')").first.click()
    page.wait_for_selector("text=prompt template")
    text = page.locator("#pair .trace").first.inner_text()
    for fact in (
        "made/strong",
        "commit-of-strong",
        "temperature 0.6",
        "9007199254741000",
        "call-0-7",
        "Think step by step.",
    ):
        assert fact in text


def test_selections_and_the_arms_that_trained_on_the_pair(visit: Visit) -> None:
    page = visit.open(pair(HOSTILE))
    rows = page.locator("#pair .words").first.locator("tbody tr").all_inner_texts()
    assert [row.split()[0] for row in (rows[0], rows[-1])] == ["all/t0", "swapped/t0"]
    assert all(arm in rows[0] for arm in POLICIES[1:3])
    assert "swapped" in rows[-1].split("\t")[2]
    page.click("#pair a:has-text('swapped/t0')")
    visit.shown()
    assert visit.rows() == [pair_id(row) for row in range(5)]


def test_an_arm_leads_to_its_answers(visit: Visit) -> None:
    page = visit.open(pair(HOSTILE))
    page.click(f"#pair a:has-text('{POLICIES[2]}')")
    visit.shown()
    assert page.locator("label:has(span:text-is('second')) select").input_value() == POLICIES[2]


def test_what_is_missing_is_said(visit: Visit) -> None:
    page = visit.open(pair(UNWRITTEN))
    assert "The text of this trace was not written." in page.inner_text("#pair .trace >> nth=1")
    page = visit.open(pair(ONE_SIDED))
    assert "There is no rejected trace: no rejected trace." in page.inner_text("#pair")
    page = visit.open(pair(UNJUDGED))
    assert "This pair has no scores" in page.inner_text("#pair")
    assert "failed: unusable trace" in page.inner_text("#pair .trace >> nth=1")


def test_a_trace_stands_alone_too(visit: Visit, study: Study) -> None:
    page = visit.open(pair(TYPICAL))
    page.click("#pair h2.rejected a")
    visit.shown()
    assert visit.link == f"#trace=weak/{prompt_id(TYPICAL)}/0"
    assert page.title().startswith("Trace weak")
    assert str(study.traces[1][TYPICAL][0]["extracted"]) in page.inner_text("#trace")
    page.go_back()
    visit.shown()
    assert page.is_visible("#pair")


def test_a_link_to_nothing_says_what_there_is(visit: Visit) -> None:
    for link, words in (
        ("#pair=strong~weak/none", "strong~weak has no pair none."),
        ("#pairs=other", "There is no pairing other. There are strong~weak."),
        (f"#trace=weak/{prompt_id(1)}/7", "weak has no sample 7"),
        ("#item=quadratics/none", "quadratics has no item none."),
    ):
        assert words in visit.open(link).inner_text("#failure")


def test_an_id_may_be_shortened_as_long_as_it_tells_the_pair(visit: Visit) -> None:
    ids = [pair_id(row) for row in range(PAIRS)]
    short = next(ids[0][:n] for n in range(1, 99) if sum(one.startswith(ids[0][:n]) for one in ids) == 1)
    page = visit.open(f"#pair=strong~weak/{short}")
    assert ids[0] in page.inner_text("#pair h1")
    several = sum(one.startswith(short[:-1]) for one in ids)
    page = visit.open(f"#pair=strong~weak/{short[:-1]}")
    assert f"has {several} pairs that begin with" in page.inner_text("#failure")


def test_few_pages_stay_in_memory(visit: Visit) -> None:
    visit.open(pair(0))
    for row in range(0, PAIRS, 5):
        visit.asked(f"prefdelta.links.go('{pair(row)}')")
        visit.shown()
    assert visit.asked("prefdelta.keptShards().filter(name => name.startsWith('traces/')).length") <= 4
    assert visit.asked("document.querySelectorAll('script[src*=\"traces/\"]').length") == 0
