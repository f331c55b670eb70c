"""Keys of sheets: the files that say which pair is behind a row, and how the pairs were drawn."""

from pathlib import Path

from pydantic import ValidationError

from prefdelta.core.errors import StudyError
from prefdelta.core.people.sheet import Sheet
from prefdelta.core.settings import mistakes
from prefdelta.system.files import publish_text


def write(path: Path, sheet: Sheet) -> None:
    """Publish a key."""
    publish_text(path, sheet.model_dump_json(indent=1) + "\n")


def read(path: Path) -> Sheet:
    """The key in a file. Raises StudyError if it is not one."""
    try:
        return Sheet.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: the key of a sheet cannot be read: {error}") from None
    except ValidationError as error:
        raise StudyError(
            f"{path}: is not the key of a sheet: {mistakes(error)}. Without it, answers cannot be joined with their "
            "pairs. Fetch the file back; as long as the study is unchanged, the same export writes it again."
        ) from None
