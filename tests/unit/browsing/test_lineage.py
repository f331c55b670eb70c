import pytest

from prefdelta.browsing.lineage import generator_lines, judge_lines, read_manifests
from prefdelta.core.errors import StudyError
from prefdelta.records.details.contract import NoDetails
from prefdelta.records.manifest import JobRun, Manifest

RUN = JobRun("2026-01-01T00:00:00Z", 1.0, 1.0, 1, commit="0123456789ab")


def manifest(stage, **settings):
    return Manifest(stage=stage, rows=0, failures={}, details=NoDetails(), settings=settings, run=RUN)


def test_traces_that_a_data_set_ships_have_no_prompt_and_sampling_of_ours():
    shipped = {"source": {"dataset": "somebody/traces", "revision": "d" * 40}, "traces": {}}
    made = manifest("generate", hub=None, shipped=shipped, system=None, sampling={"temperature": 0.6})
    (line,) = generator_lines(["r1"], {("generate", "r1"): made}, {}, "Solve {problem}")
    assert (line["model"], line["revision"]) == ("somebody/traces", "d" * 40)
    assert (line["template"], line["sampling"]) == (None, None)


def test_a_form_that_no_traces_were_judged_in_has_no_line():
    judged = {("judge", "strong", "logic"): manifest("judge", engine={"model": "one"}, hub=None)}
    (line,) = judge_lines({"logic": ["a", "b"], "brevity": ["c"]}, judged)
    assert line == {"form": "logic", "dimensions": ["a", "b"], "model": "one", "where": None, "revision": None}


def test_a_file_that_is_no_manifest_is_named(tmp_path):
    path = tmp_path / "results/mini/judge/strong/logic.manifest.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    with pytest.raises(StudyError, match=r"logic\.manifest\.json: is not a manifest"):
        read_manifests([path], "mini")
    path.write_text(manifest("judge").to_json())
    assert list(read_manifests([path], "mini")) == [("judge", "strong", "logic")]
