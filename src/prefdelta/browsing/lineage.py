"""Where traces and scores come from: models, commits, prompts, sampling; from the manifests of the jobs."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from prefdelta.core import layout
from prefdelta.core.arms import draw_of
from prefdelta.core.errors import StudyError
from prefdelta.records.manifest import Manifest
from prefdelta.store import checkpoints


def read_manifests(paths: Iterable[Path], study: str) -> dict[tuple[str, ...], Manifest]:
    """Parts of a job's name -> its manifest. Raises StudyError for a file that is not a manifest."""
    found = {}
    for path in paths:
        try:
            manifest = Manifest.from_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StudyError(
                f"{path}: is not a manifest of a job ({error!r}). Delete it and run the workflow again."
            ) from None
        found[tuple(layout.name_below(path, study).split("/"))] = manifest
    return found


def generator_lines(
    generators: Sequence[str],
    manifests: Mapping[tuple[str, ...], Manifest],
    weights: Mapping[str, Path],
    template: str,
) -> list[dict[str, Any]]:
    """One entry per generator. weights: path of a pointer to weights -> the file that is read."""
    return [_generator(name, manifests[("generate", name)], weights, template) for name in generators]


def _generator(name: str, manifest: Manifest, weights: Mapping[str, Path], template: str) -> dict[str, Any]:
    settings = manifest.settings
    hub, shipped = settings.get("hub"), settings.get("shipped")
    line: dict[str, Any] = {
        "name": name,
        "model": None,
        "revision": None,
        "template": template,
        "sampling": settings.get("sampling"),
        "system": settings.get("system"),
        "draw": draw_of(name),
        "source": manifest.run.commit,
    }
    if shipped:
        source = shipped.get("source", {})
        return line | {
            "model": source.get("dataset"),
            "revision": source.get("revision"),
            "template": None,
            "sampling": None,
        }
    if hub:
        return line | {"model": hub.get("name"), "revision": hub.get("revision")}
    for path in manifest.inputs:
        if path in weights:
            return line | {
                "model": weights[path].parent.name,
                "revision": checkpoints.read_pointer(weights[path]).weights,
            }
    return line


def judge_lines(
    forms: Mapping[str, Sequence[str]], manifests: Mapping[tuple[str, ...], Manifest]
) -> list[dict[str, Any]]:
    """One entry per form that was asked. forms: name -> dimensions."""
    lines = []
    for form, dimensions in forms.items():
        asked = next((found for name, found in manifests.items() if name[0] == "judge" and name[-1] == form), None)
        if asked is None:
            continue
        engine, hub = asked.settings.get("engine", {}), asked.settings.get("hub") or {}
        server = engine.get("server") or {}
        lines.append(
            {
                "form": form,
                "dimensions": list(dimensions),
                "model": engine.get("model"),
                "where": server.get("name") or engine.get("base_url"),
                "revision": hub.get("revision"),
            }
        )
    return lines
