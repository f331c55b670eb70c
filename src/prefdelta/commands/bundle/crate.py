"""ro-crate-metadata.json of a bundle: RO-Crate 1.1 (https://w3id.org/ro/crate/1.1)."""

import hashlib
import json
from pathlib import PurePosixPath
from typing import Any

from prefdelta.commands.bundle.contents import BundleContents, BundledFile
from prefdelta.commands.output import prefdelta_version
from prefdelta.study.study import Study

METADATA = "ro-crate-metadata.json"
_CONTEXT = ["https://w3id.org/ro/crate/1.1/context", {"sha256": "https://schema.org/sha256"}]
_TYPES = {
    ".parquet": "application/vnd.apache.parquet",
    ".json": "application/json",
    ".yaml": "application/yaml",
    ".html": "text/html",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
    ".csv": "text/csv",
    ".md": "text/markdown",
}
_PROGRAM = "#prefdelta"


def crate(study: Study, contents: BundleContents, license_name: str | None, without_texts: bool) -> bytes:
    """The metadata of a bundle: what each file is, and who made it."""
    missing = f" {len(contents.missing):,} of its outputs were not made yet." if contents.missing else ""
    texts = " The texts that models wrote are left out." if without_texts else ""
    root: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"prefdelta study {study.config.study}",
        "description": (
            f"Tables, manifests, config, pins, rubrics, templates, claims and report of the study "
            f"{study.config.study}: what models learn from preference pairs.{missing}{texts}"
        ),
        "datePublished": contents.last[:10] or study.config.date,
        "license": license_name or "unknown: nobody has chosen one",
        "hasPart": [{"@id": member.name} for member in contents.members],
        "mentions": [{"@id": _PROGRAM}],
    }
    descriptor = {
        "@id": METADATA,
        "@type": "CreativeWork",
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        "about": {"@id": "./"},
    }
    program = {"@id": _PROGRAM, "@type": "SoftwareApplication", "name": "prefdelta", "version": prefdelta_version()}
    graph = [descriptor, root, program, *map(_file, contents.members)]
    return (json.dumps({"@context": _CONTEXT, "@graph": graph}, indent=1, ensure_ascii=False) + "\n").encode("utf-8")


def _file(member: BundledFile) -> dict[str, Any]:
    content, path = member.read(), PurePosixPath(member.name)
    return {
        "@id": member.name,
        "@type": "File",
        "name": path.name,
        "description": member.about,
        "encodingFormat": _TYPES.get(path.suffix, "text/plain"),
        "contentSize": str(len(content)),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
