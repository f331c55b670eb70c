import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdelta.browsing.scripts import Scripts, script

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(values)
def test_a_script_hands_over_the_value_as_it_was(value):
    (text,) = re.fullmatch(r'prefdelta\.load\("pairs/0",(.*)\);\n', script("pairs/0", value), re.DOTALL).groups()
    assert json.loads(text) == value


def test_no_text_can_end_a_script_or_a_line():
    text = script("a", {"</script>": "<!-- <script> ]]> & \u2028 \u2029"})
    assert not set(text) & set("<>&\u2028\u2029")
    assert "\\u003c/script\\u003e" in text


def test_a_number_that_json_does_not_have_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        script("a", float("nan"))


def test_files_and_bytes_are_counted(tmp_path):
    scripts = Scripts(tmp_path)
    scripts.write("study", "\u00e9")
    scripts.write("traces/0/12", [1, 2])
    written = [tmp_path / "study.js", tmp_path / "traces/0/12.js"]
    assert (scripts.files, scripts.bytes) == (2, sum(path.stat().st_size for path in written))
    assert written[1].read_text() == 'prefdelta.load("traces/0/12",[1,2]);\n'
