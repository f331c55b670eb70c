"""The common interface of all details."""

from dataclasses import Field, dataclass
from typing import Any, ClassVar, Protocol

# Metadata of a field whose key is left out of the manifest if it is None. Other fields are written as null.
OMITTED = {"omitted": True}


class Details(Protocol):
    """A frozen dataclass whose fields are the keys of `details` in a manifest, in this order.

    Every field has a default: manifests of older versions lack some of them.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


@dataclass(frozen=True, slots=True)
class NoDetails:
    """The empty details of pair."""
