"""`prefdelta bundle`: a study in one archive, whose bytes depend on the study alone."""

import gzip
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

from prefdelta.commands.main import main
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from prefdelta.store.registrations import FOLDER

from .made import CONFIG, RECORD, RESULTS, write_text

ZST, GZ = Path("study.tar.zst"), Path("study.tar.gz")
REGISTRATION = RECORD / FOLDER / "0123.json"


@pytest.fixture
def study(checkout, monkeypatch):
    write_text(REGISTRATION, "{}\n")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def bundle(out, *words):
    return main(["bundle", "--out", str(out), *words, "--configfile", CONFIG])


def check(path):
    return main(["bundle", "--check", str(path)])


def unpacked(path):
    """The folder of the study, unpacked by tar."""
    folder = Path(tempfile.mkdtemp(dir="."))
    subprocess.run(["tar", "-C", folder, "-xf", path], check=True)
    (study,) = folder.iterdir()
    return study


def test_a_bundle_holds_what_the_study_was_planned_with_what_it_made_and_no_weights(study):
    assert bundle(GZ) == 0
    folder = unpacked(GZ)
    for path in (
        CONFIG, "resources/pins.lock.json", "resources/rubrics/signal_to_noise.md", "resources/templates/judge.md",
        "resources/benchmarks/mini_code.yaml", "resources/claims.yaml", REGISTRATION, RESULTS / "report/index.html",
        RESULTS / "report/figures/scaling.svg", RESULTS / "generate/g3.parquet", RESULTS / "generate/g3.manifest.json",
        RESULTS / "train/pa/g3~g1/all/dpo/s0/policy.json",
    ):  # fmt: skip
        assert (folder / path).read_bytes() == Path(path).read_bytes()
    assert not list(folder.rglob("*.safetensors"))
    assert not (folder / RECORD / "calls").exists()


def test_the_same_study_gives_the_same_bytes(study):
    for path in (ZST, GZ):
        assert bundle(path) == 0
        first = path.read_bytes()
        for file in RESULTS.rglob("*.parquet"):
            os.utime(file, (1, 1))
        shutil.copytree("results", "again")
        shutil.rmtree("results")
        Path("again").rename("results")
        assert bundle(path) == 0
        assert path.read_bytes() == first
    assert GZ.read_bytes()[4:8] == bytes(4)  # gzip's own field for a time


def test_a_bundle_is_checked_by_itself_and_by_sha256sum(study, capsys):
    for path in (ZST, GZ):
        assert bundle(path) == 0
        assert check(path) == 0
    done = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=unpacked(GZ), check=False)
    assert done.returncode == 0


def test_a_crate_is_read_by_the_library_of_its_makers(study):
    from rocrate.rocrate import ROCrate

    assert bundle(GZ, "--license", "CC-BY-4.0") == 0
    folder = unpacked(GZ)
    crate = ROCrate(folder)
    assert crate.license == "CC-BY-4.0"
    described = {entity.id for entity in crate.get_by_type("File")}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there - described == {"ro-crate-metadata.json", "SHA256SUMS"}
    assert not described - there


@pytest.mark.parametrize("damage", ["flipped", "missing", "added", "cut"])
def test_a_bundle_that_is_not_as_it_was_written_is_told(study, capsys, damage):
    assert bundle(GZ) == 0
    content = gzip.decompress(GZ.read_bytes())
    if damage == "cut":
        GZ.write_bytes(GZ.read_bytes()[:-200])
    elif damage == "flipped":
        at = content.index((RESULTS / "report/index.html").read_bytes())
        GZ.write_bytes(gzip.compress(content[:at] + b"W" + content[at + 1 :]))
    else:
        folder = unpacked(GZ)
        if damage == "missing":
            (folder / CONFIG).unlink()
        else:
            (folder / "more.txt").write_text("more")
        with tarfile.open(GZ, "w:gz") as tar:
            tar.add(folder, folder.name, recursive=False, filter=lambda entry: None)
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    tar.add(path, Path(folder.name) / path.relative_to(folder))
    assert check(GZ) == 2
    assert str(GZ) in capsys.readouterr().err


def test_without_texts_no_word_of_a_model_is_in_it(study, capsys):
    traces = [Trace("p0", "g3", 0, "what a model wrote", "stop", 4, 7, "key", None)]
    tables.write(RESULTS / "generate/g3.parquet", Trace, traces)
    assert bundle(GZ, "--without-texts") == 0
    folder = unpacked(GZ)
    (trace,) = tables.read(folder / RESULTS / "generate/g3.parquet", Trace)
    assert (trace.text, trace.n_tokens) == (None, 4)
    assert not (folder / RESULTS / "report/index.html").exists()
    assert (folder / RESULTS / "report/figures/scaling.svg").exists()
    assert check(GZ) == 0


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "HF_TOKEN"])
def test_a_bundle_with_a_secret_of_the_environment_is_refused(study, capsys, monkeypatch, variable):
    monkeypatch.setenv(variable, "sk-very-secret-value")
    assert bundle(GZ) == 0
    GZ.unlink()
    write_text(RESULTS / "judge/g3/both.manifest.json", '{"stage": "judge", "key": "sk-very-secret-value"}')
    assert bundle(GZ) == 2
    error = capsys.readouterr().err
    assert variable in error
    assert "sk-very-secret-value" not in error
    assert not GZ.exists()


def test_what_is_not_made_yet_is_told_and_a_dry_run_writes_nothing(study, capsys):
    (RESULTS / "delta/g3~g1/mean.parquet").unlink()
    assert bundle(GZ, "--dry-run") == 0
    told = capsys.readouterr().out
    assert "1 outputs are not made yet" in told
    assert "before the archive is compressed" in told
    assert not GZ.exists()
    shutil.rmtree(RESULTS)
    assert bundle(GZ) == 2
    assert bundle(Path("study.zip")) == 2
