import pytest

from prefdelta.core.errors import StudyError
from prefdelta.records.registration import PlannedNumber, Registration
from prefdelta.store import registrations

CLAIMS = {"it-helps": "abc"}
PLANNED = Registration(CLAIMS, 0, {"it-helps": [PlannedNumber("All", "points", 500, 1.0, None)]}, {"run SD": 1.0})


def never() -> Registration:
    raise AssertionError("made anew")


def test_the_first_registration_stands_and_an_edit_is_another_one_after_what_was_trained(tmp_path):
    registrations.register(tmp_path, CLAIMS, lambda: PLANNED)
    registrations.register(tmp_path, CLAIMS, never)
    for key in ("aa", "bb", ".cc.work"):
        (tmp_path / "policies" / key).mkdir(parents=True)
    edited = {"it-helps": "abd"}
    registrations.register(tmp_path, edited, lambda: Registration(edited, 0))
    assert registrations.read(tmp_path) == [PLANNED, Registration(edited, 2)]


def test_a_record_without_registrations_has_none(tmp_path):
    assert registrations.read(tmp_path) == []


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"claims": {}}'])
def test_a_damaged_registration_is_an_error_that_names_it(tmp_path, content):
    registrations.register(tmp_path, CLAIMS, lambda: PLANNED)
    (path,) = (tmp_path / registrations.FOLDER).iterdir()
    path.write_text(content)
    with pytest.raises(StudyError, match=rf"{path}: is not a registration of claims"):
        registrations.read(tmp_path)
