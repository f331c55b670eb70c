"""Files that a job read or wrote, held against its manifest before something is said of them together."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from prefdelta.core.errors import StudyError
from prefdelta.records.manifest import Manifest
from prefdelta.system.files import sha256_of


class Unchanged:
    """Whether files still have the content that jobs gave an account of. Each file is read once."""

    def __init__(self) -> None:
        self._sha256 = cache(sha256_of)

    def check(self, manifest: Manifest, since: str, paths: Iterable[Path]) -> None:
        """Raise StudyError if one of the files is gone, or is not as the job read or wrote it.

        since: what the job did, as "<arm> was trained". Files that the manifest does not name are passed over.
        """
        before = {**manifest.texts, **manifest.inputs, **manifest.outputs}
        for path in paths:
            if sha256 := before.get(str(path)):
                if not path.is_file():
                    raise StudyError(f"{path}: is gone since {since}. Put it back, or run the study, then export.")
                if self._sha256(path) != sha256:
                    raise StudyError(
                        f"{path}: has changed since {since}, so an export would not say what was measured. Run the "
                        "study, so that its files belong together again, then export."
                    )
