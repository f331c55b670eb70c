"""Why an output is missing: which value of an axis of the study is new, for example a generator or a seed."""

from pathlib import Path

from prefdelta.core import layout
from prefdelta.core.arms import Pairing
from prefdelta.core.stage_names import STAGES
from prefdelta.study.study import Study

NOT_MADE = "not made yet"
# Of several values that are new in one output, the first is named: the others may be new because of it.
AXES = (
    "model",
    "policy",
    "generator",
    "source",
    "dimension",
    "form",
    "pairing",
    "selection",
    "recipe",
    "seed",
    "group",
    "temperature",
)


def known_values(study: Study) -> set[tuple[str, str]] | None:
    """(axis, value) of all existing outputs; None if the study was never finished: then no value counts as new."""
    if not any(Path(job.manifest).is_file() for job in study.jobs("report")):
        return None
    outputs = (Path(path) for stage in STAGES for job in study.jobs(stage) for path in job.outputs)
    return {value for path in outputs if path.exists() for value in _values(study, path)}


def why_absent(study: Study, output: Path, known: set[tuple[str, str]] | None) -> str:
    """The first value of an output's axes that is not known, in words; NOT_MADE if all are."""
    new = [] if known is None else [value for value in _values(study, output) if value not in known]
    return f"{new[0][0]} {new[0][1]} is new" if new else NOT_MADE


def _values(study: Study, output: Path) -> list[tuple[str, str]]:
    """(axis, value) of an output, in the order of AXES. Pages have no axes."""
    if layout.is_folder(output):
        return []
    axes = dict(layout.place_of(output, study.config.study).axes)
    if axes.get("order", "0") != "0":
        axes["seed"] = axes["order"]  # of the arms that train on this selection
    values = [(axis, f"s{value}" if axis == "seed" else value) for axis, value in axes.items() if axis in AXES]
    if "chosen" in axes:
        pairing = Pairing(axes["chosen"], axes["rejected"])
        values += [("pairing", str(pairing)), *(("generator", generator) for generator in pairing.generators)]
    return sorted(values, key=lambda value: AXES.index(value[0]))
