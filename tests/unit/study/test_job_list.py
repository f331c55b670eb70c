"""Which jobs there are, and how they are named."""

import re

import pytest

from prefdelta.core import layout
from prefdelta.core.stage_names import STAGES


def test_a_job_is_told_from_all_others_by_its_name_which_is_that_of_its_manifest_and_log(mini):
    study = mini(lambda content: content["generators"]["g4"].update(shards=2))
    jobs = list(study.all_jobs)
    assert len({job.name for job in jobs}) == len(jobs)
    for job in jobs:
        assert job.manifest == f"results/mini/{job.name}.manifest.json"
        assert job.log == f"results/mini/logs/{job.name}.log"
        assert layout.name_below(job.manifest, "mini") == job.name


def test_an_output_says_which_kind_of_job_writes_it(mini):
    for job in mini().all_jobs:
        for path in job.outputs:
            if not layout.is_folder(path):
                assert layout.place_of(path, "mini").kind == job.kind


def test_jobs_are_those_of_their_stage_in_the_order_of_the_stages(mini):
    study = mini()
    assert [job.stage for job in study.all_jobs] == [stage for stage in STAGES for _ in study.jobs(stage)]
    assert study.outputs == [path for job in study.all_jobs for path in job.outputs]


def select_by_another_judge_in_two_draws(content):
    engine = content["judge"]["engine"] | {"server": {"name": "rules", "noise": 0.3}}
    content["judge"]["others"] = {"second": {"engine": engine, "prompts": 400}}
    experiment = content["experiments"]["filtering"]
    content["experiments"]["again"] = experiment | {"selections": ["top-factuality@second-250"], "draws": [0, 1]}


@pytest.mark.parametrize("edit", [lambda content: None, select_by_another_judge_in_two_draws])
def test_what_a_job_reads_is_written_by_another_or_edited_by_people(mini, edit):
    study = mini(edit)
    written = set(study.outputs)
    for job in study.all_jobs:
        for path in job.reads:
            assert path in written or path.startswith("resources/"), (job.name, path)


def test_a_pairing_of_a_common_set_has_pairs_even_if_no_arm_is_trained_on_them(mini):
    def edit(content):
        common = content["filter"]["sets"]["scaling"]["pairings"]
        content["experiments"] = {"scaling": content["experiments"]["scaling"]}
        content["experiments"]["scaling"]["pairings"] = common[:2]
        content["evaluate"]["groups"] = {"sampled": content["evaluate"]["groups"]["sampled"]}
        content["train"].pop("keep", None)

    study = mini(edit)
    names = [job.name for job in study.jobs("pair")]
    assert names == [f"pair/{name}" for name in study.config.filter.sets["scaling"].pairings]


def add_judges(content):
    """One with another server, and the study's own asked again, for one pairing each; an arm by the first."""
    engine = content["judge"]["engine"] | {"server": {"name": "rules", "noise": 0.3}}
    content["judge"]["others"] = {
        "second": {"engine": engine, "prompts": 400},
        "again": {"pairings": ["g4~g0"], "votes": 2},
    }
    content["experiments"]["filtering"]["selections"].append("top-mean@second-250")


def test_another_judge_adds_jobs_and_leaves_all_others_as_they_are(mini):
    # One arm per job, so that a new selection is no reason to make a batch again.
    def alone(content):
        content["compute"] |= {
            stage: content["compute"].get(stage, {}) | {"batch": 1} for stage in ("train", "evaluate")
        }

    before = {job.name: (job.settings, job.inputs) for job in mini(alone).all_jobs}
    study = mini(lambda content: (alone(content), add_judges(content)))
    after = {job.name: (job.settings, job.inputs) for job in study.all_jobs}
    assert {name for name in before if before[name] != after.get(name)} == {"browse/index", "report/index"}
    added = after.keys() - before.keys()
    judged = {
        *(f"judge/{generator}/{form}@second" for generator in ("g3", "g1") for form in ("logic", "brevity")),
        *(f"judge/{generator}/{form}@again" for generator in ("g4", "g0") for form in ("logic", "brevity")),
    }
    deltas = ["mean", *study.config.dimensions]
    subtracted = {f"delta/g3~g1/{name}@second" for name in deltas} | {f"delta/g4~g0/{name}@again" for name in deltas}
    stages = ("judge", "delta", "filter")
    assert {name for name in added if name.startswith(stages)} == judged | subtracted | {
        "filter/g3~g1/top-mean@second-250/t0"
    }
    assert all(name in written_by_rules(study) for name in judged | subtracted)
    _, read = after["delta/g3~g1/mean@second"]
    assert set(read["judgements"]) == {f"results/mini/{name}.parquet" for name in judged if name.endswith("@second")}
    _, read = after["filter/g3~g1/top-mean@second-250/t0"]
    assert read["deltas"] == ["results/mini/delta/g3~g1/mean@second.parquet"]


def written_by_rules(study):
    """The names of jobs of judge and delta whose wildcards the rules allow."""
    return {
        job.name
        for stage in ("judge", "delta")
        for job in study.jobs(stage)
        if all(re.fullmatch(study.wildcards[axis], value) for axis, value in job.axes.items())
    }


def test_a_rule_and_the_list_of_jobs_give_a_job_the_same(mini):
    study = mini()
    job = next(job for job in study.jobs("judge"))
    assert study.settings("judge")(job.axes) == job.settings
    assert study.code("judge")(job.axes) == job.code
    assert study.texts("judge")(job.axes) == job.texts
    assert study.input("judge", "rubrics")(job.axes) == job.inputs["rubrics"]
