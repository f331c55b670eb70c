"""With what profile Snakemake takes a study."""

import shutil
from pathlib import Path

import pytest
import yaml

from prefdelta.commands.snakemake_command import profile_options

from .made import CONFIG, RESULTS, small_study, write_text

pytestmark = pytest.mark.usefixtures("checkout")
OTHER = Path("other.yaml")
GPUS = {"gpus": 1}


@pytest.mark.parametrize("path", [CONFIG, f"./{CONFIG}", f"profiles/../{CONFIG}"])
def test_a_profile_knows_its_config_file_by_any_of_its_names(path):
    assert profile_options(Path(path)) == ["--profile", "mini"]
    assert profile_options(Path(path).absolute()) == ["--profile", "mini"]


@pytest.mark.parametrize(("asked", "profile"), [({}, "mini"), (GPUS, "slurm"), ({"sizes": {"4b": GPUS}}, "slurm")])
def test_another_study_goes_through_slurm_if_it_asks_for_gpus(asked, profile):
    content = small_study()
    content["models"]["pa"] = {"hub": "owner/tiny", "size": "4b"}
    content["compute"]["train"] |= asked
    OTHER.write_text(yaml.safe_dump(content))
    assert profile_options(OTHER) == ["--profile", profile, "--configfile", "other.yaml"]


def test_another_study_goes_through_slurm_if_it_did_before():
    shutil.copy(CONFIG, OTHER)
    write_text(RESULTS / "slurm/submitted.jsonl", "")
    assert profile_options(OTHER)[:2] == ["--profile", "slurm"]
