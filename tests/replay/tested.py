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
    # data_and_grading.jsonl
    "13": [
        "tests/unit/core/asking/test_model_names.py::test_another_model_is_not_taken_for_it_because_its_name_begins_alike",
        "tests/stages/test_judge.py::test_another_model_stops_the_stage_at_once_until_the_config_accepts_its_name",
    ],
    "16": ["tests/unit/core/asking/test_verdicts.py::test_a_reply_that_is_no_verdict_is_a_typed_failure"],
    # compute.jsonl
    "b01": [
        "tests/unit/training/processes/test_launcher.py::test_another_number_of_processes_goes_on_or_tells_why_it_cannot_and_starts_anew"
    ],
    "b02": [
        "tests/stages/test_judge_refusals.py::test_a_provider_that_runs_out_of_money_is_topped_up_and_flags_one_prompt",
        "tests/commands/test_retry.py::test_failures_of_a_stage_that_wrote_no_table_are_forgotten",
    ],
    "b03": ["tests/stages/test_judge_refusals.py::test_one_prompt_that_is_refused_each_time_is_asked_once"],
    "b04": [
        "tests/stages/test_judge_refusals.py::test_a_provider_that_takes_other_parameters_can_be_asked",
        "tests/engines/test_openai.py::test_a_canary_uses_the_names_that_requests_use",
    ],
    "b06": [
        "tests/stages/test_chat_templates.py::test_a_policy_whose_template_writes_the_date_is_trained_days_after_its_reference_was_made"
    ],
    "b07": ["tests/stages/test_train.py::test_a_training_tells_nobody_of_itself"],
    "b09": [
        "tests/engines/test_transformers.py::test_every_stop_token_of_the_generation_config_ends_a_reply_and_is_cut"
    ],
    "b10": [
        "tests/engines/test_transformers.py::test_a_reasoning_effort_reaches_a_template_that_knows_it_and_is_refused_by_others"
    ],
    "b11": ["tests/unit/training/test_spelling.py::test_what_is_trained_spells_the_completion_whatever_the_border"],
    "b13": [
        "tests/stages/test_judge_refusals.py::test_a_quota_that_is_used_up_ends_the_stage_at_once_with_the_providers_words",
        "tests/engines/test_openai_refusals.py::test_the_reason_of_a_429_is_told_once_and_not_per_request",
    ],
    "b14": [
        "tests/stages/test_judge.py::test_other_names_of_the_model_that_was_asked_are_accepted",
        "tests/stages/test_judge.py::test_another_model_stops_the_stage_at_once_until_the_config_accepts_its_name",
    ],
    "b15": [
        "tests/unit/models/test_repositories.py::test_a_cache_on_a_read_only_mount_is_read_and_what_it_lacks_is_told"
    ],
    "b16": [
        "tests/unit/models/test_repositories.py::test_weights_that_are_there_twice_are_neither_pinned_nor_fetched_nor_hashed"
    ],
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
