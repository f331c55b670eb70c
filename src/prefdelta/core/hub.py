"""Models and data sets of the Hugging Face hub: which one, and which state of it. Values only."""

from typing import Annotated

from pydantic import Field

from prefdelta.core.settings import Settings

Revision = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$", description="commit of the repository")]


def is_local(name: str) -> bool:
    """Whether a name is a folder on this machine (./folder, ../folder, /folder), which may stand for any hub name."""
    return name.startswith(("./", "../", "/"))


class HubModel(Settings):
    """The weights of one job: a repository at a commit, or a local folder, whose content is hashed instead."""

    name: str
    """Repository on the Hugging Face hub (owner/name), or a local folder."""
    revision: Revision | None = None
    """Commit of the repository, from resources/pins.lock.json. None: not pinned, or a local folder."""
