"""What jobs read beyond what a rule's paths say. That it is what Snakemake plans: tests/workflow/test_run_plan.py."""

from pathlib import Path

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.training.registry import METHODS

RESULTS = "results/mini"


def test_weights_of_a_model_of_the_hub_are_no_file_and_those_of_the_ladder_are(mini, study_at):
    assert mini().input("reference", "weights")({"policy": "pa", "generator": "g4"}) == [
        f"{RESULTS}/ladder/pa/model.json"
    ]
    assert study_at({}).input("reference", "weights")({"policy": "nemotron-8b", "generator": "r1"}) == []


def test_a_delta_reads_each_form_that_asks_one_of_its_dimensions_once(mini):
    judgements = mini().input("delta", "judgements")
    itself = judgements({"chosen": "g4", "rejected": "g4", "dimension": "mean"})
    assert len(itself) == len(set(itself)) == len(mini().config.judge.forms)
    one = judgements({"chosen": "g4", "rejected": "g0", "dimension": "factuality"})
    assert {Path(path).parent.name for path in one} == {"g4", "g0"}
    assert len({Path(path).name for path in one}) == 1


@pytest.mark.parametrize(
    ("selection", "read"),
    [
        ("all", {}),
        ("random-5-s0", {}),
        ("top-factuality-5", {"deltas": ["delta/g3~g1/factuality"]}),
        ("low-rejected-mean-5", {"deltas": ["delta/g3~g1/mean"]}),
        ("matched-length-mean-5", {"deltas": ["delta/g3~g1/mean"], "grades": ["grade/g1"]}),
        ("likely-rejected-pb-5", {"reference": ["reference/pb/g1"]}),
        ("common-scaling", {"common": 6}),
        ("swapped-scaling", {"common": 6}),
    ],
)
def test_a_selection_reads_what_its_name_speaks_of(mini, selection, read):
    study, axes = mini(), {"chosen": "g3", "rejected": "g1", "selection": selection, "order": "0"}
    for name in ("deltas", "common", "grades", "reference"):
        paths = study.input("filter", name)(axes)
        expected = read.get(name, [])
        if isinstance(expected, int):
            assert len(paths) == expected
        else:
            assert paths == [f"{RESULTS}/{path}.parquet" for path in expected]


def test_the_log_probabilities_by_which_pairs_are_selected_are_computed_if_no_training_needs_them(mini):
    def more(content):
        content["experiments"]["filtering"]["selections"].append("likely-rejected-pb-5")

    before, after = ({job.name for job in study.jobs("reference")} for study in (mini(), mini(more)))
    assert after - before == {"reference/pb/g1"}


def test_only_methods_with_a_reference_read_one(mini):
    study = mini()
    read = {path for batch in study.train_batches for path in batch.inputs["reference"]}
    assert read <= {path for job in study.jobs("reference") for path in job.outputs}
    for batch in study.train_batches:
        method = study.config.train.recipes[batch.arms[0].recipe].method
        assert bool(batch.inputs["reference"]) == METHODS[method].needs_reference


def test_a_trained_arm_is_evaluated_from_its_policy_and_an_untrained_one_from_the_ladder(mini):
    for batch in mini().evaluate_batches:
        weights = [f"{RESULTS}/train/{arm}/policy.json" for arm in batch.arms]
        untrained = [f"{RESULTS}/ladder/{batch.axes['policy']}/model.json"]
        assert batch.inputs["weights"] == (weights if batch.kind == "evaluate" else untrained)


def test_the_report_reads_the_manifests_of_all_jobs_but_pages_and_reads_leaves_them_out(mini):
    study = mini()
    (report,) = study.jobs("report")
    pages = ("browse", "report")
    assert report.inputs["manifests"] == [job.manifest for job in study.all_jobs if job.stage not in pages]
    assert not set(report.reads) & set(report.inputs["manifests"])
    assert set(report.inputs["scores"]) < set(report.reads)


def test_a_gate_whose_lock_was_never_written_stops_the_rule_but_not_a_look_at_the_jobs(mini):
    gate = {"lock": "nowhere/x.lock.json", "ngram": 13}
    study = mini(lambda content: content["prompts"].update(contamination=gate))
    with pytest.raises(StudyError, match=r"there is no file nowhere/x\.lock\.json"):
        study.input("prompts", "lock")({"source": "train"})
    training, *benchmarks = study.jobs("prompts")
    assert training.reads == ["nowhere/x.lock.json"]
    assert [job.reads for job in benchmarks] == [training.outputs] * len(benchmarks)
