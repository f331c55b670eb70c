"""The list of pairs: filters, orders, keys, links, and the way back."""

from .made import PAIRS, Study, pair_id
from .visits import Visit


def best(study: Study, above: float) -> list[str]:
    """Pairs whose mean delta is at least so much, the largest first."""
    deltas = study.pairs()["deltas"]["mean"]
    rows = [row for row in range(PAIRS) if deltas[row] is not None and deltas[row] >= above]
    return [pair_id(row) for row in sorted(rows, key=lambda row: (-deltas[row], row))]


def test_it_opens_from_disk_with_all_pairs(visit: Visit) -> None:
    page = visit.open()
    assert page.title() == "Pairs · strong~weak · made"
    assert page.text_content("#pairs-count") == "40 of 40 pairs"
    assert visit.rows()[:2] == [pair_id(0), pair_id(1)]


def test_a_heading_orders_and_a_condition_filters(visit: Visit, study: Study) -> None:
    page = visit.open()
    page.click("button.sort[data-sort='delta.mean']")
    page.click("text=+ filter")
    page.fill("input[aria-label='value of Δ mean']", "1")
    visit.shown()
    expected = best(study, 1)
    assert 3 < len(expected) < PAIRS
    assert page.text_content("#pairs-count") == f"{len(expected)} of 40 pairs"
    assert visit.rows()[: len(expected)] == expected[: len(visit.rows())]
    assert page.locator("[role=columnheader][aria-sort=descending]").inner_text().strip() == "Δ mean ▼"
    assert visit.link == "#pairs=strong~weak&sort=delta.mean&dir=desc&filter=delta.mean%3E=1"


def test_a_link_holds_the_list(visit: Visit, study: Study) -> None:
    page = visit.open("#pairs=0&sort=rank&dir=asc&filter=in=top-mean-10/t0;cell!=wrong-wrong")
    pairs = study.pairs()
    expected = [pair_id(row) for row, *_ in pairs["ranks"]["1"] if pairs["cell"][row] != "wrong-wrong"]
    assert visit.rows() == expected
    assert page.locator(".condition").count() == 2


def test_pairs_without_a_value_come_last_in_both_directions(visit: Visit, study: Study) -> None:
    missing = {pair_id(row) for row, delta in enumerate(study.pairs()["deltas"]["mean"]) if delta is None}
    assert missing
    for direction in ("asc", "desc"):
        visit.open(f"#pairs=0&sort=delta.mean&dir={direction}")
        walked = visit.asked(
            "prefdelta.shard('pairs/0').then(p => prefdelta.listing(prefdelta.study, 0, p, "
            f"{{sort: 'delta.mean', dir: '{direction}'}}).rows.map(row => p.pair_id[row]))"
        )
        assert set(walked[-len(missing) :]) == missing


def test_no_pair_is_said(visit: Visit) -> None:
    page = visit.open("#pairs=0&filter=delta.mean>=99")
    assert page.text_content("#pairs-count") == "0 of 40 pairs"
    assert "No pair fulfils these conditions." in page.inner_text("#pairs-table")


def test_columns_are_chosen(visit: Visit) -> None:
    page = visit.open()
    assert page.locator("button.sort[data-sort='chosen.factuality']").count() == 0
    page.click("summary:has-text('columns')")
    page.check("label:has-text('chosen: factuality') input")
    page.wait_for_selector("button.sort[data-sort='chosen.factuality']")


def test_a_pair_is_opened_walked_from_and_left_by_keys(visit: Visit, study: Study) -> None:
    link = "#pairs=0&sort=delta.mean&dir=desc&filter=delta.mean>=1"
    order = best(study, 1)
    visit.open(link)
    page = visit.press("j", "j", "Enter")
    assert page.title().startswith(f"Pair {order[1]}")
    visit.press("j")
    page = visit.press("ArrowRight", "k")
    assert page.text_content("#pair h1") == f"Pair {order[2]}"
    assert f"3 of {len(order)} in this filter" in page.inner_text(".walk")
    page = visit.press("Escape")
    assert page.text_content("#pairs-count") == f"{len(order)} of 40 pairs"
    assert page.locator(".tabulator-row.current .tabulator-cell").first.text_content() == order[2]


def test_the_history_goes_back_and_forward(visit: Visit) -> None:
    page = visit.open("#pairs=0&sort=tokens.delta&dir=asc")
    first = visit.rows()[0]
    page.click(f"#pairs-table a:has-text('{first}')")
    visit.shown()
    visit.press("j")  # a step takes the place of what was shown before it
    page.go_back()
    visit.shown()
    assert visit.link == "#pairs=0&sort=tokens.delta&dir=asc"
    assert page.is_visible("#pairs-table")
    page.go_forward()
    visit.shown()
    assert page.is_visible("#pair")
    assert page.text_content("#pair h1") != f"Pair {first}"


def test_a_question_mark_lists_the_keys(visit: Visit) -> None:
    visit.open()
    page = visit.press("?")
    assert page.is_visible("#help")
    visit.press("Escape")
    assert not page.is_visible("#help")
