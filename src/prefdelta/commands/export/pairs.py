"""The pairs of an arm, as it was trained on them, and those of a pairing: texts, scores and lineage, joined by key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from prefdelta.commands.export.lineage import ExportLineage, lineage_of, read_manifest
from prefdelta.commands.export.shared_names import shared_path
from prefdelta.commands.export.unchanged import Unchanged
from prefdelta.core import layout
from prefdelta.core.arms import Arm, Pairing
from prefdelta.core.asking.judges import PEOPLE, judge_in
from prefdelta.core.asking.prompt_template import ask_problem
from prefdelta.core.asking.template_settings import TemplateSettings
from prefdelta.core.errors import StudyError
from prefdelta.core.stage_names import TRAINING_PROMPTS
from prefdelta.models.loading import load_tokenizer
from prefdelta.models.weights import open_weights
from prefdelta.reading.study_tables import StudyTables
from prefdelta.records.delta import Delta
from prefdelta.records.details.train import TrainDetails, TrainedArm
from prefdelta.records.manifest import Manifest
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.records.selection import SelectedPair
from prefdelta.records.trace import Trace
from prefdelta.stages.train import TrainSettings
from prefdelta.study.job import ArmBatch
from prefdelta.study.study import Study
from prefdelta.system.files import sha256_of
from prefdelta.training.spelling import UnfitTraceError
from prefdelta.training.tokens import PairTexts, Tokeniser

PAIRS = "pairs"  # the method of an export without an arm
K = TypeVar("K")
R = TypeVar("R")
Messages = tuple[tuple[str, str], ...]  # (role, content)


@dataclass(frozen=True, slots=True)
class ExportedSide:
    """One trace of a pair."""

    generator: str
    sample: int
    text: str
    finish_reason: str | None
    tokens: int | None  # as its generator counts
    characters: int | None
    correct: bool | None


@dataclass(frozen=True, slots=True)
class ScoredSides:
    """A pair's scores on one dimension."""

    chosen: float | None
    rejected: float | None
    delta: float | None  # chosen minus rejected


@dataclass(frozen=True, slots=True)
class ExportedPair:
    """A pair with its sides as they were trained on: those of a swapped pair are exchanged, with all that is theirs."""

    pair_id: str
    prompt_id: str
    rank: int | None  # in its selection, from 0
    swapped: bool
    messages: Messages
    chosen: ExportedSide
    rejected: ExportedSide
    scores: Mapping[str, ScoredSides]  # by dimension


@dataclass(frozen=True, slots=True)
class ArmTraining:
    """How an arm was trained on the pairs."""

    arm: Arm
    recipe: Mapping[str, Any]  # method and settings
    details: TrainedArm
    manifest: Manifest

    @property
    def method(self) -> str:
        return str(self.recipe["method"])


@dataclass(frozen=True, slots=True)
class PairsExport:
    name: str  # of the arm or the pairing
    study: str
    pairing: Pairing
    pairs: Sequence[ExportedPair]  # in the order of training
    dimensions: Sequence[str]
    lineage: ExportLineage
    template: tuple[str, str]  # (path, sha256) of the prompt's template
    system: str | None
    rendering: TemplateSettings | None  # of the policy's chat template; None: all pairs of a pairing, without a policy
    trained: ArmTraining | None  # None: all pairs of a pairing, without an arm

    @property
    def method(self) -> str:
        return self.trained.method if self.trained else PAIRS

    @property
    def is_self_paired(self) -> bool:
        """Whether one generator wrote both sides."""
        return self.pairing.chosen == self.pairing.rejected

    @property
    def by_people(self) -> bool:
        """Whether some deltas come from people's scores."""
        return any(judge_in(dimension) == PEOPLE for dimension in self.dimensions)


def find_arm(study: Study, name: str) -> Arm:
    """An arm of the study. Raises StudyError if it has none of this name."""
    from difflib import get_close_matches

    arm = Arm.parse(name)
    if arm not in study.arms:
        near = get_close_matches(name, map(str, study.arms), 3, 0) or ["none"]
        raise StudyError(f"the study has no arm {name}. Arms with the nearest names: {', '.join(near)}.")
    return arm


def batch_of(study: Study, arm: Arm) -> ArmBatch:
    """The job that trains an arm. Raises StudyError if it has not run."""
    batch = next(batch for batch in study.train_batches if arm in batch.arms)
    if not Path(study.policy_manifest(arm)).is_file() or not Path(batch.manifest).is_file():
        raise StudyError(
            f"{arm}: is not trained yet, so it has nothing to export. Run it: snakemake {study.policy_manifest(arm)}"
        )
    return batch


def trained_arm(study: Study, arm: Arm) -> ArmTraining:
    """How an arm was trained. Raises StudyError if it was not."""
    manifest = read_manifest(Path(batch_of(study, arm).manifest))
    details = manifest.details.arms.get(str(arm)) if isinstance(manifest.details, TrainDetails) else None
    if details is None:
        raise StudyError(f"{arm}: the manifest of its job does not name it. Run the study, then export.")
    return ArmTraining(arm, dict(manifest.settings["recipe"]), details, manifest)


def pairs_of_arm(study: Study, arm: Arm) -> PairsExport:
    """The pairs that an arm was trained on, in that order.

    Raises StudyError if the arm is not trained yet, or if a file that it was trained from has changed since.
    """
    batch, trained = batch_of(study, arm), trained_arm(study, arm)
    settings = TrainSettings.model_validate(trained.manifest.settings)
    found = StudyTables(study.outputs, study.config.study)
    selection = layout.place_of_job(study.filter_job(arm))
    chosen_from = _PairsWithTexts(study, found, arm.pairing, Path(batch.inputs["template"][0]), settings.system)
    used = [*chosen_from.files, found.path("filter", **selection.axes), Path(study.policy_manifest(arm))]
    Unchanged().check(trained.manifest, f"{arm} was trained", used)
    selected = found.rows("filter", SelectedPair, None, **selection.axes)
    pairs = [chosen_from.pair(row.pair_id, row.rank, row.swapped) for row in selected]
    if sum(trained.details.left_out.values()):
        pairs = _trained_on(pairs, batch, settings, Path(study.record))
    if len(pairs) != trained.details.pairs:
        raise StudyError(
            f"{arm}: was trained on {trained.details.pairs:,} pairs, but {len(pairs):,} are found. The tables are not "
            "those that it was trained from: run the study, then export."
        )
    return PairsExport(
        name=str(arm),
        study=study.config.study,
        pairing=arm.pairing,
        pairs=in_order(trained.method, pairs, arm.seed),
        dimensions=chosen_from.dimensions,
        lineage=lineage_of(study, arm.pairing, chosen_from.dimensions, study.filter_job(arm)),
        template=chosen_from.template,
        system=settings.system,
        rendering=settings.rendering,
        trained=trained,
    )


def pairs_of_pairing(study: Study, pairing: Pairing) -> PairsExport:
    """All eligible pairs of a pairing, by id.

    Raises StudyError if the study has none, or if its tables are not those that pairs and deltas were made from.
    """
    known = [Pairing(job.axes["chosen"], job.axes["rejected"]) for job in study.jobs("pair")]
    if pairing not in known:
        raise StudyError(f"--pairing: the study has no pairing {pairing}; it has {', '.join(map(str, known))}.")
    found = StudyTables(study.outputs, study.config.study)
    read = _PairsWithTexts(study, found, pairing, Path(study.config.reference.template), None)
    return PairsExport(
        name=str(pairing),
        study=study.config.study,
        pairing=pairing,
        pairs=[read.pair(pair_id, None, False) for pair_id in read.eligible],
        dimensions=read.dimensions,
        lineage=lineage_of(study, pairing, read.dimensions),
        template=read.template,
        system=None,
        rendering=None,
        trained=None,
    )


def in_order(method: str, pairs: Sequence[ExportedPair], seed: int) -> Sequence[ExportedPair]:
    """Pairs by rank in the order in which a method trains on them; KTO shuffles them by the arm's seed."""
    if method != "kto":
        return pairs
    ordered = list(pairs)
    Random(seed).shuffle(ordered)
    return ordered


class _PairsWithTexts:
    """The pairs of one pairing with texts and scores."""

    def __init__(self, study: Study, found: StudyTables, pairing: Pairing, template: Path, system: str | None) -> None:
        self._pairing, self._template, self._system = pairing, template, system
        self._template_text = template.read_text(encoding="utf-8").strip()
        self.template = (shared_path(template), sha256_of(template))
        self.files = [template, found.path("prompts", source=TRAINING_PROMPTS), found.path("pair", **pairing.axes)]
        self.files += [found.path("generate", generator=generator) for generator in pairing.generators]
        self.dimensions = [place.axes["dimension"] for place in found.places("delta", **pairing.axes)]
        self._check_unchanged(study, found)
        self._problems = {row.prompt_id: row.text for row in found.rows("prompts", Prompt, source=TRAINING_PROMPTS)}
        self._pairs = {row.pair_id: row for row in found.rows("pair", Pair, None, **pairing.axes)}
        wanted = {
            (generator, pair.prompt_id, sample)
            for pair in self._pairs.values()
            for generator, sample in zip(
                (pairing.chosen, pairing.rejected), (pair.chosen_sample, pair.rejected_sample), strict=True
            )
        }
        self._traces = {
            key: trace
            for generator in pairing.generators
            for trace in found.rows("generate", Trace, generator=generator)
            if (key := (generator, trace.prompt_id, trace.sample)) in wanted
        }
        self._deltas = {
            dimension: {
                row.pair_id: row for row in found.rows("delta", Delta, None, **pairing.axes, dimension=dimension)
            }
            for dimension in self.dimensions
        }

    def _check_unchanged(self, study: Study, found: StudyTables) -> None:
        """Raise StudyError if pairs, deltas and texts were not made from one another."""
        unchanged = Unchanged()
        jobs = [("pair", {**self._pairing.axes})]
        jobs += [("delta", {**self._pairing.axes, "dimension": dimension}) for dimension in self.dimensions]
        for kind, axes in jobs:
            name = layout.job_name(kind, **axes)
            manifest = read_manifest(Path(study.results) / layout.manifest(name))
            unchanged.check(manifest, f"the job {name} ran", [*self.files, found.path(kind, **axes)])

    @property
    def eligible(self) -> list[str]:
        return [pair_id for pair_id, pair in self._pairs.items() if pair.eligible]

    def pair(self, pair_id: str, rank: int | None, swapped: bool) -> ExportedPair:
        pair = self._known(self._pairs, pair_id)
        chosen = self._side(pair, self._pairing.chosen, "chosen")
        rejected = self._side(pair, self._pairing.rejected, "rejected")
        scores = {dimension: self._scored(rows.get(pair_id), swapped) for dimension, rows in self._deltas.items()}
        problem = self._known(self._problems, pair.prompt_id)
        messages = ask_problem(self._template_text, problem, str(self._template), self._system)
        sides = (rejected, chosen) if swapped else (chosen, rejected)
        return ExportedPair(pair_id, pair.prompt_id, rank, swapped, messages, *sides, scores)

    def _side(self, pair: Pair, generator: str, side: str) -> ExportedSide:
        sample = getattr(pair, f"{side}_sample")
        trace = self._known(self._traces, (generator, pair.prompt_id, sample))
        tokens, characters, correct = (getattr(pair, f"{side}_{what}") for what in ("tokens", "characters", "correct"))
        return ExportedSide(generator, sample, str(trace.text), trace.finish_reason, tokens, characters, correct)

    def _known(self, rows: Mapping[K, R], key: K) -> R:
        if key not in rows:
            raise StudyError(
                f"{self._pairing}: no table has {key!r}, which its pairs name, so the tables are not of one run. Run "
                "the study, then export."
            )
        return rows[key]

    @staticmethod
    def _scored(row: Delta | None, swapped: bool) -> ScoredSides:
        if row is None:
            return ScoredSides(None, None, None)
        if swapped:
            return ScoredSides(row.rejected_score, row.chosen_score, None if row.delta is None else 0 - row.delta)
        return ScoredSides(row.chosen_score, row.rejected_score, row.delta)


def _trained_on(
    pairs: Sequence[ExportedPair], batch: ArmBatch, settings: TrainSettings, record: Path
) -> list[ExportedPair]:
    """The pairs without those that training left out (too long, or a trace that the policy cannot be trained on)."""
    base = open_weights(list(map(Path, batch.inputs["weights"])), settings.hub, record, only_look=True)
    tokenise = Tokeniser(load_tokenizer(base.folder), settings.rendering)
    return [pair for pair in pairs if _fits(pair, tokenise, settings.max_length)]


def _fits(pair: ExportedPair, tokenise: Tokeniser, max_length: int) -> bool:
    try:
        tokens = PairTexts(pair.messages, pair.chosen.text, pair.rejected.text, None, None).tokenised(tokenise)
    except UnfitTraceError:
        return False
    return len(tokens.prompt) + max(len(tokens.chosen), len(tokens.rejected)) <= max_length
