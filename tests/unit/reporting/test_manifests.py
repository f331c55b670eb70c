import pytest

from prefdelta.core.errors import StudyError
from prefdelta.records.details.train import TrainDetails
from prefdelta.reporting.manifests import details_of, jobs_frame, read_jobs, shipped_generators, stages_frame
from unit.records.test_manifest import example


@pytest.fixture
def paths(tmp_path):
    """The examples where a study has them."""
    names = {"train": "train/pa/g3~g1/dpo-s0-all", "filter": "filter/g3~g1/top-mean-4/t0", "generate": "generate/g1"}
    written = {stage: tmp_path / f"results/mini/{name}.manifest.json" for stage, name in names.items()}
    for stage, path in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(example(stage), encoding="utf-8")
    return written


def test_jobs_are_read_in_the_order_of_their_stages(paths):
    jobs = read_jobs(paths.values(), "mini")
    assert [job.name for job in jobs] == ["g1", "g3~g1/top-mean-4/t0", "pa/g3~g1/dpo-s0-all"]
    assert stages_frame(jobs_frame(jobs))["stage"].tolist() == ["generate", "filter", "train"]
    ((job, details),) = details_of(jobs, TrainDetails)
    assert (job.name, list(details.arms)) == ("pa/g3~g1/dpo-s0-all", ["pa/g3~g1/all/dpo/s0"])
    assert shipped_generators(jobs) == frozenset()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"stage": "filter"}'])
def test_another_file_is_an_error_that_names_it(paths, text):
    paths["filter"].write_text(text, encoding="utf-8")
    with pytest.raises(StudyError, match=r"t0\.manifest\.json: is not a manifest of a job"):
        read_jobs(paths.values(), "mini")


def test_a_missing_file_is_an_error_that_names_it(paths):
    paths["filter"].unlink()
    with pytest.raises(StudyError, match=r"t0\.manifest\.json"):
        read_jobs(paths.values(), "mini")
