"""What a file is about (arm, pairing, generator, job) is in its path below `results/<study>/<stage>/`."""

from pathlib import Path

from prefdelta.core.errors import StudyError


def part_after(path: Path, study: str, stage: str) -> str:
    """What a path says below `results/<study>/<stage>/`, without the file's ending.

    Raises StudyError if the path has no such folder.
    """
    parts = path.parts
    for i in range(len(parts) - 3):
        if parts[i : i + 3] == ("results", study, stage):
            name = "/".join(parts[i + 3 :])
            return name.removesuffix(".parquet").removesuffix(".json").removesuffix(".manifest")
    raise StudyError(
        f"{path}: is not in a folder results/{study}/{stage}/. The report reads names of arms, pairings, generators "
        "and jobs from paths; give it the files where the workflow wrote them."
    )
