import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdelta.core import layout
from prefdelta.core.arms import Arm, Base, Pairing
from prefdelta.core.errors import StudyError
from prefdelta.core.stage_names import STAGES

AXES = {
    "source": "train",
    "model": "g.4-b",
    "generator": "s1.1-32b",
    "shard": "3",
    "of": "12",
    "form": "logic",
    "chosen": "s1.1-32b",
    "rejected": "r1",
    "dimension": "step_coherence",
    "selection": "top-step_coherence-5000",
    "order": "2",
    "policy": "nemotron-8b",
    "recipe": "dpo-lora",
    "seed": "0",
    "group": "maths-1",
    "temperature": "0.7",
    "batch": "dpo-lora-s0-top-step_coherence-5000",
}
# Names as a config may have them, some of which look like endings, folders or parts of other names.
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]*", fullmatch=True) | st.sampled_from(
    ["base", "policy", "model", "results", "logs", "x.manifest", "x.json", "a.parquet", "shard-0-of-2", "index"]
)


def axes_of(pattern):
    numbers = st.integers(0, 99).map(str)
    values = {**dict.fromkeys(("shard", "of", "seed", "order"), numbers), "temperature": st.sampled_from(["0.5", "1"])}
    return st.fixed_dictionaries({name: values.get(name, names) for name in AXES if f"{{{name}}}" in pattern})


def below_results(path):
    return f"{layout.results('mini')}/{path}"


def test_paths_of_each_kind_of_job():
    assert {kind: layout.output(kind, **AXES) for kind in layout.OUTPUTS} == {
        "prompts": "prompts/train.parquet",
        "ladder": "ladder/g.4-b/model.json",
        "generate": "generate/s1.1-32b.parquet",
        "generate_shard": "generate/s1.1-32b/shard-3-of-12.parquet",
        "grade": "grade/s1.1-32b.parquet",
        "judge": "judge/s1.1-32b/logic.parquet",
        "pair": "pair/s1.1-32b~r1.parquet",
        "delta": "delta/s1.1-32b~r1/step_coherence.parquet",
        "filter": "filter/s1.1-32b~r1/top-step_coherence-5000/t2.parquet",
        "reference": "reference/nemotron-8b/s1.1-32b.parquet",
        "train": "train/nemotron-8b/s1.1-32b~r1/top-step_coherence-5000/dpo-lora/s0/policy.json",
        "evaluate": "evaluate/nemotron-8b/s1.1-32b~r1/top-step_coherence-5000/dpo-lora/s0/maths-1.parquet",
        "evaluate_base": "evaluate/nemotron-8b/base/maths-1.parquet",
        "evaluate_sharpened": "evaluate/nemotron-8b/base@0.7/maths-1.parquet",
        "browse": "browse/index.html",
        "report": "report/index.html",
    }
    assert layout.job_name("judge", **AXES) == "judge/s1.1-32b/logic"
    assert layout.manifest("judge/s1.1-32b/logic") == "judge/s1.1-32b/logic.manifest.json"
    assert layout.log("judge/s1.1-32b/logic") == "logs/judge/s1.1-32b/logic.log"


def test_every_stage_has_a_kind_of_job_and_every_kind_a_stage():
    assert {layout.stage_of(kind) for kind in layout.JOBS} == set(STAGES)


@pytest.mark.parametrize("kind", layout.OUTPUTS)
@given(st.data())
def test_an_output_says_what_it_is_about(kind, data):
    axes = data.draw(axes_of(layout.OUTPUTS[kind]))
    place = layout.place_of(below_results(layout.output(kind, **axes)), "mini")
    assert (place.kind, place.axes) == (kind, axes)
    assert place.stage == layout.stage_of(kind)


@pytest.mark.parametrize("kind", layout.JOBS)
@given(st.data())
def test_manifest_and_log_have_the_name_of_their_job(kind, data):
    axes = data.draw(axes_of(layout.JOBS[kind]))
    name = layout.job_name(kind, **axes)
    for path in (layout.manifest(name), layout.log(name)):
        assert layout.name_below(below_results(path), "mini") == name


def test_an_arm_names_its_own_outputs():
    arm = Arm("pa", Pairing("g4", "g0"), "all", "dpo", 0)
    assert layout.output("train", **arm.axes) == f"train/{arm}/policy.json"
    assert layout.output("evaluate", **arm.axes, group="greedy") == f"evaluate/{arm}/greedy.parquet"
    assert layout.output("evaluate_base", **arm.base.axes, group="greedy") == f"evaluate/{arm.base}/greedy.parquet"
    cooler = Base("pa", 0.7)
    assert layout.output("evaluate_sharpened", **cooler.axes, group="all") == f"evaluate/{cooler}/all.parquet"
    assert layout.output("pair", **arm.pairing.axes) == f"pair/{arm.pairing}.parquet"


def test_a_folder_above_the_study_does_not_matter():
    assert layout.name_below("/data/results/other/results/mini/pair/g4~g0.parquet", "mini") == "pair/g4~g0"


@pytest.mark.parametrize("path", ["pair/g4~g0.parquet", "results/other/pair/g4~g0.parquet", "results/mini"])
def test_a_path_outside_the_study_is_refused(path):
    with pytest.raises(StudyError, match=r"is not in a folder results/mini/"):
        layout.name_below(path, "mini")


def test_a_job_says_by_its_name_what_it_is_about():
    place = layout.place_of_job("filter/g4~g0/top-mean-5/t1")
    axes = {"chosen": "g4", "rejected": "g0", "selection": "top-mean-5", "order": "1"}
    assert (place.stage, place.axes) == ("filter", axes)
    place = layout.place_of_job("evaluate/pa/base@0.5-my-group")
    assert (place.kind, place.axes) == (
        "evaluate_sharpened",
        {"policy": "pa", "temperature": "0.5", "group": "my-group"},
    )
    with pytest.raises(StudyError, match="filter/g4~g0/all: is not a path"):
        layout.place_of_job("filter/g4~g0/all")


@pytest.mark.parametrize(
    "name",
    ["pair/g4", "pair/g4~g0/all", "pairs/g4~g0", "judge/g4", "grade/g4~g0", "delta/g4~g0~g1/logic", "train/pa/base"],
)
def test_a_path_of_no_kind_is_refused_with_the_forms_that_there_are(name):
    with pytest.raises(StudyError, match=r"is not a path of this workflow\. Paths read: prompts/\{source\}, "):
        layout.place_of(f"results/mini/{name}.parquet", "mini")
