"""What all details have in common."""

from dataclasses import Field, dataclass
from typing import Any, ClassVar, Protocol

# Metadata of a field whose key is not in the manifest where it is None. Other fields are null there.
OMITTED = {"omitted": True}


class Details(Protocol):
    """A frozen dataclass whose fields are the keys of `details` in a manifest, in this order.

    Every field has a default: manifests of older versions lack some of them.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


@dataclass(frozen=True, slots=True)
class NoDetails:
    """Of pair, filter and report."""
