"""Which jobs there are, and how they are named."""

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
            if path != f"results/mini/{layout.FIGURES}":
                assert layout.place_of(path, "mini").kind == job.kind


def test_jobs_are_those_of_their_stage_in_the_order_of_the_stages(mini):
    study = mini()
    assert [job.stage for job in study.all_jobs] == [stage for stage in STAGES for _ in study.jobs(stage)]
    assert study.outputs == [path for job in study.all_jobs for path in job.outputs]


def test_what_a_job_reads_is_written_by_another_or_edited_by_people(mini):
    study = mini()
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


def test_a_rule_and_the_list_of_jobs_give_a_job_the_same(mini):
    study = mini()
    job = next(job for job in study.jobs("judge"))
    assert study.settings("judge")(job.axes) == job.settings
    assert study.code("judge")(job.axes) == job.code
    assert study.texts("judge")(job.axes) == job.texts
    assert study.input("judge", "rubrics")(job.axes) == job.inputs["rubrics"]
