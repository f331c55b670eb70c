"""Replays cases that need servers, processes or trainings: the tests named here set these up."""

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]
# Case -> tests, as pytest takes them; all of them must pass.
TESTS: dict[str, list[str]] = {
    "13": [],
    "16": [],
}


def passed() -> dict[str, bool]:
    """Case -> whether its tests passed, none of them skipped."""
    outcomes = _outcomes({test for tests in TESTS.values() for test in tests})
    return {case: all(outcomes[test] for test in tests) for case, tests in TESTS.items()}


def _outcomes(tests: Iterable[str]) -> dict[str, bool]:
    """Test -> whether it was found and passed in each of its variants."""
    outcomes: dict[str, list[bool]] = {test: [] for test in tests}
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report.name}", *sorted(outcomes)]
        subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False)
        for case in ElementTree.parse(report.name).iter("testcase"):
            name = f"{case.attrib['classname'].replace('.', '/')}.py::{case.attrib['name'].partition('[')[0]}"
            if name in outcomes:
                outcomes[name].append(not any(child.tag in ("failure", "error", "skipped") for child in case))
    return {test: bool(found) and all(found) for test, found in outcomes.items()}
