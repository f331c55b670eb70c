"""Where traces, prompts and scores come from: what the manifests of the jobs that made them say."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefdelta.commands.looking.results import Results
from prefdelta.core.asking.judges import judge_in
from prefdelta.records.manifest import Manifest


@dataclass(frozen=True, slots=True)
class PromptOrigin:
    source: str  # `train`, or a benchmark
    made: bool  # by a procedure; else a data set
    settings: Mapping[str, Any]  # of the procedure, or of the data set with its revision; empty: not made yet

    @property
    def line(self) -> str:
        if not self.settings:
            return f"{self.source} (not there yet)"
        if self.made:
            return f"{self.source}: made by a procedure ({listed(self.settings)})"
        return f"{self.source}: data set {listed(self.settings)}"


@dataclass(frozen=True, slots=True)
class GeneratorOrigin:
    """How the traces of a generator were made. What is not known yet is None."""

    generator: str
    model: str | None  # its name in the config; None: a data set ships the traces
    repository: str | None  # on the hub; None: the study trained the model, or a data set ships the traces
    commit: str | None  # of the repository
    weights: str | None  # the checkpoint's key in the record, if the study trained the model
    shipped: Mapping[str, Any] | None  # the data set that ships the traces
    engine: str | None
    sampling: Mapping[str, Any]
    template: str | None  # path of the template that a problem is put in
    template_sha256: str | None
    source_commit: str | None  # of this package, when the traces were made

    @property
    def line(self) -> str:
        if self.shipped:
            return f"{self.generator}: shipped by a data set ({listed(self.shipped)})"
        if self.repository:
            where = f"{self.repository} at {self.commit or 'a folder, or a commit that is not pinned'}"
        elif self.weights:
            where = f"model {self.model}, trained by this study; weights {short(self.weights)}"
        else:
            where = f"model {self.model} (not there yet)"
        return f"{self.generator}: {where}"


@dataclass(frozen=True, slots=True)
class JudgeOrigin:
    """Who judged the traces of a generator in one form, and by which texts."""

    form: str
    judge: str | None  # a judge beside the study's own
    dimensions: list[str]
    model: str | None  # as it is asked for
    answered_as: list[str]  # names of the models that replied
    server: Mapping[str, Any] | None  # that the study starts itself
    base_url: str | None
    repository: str | None  # on the hub, of a model that the study serves
    commit: str | None
    sampling: Mapping[str, Any]
    votes: int | None
    template: str | None
    template_sha256: str | None
    rubrics: Mapping[str, Mapping[str, str]]  # dimension -> path and sha256

    @property
    def line(self) -> str:
        where = self.repository or (f"server {listed(self.server)}" if self.server else self.base_url)
        at = f" at {self.commit}" if self.commit else ""
        name = f"{self.judge}, " if self.judge else ""
        return f"{self.form}: {name}model {self.model or '(not asked yet)'}" + (f", {where}{at}" if where else "")


def short(digest: str) -> str:
    """A digest or key as people read it: its beginning. --json has all of it."""
    return digest[:16]


def prompt_origin(results: Results, source: str) -> PromptOrigin:
    manifest = results.manifest("prompts", source=source)
    settings = manifest.settings if manifest else {}
    made: Mapping[str, Any] = settings.get("made") or {}
    is_made = made.get("kind") == "made"
    seed = {"seed": settings["seed"]} if is_made and "seed" in settings else {}
    return PromptOrigin(source, is_made, {**_without_nulls(made), **seed})


def generator_origin(results: Results, generator: str) -> GeneratorOrigin:
    manifest = results.manifest("generate", generator=generator)
    settings = manifest.settings if manifest else {}
    model = results.study.config.generator(generator).model
    hub, engine = settings.get("hub") or {}, settings.get("engine") or {}
    checkpoint = results.ladder_model(model) if model and not hub else None
    template = _text(manifest, results.study.config.generate.template) if model else None
    return GeneratorOrigin(
        generator=generator,
        model=model,
        repository=hub.get("name"),
        commit=hub.get("revision"),
        weights=checkpoint.key if checkpoint else None,
        shipped=_without_nulls((settings.get("shipped") or {}).get("source") or {}) or None,
        engine=engine.get("name"),
        sampling=_without_nulls(settings.get("sampling") or {}) if model else {},
        template=template[0] if template else None,
        template_sha256=template[1] if template else None,
        source_commit=manifest.run.commit if manifest else None,
    )


def judge_origin(results: Results, generator: str, form: str, dimensions: list[str]) -> JudgeOrigin:
    manifest = results.manifest("judge", generator=generator, form=form)
    settings = manifest.settings if manifest else {}
    engine, hub = settings.get("engine") or {}, settings.get("hub") or {}
    texts = manifest.texts if manifest else {}
    template = _text(manifest, results.study.config.judge.template)
    details = manifest.details if manifest else None
    return JudgeOrigin(
        form=form,
        judge=judge_in(form),
        dimensions=dimensions,
        model=engine.get("model"),
        answered_as=list(getattr(details, "models", {})),
        server=_without_nulls(engine["server"]) if engine.get("server") else None,
        base_url=engine.get("base_url"),
        repository=hub.get("name"),
        commit=hub.get("revision"),
        sampling=_without_nulls(settings.get("sampling") or {}),
        votes=settings.get("votes"),
        template=template[0] if template else None,
        template_sha256=template[1] if template else None,
        rubrics={
            Path(path).stem: {"path": path, "sha256": sha256}
            for path, sha256 in texts.items()
            if Path(path).stem in {name.partition("@")[0] for name in dimensions}
        },
    )


def _text(manifest: Manifest | None, path: str) -> tuple[str, str] | None:
    """(path, sha256) of a text that a job read; None if it did not, or has not run."""
    return (path, manifest.texts[path]) if manifest and path in manifest.texts else None


def _without_nulls(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None and name != "kind"}


def listed(settings: Mapping[str, Any]) -> str:
    """Settings in words: `split pairs, operations 4 5`."""
    shown = {name: " ".join(map(str, value)) if isinstance(value, list) else value for name, value in settings.items()}
    return ", ".join(f"{name} {value}" for name, value in shown.items())
