"""`prefdelta bundle`: a study in one archive, whose bytes depend on the study alone."""

import gzip
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest
import yaml

from prefdelta.commands.bundle.archive import write
from prefdelta.commands.main import main
from prefdelta.core.errors import StudyError
from prefdelta.core.layout import annotations, sheet_key
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
    assert not (folder / "resources/browser").exists()  # its pages are not packed, so it would show nothing
    assert not (folder / RECORD / "calls").exists()


def edited(**changes):
    """Change sections of the study's config."""
    study = yaml.safe_load(Path(CONFIG).read_text())
    for section, change in changes.items():
        study[section] = study[section] | change if isinstance(change, dict) else change
    Path(CONFIG).write_text(yaml.safe_dump(study, sort_keys=False))


def test_files_from_outside_the_root_are_packed_as_they_are_under_a_name_without_their_folder(study, tmp_path_factory):
    """The root has other files of the same names; the archive must not hold those."""
    outside = tmp_path_factory.mktemp("elsewhere")
    template = outside / "problem.md"
    template.write_text("From outside: {problem}\n")
    write_text(Path("problem.md"), "not this one: {problem}\n")
    write_text(Path("study.yaml"), "not: this one\n")
    edited(generate={"template": str(template)})
    config = outside / "study.yaml"
    shutil.copy(CONFIG, config)
    assert main(["bundle", "--out", str(GZ), "--configfile", str(config)]) == 0
    folder = unpacked(GZ)
    packed = {path.name.partition("-")[2]: path.read_bytes() for path in (folder / "outside").iterdir()}
    assert packed == {"problem.md": template.read_bytes(), "study.yaml": config.read_bytes()}
    assert outside.name not in (folder / "ro-crate-metadata.json").read_text()
    assert check(GZ) == 0


@pytest.mark.parametrize("config", [f"resources/../{CONFIG}", f"./{CONFIG}", f"../{{here}}/{CONFIG}"])
def test_a_config_has_one_name_however_its_path_is_spelt(study, config):
    path = config.format(here=Path.cwd().name)
    assert main(["bundle", "--out", str(GZ), "--configfile", path]) == 0
    assert check(GZ) == 0
    assert (unpacked(GZ) / CONFIG).read_bytes() == Path(CONFIG).read_bytes()


@pytest.mark.parametrize("name", ["../config.yaml", "a/../../b", "/etc/hosts", ""])
def test_no_archive_gets_a_name_that_its_check_refuses(tmp_path, name):
    with pytest.raises(StudyError):
        write(tmp_path / GZ, "mini", [(name, b"text")], "2026-01-01")
    assert not list(tmp_path.iterdir())


def test_the_same_study_gives_the_same_bytes(study):
    for path in (ZST, GZ):
        assert bundle(path) == 0
        first = path.read_bytes()
        path.unlink()
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
    files = members(GZ)
    if damage == "cut":
        GZ.write_bytes(GZ.read_bytes()[:-200])
    elif damage == "flipped":
        page = f"mini/{RESULTS}/report/index.html"
        files = [(name, b"W" + content[1:] if name == page else content) for name, content in files]
    elif damage == "missing":
        files = [file for file in files if file[0] != f"mini/{CONFIG}"]
    else:
        files.insert(0, ("mini/more.txt", b"more"))
    if damage != "cut":
        pack(GZ, files)
    assert check(GZ) == 2
    assert str(GZ) in capsys.readouterr().err


@pytest.mark.parametrize("ending", [".tar.gz", ".tar.zst"])
def test_every_cut_of_an_archive_is_told(tmp_path, ending):
    """Also one that takes only the last bytes, which hold the compressor's own checksum."""
    path = small_archive(tmp_path / f"whole{ending}")
    whole = path.read_bytes()
    assert check(path) == 0
    for length in [*range(len(whole) - 24, len(whole)), *range(0, len(whole), 41)]:
        path.write_bytes(whole[:length])
        assert check(path) == 2, length


@pytest.mark.parametrize("ending", [".tar.gz", ".tar.zst"])
def test_damage_anywhere_ends_in_words_and_never_in_another_content(tmp_path, ending):
    path = small_archive(tmp_path / f"whole{ending}")
    whole, files = path.read_bytes(), members(path)
    for at in range(0, len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        if check(path) == 0:  # a byte of gzip's own header that says nothing of the content
            assert ending == ".tar.gz"
            assert at < 10
            assert members(path) == files


def test_an_archive_that_is_put_together_another_way_is_refused(tmp_path):
    path = small_archive(tmp_path / GZ)
    *files, sums = members(path)
    name, listed = sums
    for wrong in (
        [*files, ("other/SHA256SUMS", listed)],  # two folders at the top
        [(name, b""), *files, sums],  # two lists
        [sums, *files],  # the list is not the last file
        [*files, (name, listed + listed.splitlines(keepends=True)[0])],  # a file is listed twice
        [*files, files[0], sums],
        [(name, b"")],  # no file at all
        [*files, sums, ("mini/.", b"")],
    ):
        pack(path, wrong)
        assert check(path) == 2, [name for name, _ in wrong]
    pack(path, [*files, sums])
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"more"))  # after the archive's end
    assert check(path) == 2


def small_archive(path):
    files = [("a.txt", b"first\n"), ("b/c.txt", bytes(range(256)) * 4)]
    write(path, "mini", files, "2026-01-01")
    return path


def members(path):
    """(name, content) of every file of an archive, in order, as tar reads them."""
    import pyarrow as pa

    with pa.input_stream(str(path), compression="zstd" if path.suffix == ".zst" else "gzip") as stream:
        packed = stream.read()
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        return [(entry.name, tar.extractfile(entry).read()) for entry in tar]


def pack(path, files):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def test_nothing_that_is_there_is_replaced(study, capsys):
    write_text(GZ, "mine")
    Path("folder.tar.gz").mkdir()
    Path("link.tar.gz").symlink_to("nowhere")
    write_text(Path("file"), "mine")
    before = sorted(Path().rglob("*"))
    for path in (GZ, "folder.tar.gz", "link.tar.gz", "file/study.tar.gz", f"{'n' * 250}.tar.gz", "new/deep/a\0.tar.gz"):
        assert bundle(path) == 2, path
    assert "is there already" in capsys.readouterr().err
    assert GZ.read_text() == "mine"
    assert sorted(Path().rglob("*")) == before


def test_peoples_names_and_remarks_are_packed_only_if_asked_for(study, capsys):
    table, key = Path(annotations("mini", "sheet")), Path(sheet_key("mini", "sheet"))
    write_text(table, "Ada: I know who wrote this\n")
    write_text(key, "{}\n")
    edited(annotations=["sheet"])
    assert bundle(GZ) == 0
    assert "--with-annotations" in capsys.readouterr().out
    assert not (unpacked(GZ) / "annotations").exists()
    GZ.unlink()
    assert bundle(GZ, "--with-annotations") == 0
    assert (unpacked(GZ) / table).read_bytes() == table.read_bytes()


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


def test_a_variable_whose_name_only_contains_such_a_word_is_no_secret(study, monkeypatch):
    write_text(RESULTS / "judge/g3/both.manifest.json", '{"stage": "judge", "where": "the monkey house"}')
    monkeypatch.setenv("MONKEY_HOUSE", "the monkey house")
    assert bundle(GZ) == 0


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "HF_TOKEN", "apikey", "AWS_ACCESS_KEY_ID"])
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


def test_options_that_mean_nothing_together_are_refused(study):
    assert bundle(GZ) == 0
    for words in (["--license", "CC0-1.0"], ["--without-texts"], ["--with-annotations"], ["--dry-run"]):
        assert main(["bundle", "--check", str(GZ), *words]) == 2
