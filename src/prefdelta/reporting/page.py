"""From lines and figures to HTML. The template escapes everything but the figures made here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdelta.core.errors import StudyError
from prefdelta.core.statistics import Estimate
from prefdelta.reporting.figures import Dot, Panel, dot_panels, sparkline
from prefdelta.reporting.frames import (
    LN2,
    AccuracyLine,
    Arm,
    DeltaLine,
    GeneratorLine,
    Manifest,
    Scores,
    TrainingLine,
    commits,
    families,
    jobs_frame,
    short_labels,
    stage_settings,
    stages_frame,
    training,
    versions,
)

if TYPE_CHECKING:
    from markupsafe import Markup

_NONE = "—"


@dataclass(frozen=True, slots=True)
class Benchmark:
    title: str
    note: str  # "maths, easy, in domain"


@dataclass(frozen=True, slots=True)
class Experiment:
    title: str
    arms: Sequence[Arm]


@dataclass(frozen=True, slots=True)
class Content:
    """All that the page shows."""

    study: str
    title: str
    about: str
    colour: str
    resamples: int
    seed: int
    settings: Mapping[str, Any]
    benchmarks: Mapping[str, Benchmark]
    experiments: Sequence[Experiment]
    scores: Scores
    generators: Sequence[GeneratorLine]
    deltas: Sequence[DeltaLine]
    manifests: Sequence[Manifest]


def render(template: Path, content: Content) -> str:
    """The page. Raises StudyError if the template or the colour cannot be used."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {
        "percent": percent,
        "points": points,
        "signed": signed,
        "decimal": decimal,
        "count": count,
        "duration": duration,
        "reasons": reasons,
        "breakable": breakable,
    }
    try:
        return environment.from_string(template.read_text(encoding="utf-8")).render(_variables(content))
    except jinja2.TemplateError as error:
        line = getattr(error, "lineno", None)
        raise StudyError(f"{template}{f', line {line}' if line else ''}: {error}. Mend the template.") from None


def percent(share: float | None) -> str:
    """A share as a number of percent, without its sign."""
    return _NONE if share is None else f"{100 * share:.1f}"


def points(share: float | None) -> str:
    """A difference of shares in percentage points, with its sign."""
    return _NONE if share is None else _minus(f"{100 * share:+.1f}")


def signed(value: float | None) -> str:
    return _NONE if value is None else _minus(f"{value:+.2f}")


def decimal(value: float | None, digits: int = 4) -> str:
    return _NONE if value is None else _minus(f"{value:.{digits}f}")


def count(value: int | None) -> str:
    return _NONE if value is None else f"{value:,}"


def duration(seconds: float) -> str:
    """Seconds as a person says them: 0.8 s, 42 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def reasons(failures: Mapping[str, int]) -> str:
    """Failures by reason, most frequent first."""
    ordered = sorted(failures.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name}\u00a0{number:,}" for name, number in ordered) or _NONE


def breakable(name: str) -> "Markup":
    """A name that may break into lines after its slashes."""
    from markupsafe import Markup

    return Markup("/<wbr>").join(name.split("/"))


def _minus(text: str) -> str:
    """Minus signs as printed; a zero has none."""
    if float(text) == 0:
        text = text.replace("-", "").replace("+", "")
    return text.replace("-", "−")


def _variables(content: Content) -> dict[str, Any]:
    manifests = content.manifests
    jobs = jobs_frame(manifests)
    stages = stages_frame(jobs)
    arms = _all_arms(content)
    return {
        "study": content.study,
        "title": content.title,
        "about": [" ".join(part.split()) for part in content.about.split("\n\n") if part.strip()],
        "accent": _hex(content.colour),
        "commits": commits(manifests),
        "n_jobs": len(jobs),
        "seconds": float(jobs["seconds"].sum()),
        "experiments": [_experiment(content, number) for number in range(len(content.experiments))],
        "tables": [_accuracy_table(content, name, arms) for name in content.benchmarks],
        "generators": content.generators,
        "deltas": content.deltas,
        "delta_figures": _delta_figures(content.deltas),
        "training": _training(training(manifests)),
        "ln2": LN2,
        "stages": stages.to_dict("records"),
        "slowest": max([*stages["seconds"].tolist(), 0.001]),
        "jobs": jobs.to_dict("records"),
        "versions": versions(manifests),
        "settings": json.dumps({"report": content.settings, **stage_settings(manifests)}, indent=2, ensure_ascii=False),
        "resamples": content.resamples,
        "seed": content.seed,
        "n_arms": len(arms),
        "n_families": len(families(arms)),
        "n_single_seed": sum(len(members) == 1 for members in families(arms)),
    }


def _hex(colour: str) -> str:
    """A colour as #rrggbb: nothing else enters the style sheet."""
    from matplotlib.colors import to_hex

    try:
        return to_hex(colour)
    except ValueError:
        raise StudyError(
            f"report.colour: {colour!r} is no colour; give a name that matplotlib knows or #rrggbb."
        ) from None


def _all_arms(content: Content) -> list[Arm]:
    """Every arm that has scores, those of the experiments first."""
    planned = [arm for experiment in content.experiments for arm in experiment.arms]
    return list({arm.name: arm for arm in [*planned, *content.scores.arms()]}.values())


def _experiment(content: Content, number: int) -> dict[str, Any]:
    """A headline figure: a panel per benchmark, a row per arm."""
    experiment = content.experiments[number]
    members = families(experiment.arms)
    labels = short_labels(experiment.arms)
    panels = []
    for name, benchmark in content.benchmarks.items():
        lines = [content.scores.compare(arms, name) for arms in members]
        dots = [_dot(content, labels[arms[0].family], arms, line) for arms, line in zip(members, lines, strict=True)]
        panels.append(
            Panel(benchmark.title, f"{benchmark.note}; n\u00a0=\u00a0{_range([line.paired for line in lines])}", dots)
        )
    constant = {
        part: values.pop()
        for part in ("policy", "pairing", "recipe")
        if len(values := {getattr(arm, part) for arm in experiment.arms}) == 1
    }
    seeds = sorted({arm.seed for arm in experiment.arms})
    return {
        "title": experiment.title,
        "constant": constant,
        "seeds": seeds,
        "n_arms": len(experiment.arms),
        "single": any(len(arms) == 1 for arms in members),
        "several": any(len(arms) > 1 for arms in members),
        "figures": _both_widths(panels, "percentage points", f"e{number + 1}"),
    }


def _dot(content: Content, label: str, arms: tuple[Arm, ...], line: AccuracyLine) -> Dot:
    assert line.difference is not None
    singles = [content.scores.compare((arm,), line.benchmark).difference for arm in arms] if len(arms) > 1 else []
    values = [100 * single.value for single in singles if single is not None and single.value is not None]
    return Dot(label, _scaled(line.difference, 100), values)


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    value, low, high = (
        None if part is None else part * factor for part in (estimate.value, estimate.low, estimate.high)
    )
    return Estimate(value, low, high, estimate.n)


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers, default=0), max(numbers, default=0)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _both_widths(panels: Sequence[Panel], unit: str, name: str) -> list[dict[str, Any]]:
    """The same figure for wide and for narrow windows; the style sheet shows one of them."""
    from markupsafe import Markup

    if not any(panel.dots for panel in panels):
        return []
    return [
        {"kind": kind, "svg": Markup(dot_panels(panels, unit, f"{name}{kind[0]}", narrow=kind == "narrow"))}
        for kind in ("wide", "narrow")
    ]


def _accuracy_table(content: Content, benchmark: str, arms: Sequence[Arm]) -> dict[str, Any]:
    """Per policy: its base, then its arms; where an arm ran with several seeds, their mean above them."""
    groups = []
    for policy in dict.fromkeys([*(arm.policy for arm in arms), *content.scores.policies()]):
        rows = [{"kind": "base", "line": content.scores.base(policy, benchmark)}]
        for members in families(arm for arm in arms if arm.policy == policy):
            if len(members) > 1:
                rows.append({"kind": "mean", "line": content.scores.compare(members, benchmark)})
            kind = "seed" if len(members) > 1 else "arm"
            rows += [{"kind": kind, "line": content.scores.compare((arm,), benchmark)} for arm in members]
        groups.append({"policy": policy, "rows": rows})
    shown = content.benchmarks[benchmark]
    return {"name": benchmark, "title": shown.title, "note": shown.note, "groups": groups}


def _delta_figures(lines: Sequence[DeltaLine]) -> list[dict[str, Any]]:
    """A panel per pairing, a row per dimension."""
    by_pairing: dict[str, dict[str, DeltaLine]] = {}
    for line in lines:
        by_pairing.setdefault(line.pairing, {})[line.dimension] = line
    dimensions = list(dict.fromkeys(line.dimension for line in lines))
    panels = []
    for pairing, found in by_pairing.items():
        nothing = Estimate(None, None, None, 0)
        dots = [Dot(name, found[name].mean if name in found else nothing) for name in dimensions]
        panels.append(Panel(pairing, f"{_range([line.mean.n for line in found.values()])} pairs", dots))
    return _both_widths(panels, "mean sample delta, score points", "d")


def _training(lines: Sequence[TrainingLine]) -> list[dict[str, Any]]:
    """Each arm with its curves, on scales that all arms share."""
    from markupsafe import Markup

    losses = [value for line in lines for value in line.losses]
    margins = [value for line in lines for value in line.margins]

    def curve(values: Sequence[float], everywhere: Sequence[float], mark: float) -> Markup | None:
        if not values:
            return None
        return Markup(sparkline(values, min(*everywhere, mark), max(*everywhere, mark), mark))

    return [
        {"line": line, "loss": curve(line.losses, losses, LN2), "margin": curve(line.margins, margins, 0.0)}
        for line in lines
    ]
