"""The checks of texts that people edit, before anything starts."""

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.study.texts import BROWSER_PAGE, browser_application, text_digest


def test_a_template_without_a_slot_is_refused_with_its_path(mini, tmp_path):
    path = tmp_path / "problem.md"
    path.write_text("Solve it.\n")
    with pytest.raises(StudyError, match=r"problem\.md"):
        mini(lambda content: content["generate"].update(template=str(path)))


@pytest.mark.parametrize(
    ("content", "message"), [(None, "cannot be read"), (b"\xff", "cannot be read"), (b" ", "empty")]
)
def test_a_template_that_cannot_be_read_is_named_by_its_key(mini, tmp_path, content, message):
    path = tmp_path / "judge.md"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StudyError, match=rf"judge\.md: judge\.template .*{message}"):
        mini(lambda study: study["judge"].update(template=str(path)))


def test_the_digest_is_of_content_in_its_order_and_not_of_names(tmp_path):
    one, other, same = (tmp_path / name for name in ("a", "b", "c"))
    one.write_text("x")
    same.write_text("x")
    other.write_text("y")
    assert text_digest([str(one)]) == text_digest([str(same)])
    assert text_digest([str(one), str(other)]) != text_digest([str(other), str(one)])


def test_the_browsers_application_is_what_lies_beside_its_page_without_what_npm_keeps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = ["resources/browser/browser.css", "resources/browser/vendor/fonts/a.woff2"]
    for path in (
        BROWSER_PAGE,
        *kept,
        *(f"resources/browser/{name}" for name in ("package.json", "node_modules/a/b.js")),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x")
    assert browser_application() == kept
