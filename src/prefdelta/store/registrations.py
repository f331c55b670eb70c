"""The registrations of a study's claims in its record: `record/registrations/<digest>.json`. Nothing deletes them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefdelta.core.errors import StudyError
from prefdelta.core.ids import digest
from prefdelta.records.registration import PlannedNumber, Registration
from prefdelta.system.files import publish_text

FOLDER = "registrations"
_POLICIES = "policies"


def register(record: Path, claims: Mapping[str, str], planned: Callable[[], Registration]) -> None:
    """Write a registration of these claims (id -> digest), unless the record has one.

    planned: makes the registration; `trained` is counted here.
    """
    path = record / FOLDER / f"{digest(dict(claims))[:16]}.json"
    if path.exists():
        return
    made = planned()
    trained = sum(folder.is_dir() for folder in (record / _POLICIES).glob("[!.]*"))
    content = {"version": Registration.VERSION, **asdict(made), "claims": dict(claims), "trained": trained}
    path.parent.mkdir(parents=True, exist_ok=True)
    publish_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read(record: Path) -> list[Registration]:
    """All registrations, the earliest first: by the policies that were trained. Raises StudyError for a damaged one."""
    found = []
    for path in sorted((record / FOLDER).glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            planned = {
                name: [PlannedNumber(**number) for number in numbers] for name, numbers in content["planned"].items()
            }
            found.append(Registration(content["claims"], content["trained"], planned, content["assumptions"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StudyError(
                f"{path}: is not a registration of claims ({type(error).__name__}: {error}). Restore the file. If it "
                "is lost, remove it: the next run registers the claims anew, as exploratory ones."
            ) from None
    return sorted(found, key=lambda registration: registration.trained)


def _registration(content: Mapping[str, Any]) -> Registration:
    planned = {name: [PlannedNumber(**number) for number in numbers] for name, numbers in content["planned"].items()}
    return Registration(content["claims"], content["trained"], planned, content["assumptions"])
