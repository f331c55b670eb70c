"""Manifests keep their form on disk. `manifests/` holds one of every stage, from a small run, shortened."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prefdelta.core.stage_names import STAGES
from prefdelta.records.details.contract import NoDetails
from prefdelta.records.details.evaluate import EvaluateDetails, UpstreamCounts
from prefdelta.records.details.grade import GradeDetails, SourceAgreement
from prefdelta.records.details.ladder import LadderDetails
from prefdelta.records.details.prompts import PromptsDetails
from prefdelta.records.details.train import TrainDetails
from prefdelta.records.manifest import DETAILS, Manifest

EXAMPLES = Path(__file__).with_name("manifests")


def example(stage: str) -> str:
    return (EXAMPLES / f"{stage}.json").read_text(encoding="utf-8")


def without(stage: str, *path: str) -> str:
    """The example of a stage without one key."""
    content: Any = json.loads(example(stage))
    inner = content
    for part in path[:-1]:
        inner = inner[part]
    del inner[path[-1]]
    return json.dumps(content)


@pytest.mark.parametrize("stage", STAGES)
def test_what_is_read_is_written_byte_for_byte(stage: str) -> None:
    manifest = Manifest.from_json(example(stage))
    assert isinstance(manifest.details, DETAILS.get(stage, NoDetails))
    assert manifest.to_json() == example(stage)


def test_details_are_read_by_attribute() -> None:
    ladder = Manifest.from_json(example("ladder")).details
    assert isinstance(ladder, LadderDetails)
    assert (ladder.parameters, ladder.curve[-1][1], ladder.rejected[0].accuracies[0].high) == (13792, 0.81569, 0.28)
    train = Manifest.from_json(example("train")).details
    assert isinstance(train, TrainDetails)
    (arm,) = train.arms.values()
    assert (arm.updates, arm.pairs, len(arm.curve["rewards/margins"])) == (2, 40, 2)


@pytest.mark.parametrize(
    ("stage", "details", "expected"),
    [
        ("prompts", PromptsDetails(2), {"repeated_and_counted": 2}),
        (
            "grade",
            GradeDetails(4, {"ValueError: x": 1}, SourceAgreement(3, 2, 1, 0)),
            {
                "correct": 4,
                "grader_said": {"ValueError: x": 1},
                "source_agreement": {"both_right": 3, "both_wrong": 2, "only_ours": 1, "only_theirs": 0},
            },
        ),
        (
            "evaluate",
            EvaluateDetails({"p/base": {"letters": (1, 2)}}, None, {"p/base": {"letters": UpstreamCounts(1, 2, 0)}}),
            {
                "solved_of_counted": {"p/base": {"letters": [1, 2]}},
                "mean_tokens": None,
                "by_upstreams_rule": {"p/base": {"letters": {"solved": 1, "counted": 2, "differ": 0}}},
            },
        ),
    ],
)
def test_keys_of_some_jobs_only_are_absent_in_others(stage: str, details: Any, expected: dict[str, Any]) -> None:
    manifest = replace(Manifest.from_json(example(stage)), details=details)
    written = json.loads(manifest.to_json())["details"]
    assert written == expected
    assert list(written) == list(expected)


def test_the_time_of_a_training_elsewhere_stands_last() -> None:
    manifest = Manifest.from_json(example("train"))
    manifest = replace(manifest, run=replace(manifest.run, training_seconds=7.5, slurm_job="41,42"))
    run = json.loads(manifest.to_json())["run"]
    assert (list(run)[-1], run["training_seconds"], run["slurm_job"]) == ("training_seconds", 7.5, "41,42")


def test_settings_that_readers_go_by() -> None:
    assert Manifest.from_json(example("filter")).typed_settings.tie_seed == 0
    assert Manifest.from_json(example("generate")).typed_settings.generator == "g1"
    assert Manifest.from_json(example("generate")).typed_settings.shipped is None


@pytest.mark.parametrize(
    "text", [without("judge", "details", "models"), without("filter", "not_selected"), without("pair", "run", "gpus")]
)
def test_manifests_of_older_versions_lack_keys(text: str) -> None:
    manifest = Manifest.from_json(text)
    assert (manifest.not_selected, len(manifest.run.gpus)) == (0, 0)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '"grade"', without("grade", "rows"), without("grade", "run", "seconds")]
)
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        Manifest.from_json(text)
