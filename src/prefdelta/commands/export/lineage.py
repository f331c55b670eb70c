"""How the pairs of an export came to be: models and their commits, the judge, and what was left out on the way."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from prefdelta.commands.export.shared_names import LOCAL_FOLDER, shared_name, shared_path
from prefdelta.core import layout
from prefdelta.core.arms import Pairing
from prefdelta.core.errors import StudyError
from prefdelta.core.hub import HubModel, is_local
from prefdelta.core.stage_names import TRAINING_PROMPTS
from prefdelta.models.repositories import identity_of
from prefdelta.records.manifest import Manifest
from prefdelta.store import checkpoints
from prefdelta.study.study import Study


@dataclass(frozen=True, slots=True)
class ModelLineage:
    """A model of the study."""

    model: str  # repository on the hub, or the model's name in the study
    revision: str | None  # commit of the repository, or "sha256:<hash of the weights>"; None: not known
    is_of_hub: bool = False
    is_local: bool = False  # its weights were taken from a folder; the hash is that of the folder's files by now

    def __str__(self) -> str:
        return f"{self.model}{f' ({LOCAL_FOLDER})' if self.is_local else ''}, revision {self.revision or 'not known'}"


@dataclass(frozen=True, slots=True)
class GeneratorLineage:
    """Who wrote one side of the pairs."""

    name: str
    model: ModelLineage  # or the data set that ships its traces
    drawn: str  # how its traces were drawn


@dataclass(frozen=True, slots=True)
class JudgeLineage:
    """One judge of the traces, on one form."""

    form: str
    dimensions: Sequence[str]
    model: str  # as it was asked for
    named_itself: Sequence[str]  # in its replies
    revision: str | None  # commit or hash of the weights, if a server of the study's own ran it
    votes: int
    texts: Mapping[str, str]  # path of a rubric or of the template -> sha256


@dataclass(frozen=True, slots=True)
class RowsLeftOut:
    """What one job left out."""

    job: str
    rows: int  # that it was given
    reasons: Mapping[str, int]  # reason -> rows; "not selected" is one


@dataclass(frozen=True, slots=True)
class ExportLineage:
    generators: Mapping[str, GeneratorLineage]  # by name
    judges: Sequence[JudgeLineage]
    left_out: Sequence[RowsLeftOut]
    prompts: str  # where the training prompts come from
    commits: Sequence[str]  # of prefdelta's source
    last: str  # start of the last job behind the pairs, UTC


def lineage_of(study: Study, pairing: Pairing, dimensions: Sequence[str], *more: str) -> ExportLineage:
    """The lineage of a pairing's pairs. more: names of further jobs, for example the selection's.

    Raises StudyError for a manifest that cannot be read; one that is missing is left out.
    """
    forms = {
        place.axes["form"]
        for job in study.jobs("judge")
        if (place := layout.place_of_job(job.name)).axes["generator"] in pairing.generators
    }
    names = [layout.job_name("prompts", source=TRAINING_PROMPTS)]
    for stage in ("generate", "grade"):
        names += [layout.job_name(stage, generator=name) for name in pairing.generators]
    judging = [
        layout.job_name("judge", generator=name, form=form) for form in sorted(forms) for name in pairing.generators
    ]
    names += [*judging, layout.job_name("pair", **pairing.axes)]
    names += [layout.job_name("delta", **pairing.axes, dimension=dimension) for dimension in dimensions]
    manifests = dict(_manifests(study, [*names, *more]))
    return ExportLineage(
        generators={name: _generator(study, name, manifests) for name in pairing.generators},
        judges=_judges(manifests, judging),
        left_out=[_left_out(name, manifest) for name, manifest in manifests.items()],
        prompts=_prompts(manifests),
        commits=sorted({manifest.run.commit for manifest in manifests.values() if manifest.run.commit}),
        last=max((manifest.run.started for manifest in manifests.values()), default=""),
    )


def read_manifest(path: Path) -> Manifest:
    """Raises StudyError if it is not there, or not a manifest."""
    try:
        return Manifest.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(f"{path}: is not there yet. Run the study up to this job, then export.") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StudyError(f"{path}: is not a manifest of a job ({error!r}). Run its job again, then export.") from None


def model_lineage(study: Study, model: str) -> ModelLineage:
    """A model of the study, by its name there."""
    if (hub := study.hub.model(model)) is not None:
        return _of_hub(hub, model)
    pointer = Path(study.results) / layout.output("ladder", model=model)
    return ModelLineage(model, f"sha256:{checkpoints.read_pointer(pointer).weights}" if pointer.is_file() else None)


def _manifests(study: Study, names: Sequence[str]) -> Iterator[tuple[str, Manifest]]:
    for name in dict.fromkeys(names):
        path = Path(study.results) / layout.manifest(name)
        if path.is_file():
            yield name, read_manifest(path)


def _of_hub(hub: HubModel, model: str) -> ModelLineage:
    """model: its name in the study, which stands for a local folder's."""
    if not is_local(hub.name):
        return ModelLineage(hub.name, hub.revision, is_of_hub=True)
    try:
        return ModelLineage(model, f"sha256:{_folder_hash(Path(hub.name).absolute())}", is_local=True)
    except StudyError:  # it is gone, or too large to be read for this
        return ModelLineage(model, None, is_local=True)


@cache
def _folder_hash(folder: Path) -> str:
    return identity_of(HubModel(name=str(folder)))


def _generator(study: Study, name: str, manifests: Mapping[str, Manifest]) -> GeneratorLineage:
    manifest = manifests.get(layout.job_name("generate", generator=name))
    settings = manifest.settings if manifest else {}
    shipped, hub = settings.get("shipped"), settings.get("hub")
    if shipped:
        source = shipped["source"]
        here = is_local(source["dataset"])
        data = ModelLineage(name if here else source["dataset"], source.get("revision"), not here, here)
        return GeneratorLineage(name, data, "shipped by the data set")
    known = str(study.config.generator(name).model)
    model = _of_hub(HubModel(**hub), known) if hub else model_lineage(study, known)
    sampling = settings.get("sampling") or {}
    told = [f"{key} {value}" for key, value in sampling.items() if value is not None]
    told += [f"{settings['samples']} per prompt", f"seed {settings['seed']}"] if "samples" in settings else []
    engine = (settings.get("engine") or {}).get("name")
    return GeneratorLineage(name, model, ", ".join([*told, *([f"engine {engine}"] if engine else [])]))


def _judges(manifests: Mapping[str, Manifest], names: Sequence[str]) -> list[JudgeLineage]:
    """The judges of the named jobs, each once: it scores the traces of both generators."""
    judges: list[JudgeLineage] = []
    for name in names:
        if name in manifests:
            judge = _judge(layout.place_of_job(name).axes["form"], manifests[name])
            judges += [] if judge in judges else [judge]
    return judges


def _judge(form: str, manifest: Manifest) -> JudgeLineage:
    settings, details = manifest.settings, manifest.details
    hub, model = settings.get("hub"), str((settings.get("engine") or {}).get("model"))
    return JudgeLineage(
        form=form,
        dimensions=list(settings.get("dimensions", [])),
        model=shared_name(model),
        named_itself=sorted(map(shared_name, getattr(details, "models", {}))),
        revision=_of_hub(HubModel(**hub), model).revision if hub else None,
        votes=int(settings.get("votes", 1)),
        texts={shared_path(path): sha256 for path, sha256 in manifest.texts.items()},
    )


def _left_out(name: str, manifest: Manifest) -> RowsLeftOut:
    reasons = dict(manifest.failures)
    if manifest.not_selected:
        reasons["not selected"] = manifest.not_selected
    return RowsLeftOut(name, manifest.rows, reasons)


def _prompts(manifests: Mapping[str, Manifest]) -> str:
    manifest = manifests.get(layout.job_name("prompts", source=TRAINING_PROMPTS))
    made = manifest.settings.get("made", {}) if manifest else {}
    if dataset := made.get("dataset"):
        return f"{shared_name(dataset)} at commit {made.get('revision') or 'unknown'}, split {made.get('split')}"
    return f"made by a procedure of prefdelta (family {made.get('family')}, operations {made.get('operations')})"
