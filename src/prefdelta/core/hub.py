"""Names and commits of models and data sets on the Hugging Face hub."""

from typing import Annotated

from pydantic import Field

from prefdelta.core.settings import Settings

Revision = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]


def is_local(name: str) -> bool:
    """Whether a name is a local folder (./folder, ../folder, /folder), which may stand for any name on the hub."""
    return name.startswith(("./", "../", "/"))


class HubModel(Settings):
    """The weights of one job: a repository at a commit, or a local folder, whose content is hashed instead."""

    name: str
    """Repository on the Hugging Face hub (owner/name), or a local folder."""

    revision: Revision | None = None
    """Commit of the repository, from resources/pins.lock.json. None: not pinned, or a local folder."""
