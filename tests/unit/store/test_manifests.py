import json

import pytest

from prefdelta.core.errors import DamagedError
from prefdelta.store import manifests
from prefdelta.system.files import sha256_of


def table(tmp_path, name="g.1.parquet", content="rows"):
    """A file with its manifest beside it."""
    path = tmp_path / name
    path.write_text(content)
    path.with_suffix(".manifest.json").write_text(json.dumps({"outputs": {str(path): sha256_of(path)}}))
    return path


def test_a_file_as_its_manifest_describes_it_is_fine(tmp_path):
    manifests.check([table(tmp_path)])


def test_a_file_without_a_manifest_is_not_checked(tmp_path):
    (tmp_path / "rubric.md").write_text("x")
    manifests.check([tmp_path / "rubric.md", tmp_path / "missing.parquet"])


def test_a_file_that_differs_from_its_manifest_is_damaged(tmp_path):
    path = table(tmp_path)
    path.write_text("rews")
    with pytest.raises(DamagedError, match=f"{path}: is not the file that its manifest describes") as raised:
        manifests.check([path])
    assert raised.value.path == path


def test_a_manifest_among_the_files_describes_files_elsewhere(tmp_path):
    # As the report gets them: the manifest of a batch does not lie beside the batch's tables.
    path = tmp_path / "arm/sampled.parquet"
    path.parent.mkdir()
    path.write_text("rows")
    manifest = tmp_path / "batch-0.manifest.json"
    manifest.write_text(json.dumps({"outputs": {str(path): sha256_of(path)}}))
    manifests.check([path, manifest])
    path.write_text("rews")
    with pytest.raises(DamagedError, match="is not the file"):
        manifests.check([path, manifest])


@pytest.mark.parametrize("content", ["", "{", "[]", '{"outputs": 1}', "\x00"])
def test_a_damaged_manifest_is_told_as_such(tmp_path, content):
    path = table(tmp_path)
    path.with_suffix(".manifest.json").write_text(content)
    with pytest.raises(DamagedError, match=r"g\.1\.manifest\.json: is not the manifest of a job"):
        manifests.check([path])
