"""Items of a benchmark: who solves what, in which order, and every arm's answer to one."""

from .made import BENCHMARKS, ITEMS_WITH_TEXT, POLICIES, Study, prompt_id
from .visits import Visit


def test_signs_tell_right_from_wrong_without_colour(visit: Visit) -> None:
    page = visit.open("#items=quadratics")
    rows = page.locator("#items-table .tabulator-row")
    assert rows.nth(0).locator(".sign").all_inner_texts() == ["●"] * len(POLICIES)
    assert rows.nth(1).locator(".sign").all_inner_texts() == ["○"] * len(POLICIES)
    assert rows.nth(2).locator(".sign").all_inner_texts() == ["●", *"○" * (len(POLICIES) - 1)]
    assert page.text_content("#items-count").startswith("30 of 30 items, 7 arms")


def test_items_are_ordered_by_how_many_arms_solve_them(visit: Visit) -> None:
    page = visit.open("#items=quadratics")
    page.click("button.sort[data-sort=solved]")
    visit.shown()
    solvers = page.locator("#items-table [tabulator-field=solved].tabulator-cell").all_inner_texts()
    assert solvers[0] == str(len(POLICIES))
    assert [float(n) for n in solvers] == sorted((float(n) for n in solvers), reverse=True)


def test_items_where_two_arms_differ(visit: Visit) -> None:
    page = visit.open("#items=quadratics")
    page.select_option("label:has(span:text-is('second')) select", POLICIES[1])
    visit.shown()
    page.select_option("label:has(span:text-is('list')) select", "a")
    visit.shown()
    signs = [row.locator(".sign").all_inner_texts()[:2] for row in page.locator("#items-table .tabulator-row").all()]
    assert prompt_id(2) in visit.rows("items")
    assert signs
    assert all(first == "●" and second != "●" for first, second in signs)
    told = page.inner_text("#items-count").splitlines()
    assert told[0].startswith(f"{len(signs)} of 30 items")
    assert f"; the first does better on {len(signs)}, the second on " in told[1]


def test_several_draws_are_counted(visit: Visit) -> None:
    page = visit.open("#items=draws")
    assert page.locator("#items-table .tabulator-row").nth(0).locator(".sign").all_inner_texts() == ["4"] * len(
        POLICIES
    )
    sign = page.locator("#items-table .tabulator-row").nth(0).locator(".sign").first
    assert sign.get_attribute("title") == "4 of 4 draws right, 100 tokens"


def test_an_item_shows_every_answer_or_those_of_two_arms(visit: Visit) -> None:
    page = visit.open("#items=quadratics")
    page.click(f"#items-table a:has-text('{prompt_id(2)}')")
    visit.shown()
    assert page.locator("#item .trace h2").all_inner_texts() == POLICIES
    assert page.locator("#item .trace .katex").count() > 10
    page.click("text=show two arms")
    visit.shown()
    page.select_option("#item label:has(span:text-is('second')) select", POLICIES[3])
    visit.shown()
    assert page.locator("#item .trace h2").all_inner_texts() == [POLICIES[0], POLICIES[3]]
    page = visit.press("j")
    assert page.text_content("#item h1") == f"Quadratics {prompt_id(3)}"
    assert page.locator("#item .trace").count() == 2
    page = visit.press("Escape")
    assert page.is_visible("#items-table")


def test_answers_that_were_not_written_are_said_to_be(visit: Visit, study: Study) -> None:
    items, _ = BENCHMARKS["quadratics"]
    assert items > ITEMS_WITH_TEXT
    page = visit.open(f"#item=quadratics/{prompt_id(items - 1)}")
    assert "The texts of answers to this item were not written" in page.inner_text("#item")
    assert page.locator("#item .trace").count() == len(POLICIES)
