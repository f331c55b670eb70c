"""Stage train: a batch of arms. One policy is trained by one recipe on the pairs of each arm.

A checkpoint lies in the record under the hash of all that determines it (texts and reference log-probabilities of the
pairs, recipe, base weights, training code, library versions, seed; not how many GPUs share the work). So an arm with
unchanged pairs is not trained again, even if its batch reruns. Pairs are tokenised only for an arm that must be
trained, because loading the libraries for it takes longer than all the rest.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from prefdelta.core.arms import Arm, Pairing
from prefdelta.core.asking.prompt_template import ask_problem
from prefdelta.core.asking.template_settings import PLAIN, TemplateSettings
from prefdelta.core.errors import StudyError
from prefdelta.core.hub import HubModel
from prefdelta.core.ids import digest
from prefdelta.core.settings import Settings
from prefdelta.models.chat_templates import in_key
from prefdelta.models.loading import load_tokenizer
from prefdelta.models.repositories import weight_files
from prefdelta.models.weights import Weights, open_weights, same_tensors
from prefdelta.records.checkpoint import Checkpoint
from prefdelta.records.details.train import TrainDetails, TrainedArm
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.records.reference import ReferenceLogps
from prefdelta.records.selection import SelectedPair
from prefdelta.records.trace import Trace
from prefdelta.store import checkpoints, tables
from prefdelta.store.snapshots import Snapshots
from prefdelta.system import plugins
from prefdelta.system.log import say
from prefdelta.training.processes import launcher
from prefdelta.training.processes.mailbox import TrainingRun
from prefdelta.training.registry import AnyRecipe, method_of, plugin_of
from prefdelta.training.spelling import CONTROL_TOKEN, NOT_SPELT, UNFIT, UnfitTraceError
from prefdelta.training.tokens import PairTexts, PreferenceRow, Tokeniser
from prefdelta.workflow import source
from prefdelta.workflow.job import Job, Outcome, file_ending, file_of, start

TRAINER = "prefdelta.training.trainer"
# Modules whose source is in a policy's key. Other imports affect a policy only through values that the key already
# contains.
TRAINING_CODE = (
    "prefdelta.training",
    "prefdelta.models.loading",
    "prefdelta.models.chat_templates",
    "prefdelta.core.asking.stored_reasoning",
)
KIND = "policies"  # folder of the record
_LIBRARIES = ("torch", "transformers", "trl", "accelerate")
_TraceKey = tuple[str, str, int | None]  # generator, prompt_id, sample


class TrainSection(Settings):
    recipes: dict[str, AnyRecipe]
    """Name -> method and settings."""

    max_too_long_share: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """Share of an arm's pairs that may be left out because a trace is too long, from 0 to below 1. Above it the stage
    stops."""

    max_unfit_share: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of an arm's pairs that may be left out because the policy cannot be trained on a trace (a control token as
    text, or not spelt by its tokens), from 0 to below 1. Above it the stage stops."""

    keep: list[str] | None = None
    """Experiments whose policies `gc --evaluated-policies` keeps. None: all."""


class TrainSettings(Settings):
    arms: dict[str, str]
    """Arm -> the table of its pairs: <pairing>/<selection>/t<order>. An arm's seed is that of the order of its pairs,
    and of the adapters' first weights."""

    recipe: AnyRecipe
    """Method and settings."""

    max_length: int
    """Tokens of a trace with its prompt. Pairs with a longer trace are left out."""

    max_too_long_share: float
    """Share of an arm's pairs that may be too long. Above it the stage stops."""

    max_unfit_share: float = 0.5
    """Share of an arm's pairs that may have an unfit trace. Above it the stage stops."""

    hub: HubModel | None = None
    """The base policy, if it is a model of the hub."""

    system: str | None = None
    """The policy's system prompt."""

    rendering: TemplateSettings = PLAIN
    """Date and settings of the policy's chat template."""

    def plugins(self) -> list[str]:
        return [plugin_of(self.recipe)]


def run(job: Job[TrainSettings]) -> Outcome:
    settings = job.settings
    base = open_weights(job.inputs["weights"], settings.hub, job.record)
    trained, unchanged, computed, tokens = {}, 0, 0, 0
    elsewhere: list[TrainingRun] = []
    # One for all arms, which share prompts and traces; made only for an arm that must be trained.
    tokeniser = cache(lambda: Tokeniser(load_tokenizer(base.folder), settings.rendering))
    for arm, rows in _rows_by_arm(job):
        started = time.monotonic()
        policy, updates, read, run_elsewhere = _policy(job, arm, base, rows, tokeniser)
        computed += updates
        tokens += read
        elsewhere += [run_elsewhere] if run_elsewhere else []
        checkpoints.write_pointer(file_of(job.outputs["policies"], arm), policy)
        measured = checkpoints.details(job.record, policy)
        left_out = measured.pop("left_out")
        _check_left_out(arm, len(rows), left_out, settings)
        trained[arm] = TrainedArm(
            **measured,
            pairs=len(rows) - sum(left_out.values()),
            left_out=left_out,
            method=settings.recipe.method,
            seconds=round(time.monotonic() - started, 3),
        )
        unchanged += not measured["differs_from_base"]
        say(f"train: {len(trained)} of {len(settings.arms)} arms, {updates} updates made now: {arm}")
    failures = {"unchanged": unchanged} if unchanged else {}
    made = {"updates": computed, "tokens": tokens}
    return Outcome(len(trained), failures, TrainDetails(trained), made, _run_elsewhere(elsewhere))


def _run_elsewhere(runs: Sequence[TrainingRun]) -> dict[str, Any]:
    """Entries for the manifest: the SLURM jobs that trained, and their time without time in the queue."""
    if not runs:
        return {}
    return {
        "training_seconds": round(sum(run.seconds for run in runs), 3),
        "slurm_job": ",".join(run.slurm_job for run in runs if run.slurm_job),
        "gpus": list(dict.fromkeys(gpu for run in runs for gpu in run.gpus)),
    }


def missing(job: Job[TrainSettings]) -> list[str]:
    """The arms that `run` would train. Nothing is trained or written."""
    base = open_weights(job.inputs["weights"], job.settings.hub, job.record, only_look=True)
    first_arms: dict[str, str] = {}  # key of a policy -> the first arm that needs it
    for arm, rows in _rows_by_arm(job):
        key = _key(job.settings, arm, base, rows)
        if not (job.record / KIND / key).is_dir():
            first_arms.setdefault(key, arm)
    return list(first_arms.values())


def _rows_by_arm(job: Job[TrainSettings]) -> Iterator[tuple[str, list[PairTexts]]]:
    """(arm, its rows): pairing by pairing in the order of the settings, so that each pairing's texts are read once."""
    by_pairing: dict[Pairing, list[str]] = {}
    for arm in job.settings.arms:
        by_pairing.setdefault(Arm.parse(arm).pairing, []).append(arm)
    for pairing, arms in by_pairing.items():
        pairs = _Pairs(job, pairing)
        for arm in arms:
            path = file_ending(job.inputs["selected"], f"/{job.settings.arms[arm]}.parquet")
            yield arm, pairs.rows(tables.read(path, SelectedPair))


def _key(settings: TrainSettings, arm: str, base: Weights, rows: Sequence[PairTexts]) -> str:
    """The key of a policy in the record."""
    recipe = settings.recipe
    # A trace that is too long has no reference sum. Rows without sums do not show which traces are left out.
    limit = {} if method_of(recipe).needs_reference else {"max_length": settings.max_length}
    return digest(
        {
            **limit,
            "rows": [asdict(row) for row in rows],
            "recipe": recipe.model_dump(),
            "seed": Arm.parse(arm).seed,
            "base": base.identity,
            **in_key(base.folder, settings.rendering),
            "code": source.digest(TRAINER, (plugins.module_of(plugin_of(recipe)),), within=TRAINING_CODE),
            "versions": [version(name) for name in (*_LIBRARIES, *(["peft"] if recipe.lora else []))],
        }
    )


def _policy(
    job: Job[TrainSettings],
    arm: str,
    base: Weights,
    rows: Sequence[PairTexts],
    tokeniser: Callable[[], Tokeniser],
) -> tuple[Checkpoint, int, int, TrainingRun | None]:
    """(the policy trained on `rows`, updates made now, estimated tokens that they read, the run if it was a SLURM job).

    The policy is taken from the record if the record has it; otherwise it is trained now.
    """
    settings = job.settings
    recipe = settings.recipe
    updates, read = 0, 0
    run: TrainingRun | None = None

    def make(output: Path, snapshots: Snapshots) -> Mapping[str, Any]:
        nonlocal updates, read, run
        tokens, left_out = _fitting(rows, tokeniser(), settings)
        _check_left_out(arm, len(rows), left_out, settings)
        seed = Arm.parse(arm).seed
        measured, run = launcher.train(base.folder, tokens, recipe, seed, output, snapshots, job.launch, arm)
        updates = measured["updates"] - snapshots.resumed_at
        read = round(updates * recipe.batch_size * method_of(recipe).mean_tokens(tokens))
        return {
            **measured,
            "left_out": left_out,
            "differs_from_base": not same_tensors(output, base.folder),
        }

    needed = sum(path.stat().st_size for path in weight_files(base.folder))
    key = _key(settings, arm, base, rows)
    return checkpoints.get_or_make(job.record, KIND, key, arm, make, needed), updates, read, run


def _fitting(
    rows: Sequence[PairTexts], tokenise: Tokeniser, settings: TrainSettings
) -> tuple[list[PreferenceRow], dict[str, int]]:
    """(the rows that the policy can be trained on, reason -> how many are left out).

    The rule is the same for every method and for stage reference, so all methods train on the same pairs.
    """
    fitting, left_out = [], Counter({"too_long": 0})
    for row in rows:
        try:
            tokens = row.tokenised(tokenise)
        except UnfitTraceError as error:
            if not left_out[error.failure]:
                say(f"warning: pairs are left out as {error.failure}, for example one of which {error}")
            left_out[error.failure] += 1
            continue
        if _length(tokens) > settings.max_length:
            left_out["too_long"] += 1
        else:
            fitting.append(tokens)
    return fitting, {reason: left_out[reason] for reason in ("too_long", *UNFIT) if reason in left_out}


def _length(row: PreferenceRow) -> int:
    """Number of tokens of the prompt and the longer completion."""
    return len(row.prompt) + max(len(row.chosen), len(row.rejected))


def _check_left_out(arm: str, pairs: int, left_out: Mapping[str, int], settings: TrainSettings) -> None:
    """Raise StudyError if so many pairs are left out that the arm no longer is what its selection says."""
    if left_out["too_long"] > settings.max_too_long_share * pairs:
        raise StudyError(
            f"arm {arm}: {left_out['too_long']:,} of its {pairs:,} pairs have a trace that is longer than "
            f"reference.max_length ({settings.max_length:,} tokens with the prompt); train.max_too_long_share allows "
            f"{settings.max_too_long_share:.1%} to be left out. Raise reference.max_length as far as the policy can "
            "hold, or lower max_tokens of the generator, or raise the share."
        )
    if sum(left_out.values()) - left_out["too_long"] > settings.max_unfit_share * pairs:
        reasons = {
            CONTROL_TOKEN: "have a control token of the policy as text",
            NOT_SPELT: "have a trace that the policy's tokens do not spell",
        }
        counts = [
            f"{left_out[failure]:,} of its {pairs:,} pairs {reason}"
            for failure, reason in reasons.items()
            if left_out.get(failure)
        ]
        raise StudyError(
            f"arm {arm}: {'; '.join(counts)}; train.max_unfit_share allows {settings.max_unfit_share:.1%} to be left "
            "out. The log names one: see to its generator, or raise the share."
        )


class _Pairs:
    """The pairs of one pairing as texts with reference log-probabilities, joined by key."""

    def __init__(self, job: Job[TrainSettings], pairing: Pairing) -> None:
        settings = job.settings
        self._template = job.input("template")
        self._template_text = self._template.read_text(encoding="utf-8").strip()
        self._system = settings.system
        self._generators = (pairing.chosen, pairing.rejected)
        pairs = tables.read(file_ending(job.inputs["pairs"], f"/{pairing}.parquet"), Pair)
        self._pairs = {pair.pair_id: pair for pair in pairs}
        self._problems = {prompt.prompt_id: prompt.text for prompt in tables.read(job.input("prompts"), Prompt)}
        self._texts: dict[_TraceKey, str | None] = {}
        self._logps: dict[_TraceKey, ReferenceLogps] = {}
        self._needs_reference = method_of(settings.recipe).needs_reference
        for generator in pairing.generators:
            for trace in tables.read(file_ending(job.inputs["traces"], f"/{generator}.parquet"), Trace):
                self._texts[generator, trace.prompt_id, trace.sample] = trace.text
            if job.inputs["reference"]:
                path = file_ending(job.inputs["reference"], f"/{generator}.parquet")
                for row in tables.read(path, ReferenceLogps):
                    self._logps[generator, row.prompt_id, row.sample] = row

    def rows(self, selected: Sequence[SelectedPair]) -> list[PairTexts]:
        """The rows of a selection, in order of rank, with those that `_fitting` will leave out.

        Raises StudyError if the method needs reference log-probabilities and a selected trace has none for a reason
        other than too_long or unfit.
        """
        return [self._row(row) for row in selected]

    def _row(self, selected: SelectedPair) -> PairTexts:
        pair = self._pairs[selected.pair_id]
        samples = (pair.chosen_sample, pair.rejected_sample)
        keys = [(name, pair.prompt_id, sample) for name, sample in zip(self._generators, samples, strict=True)]
        if selected.swapped:
            keys.reverse()
        references = [self._logps.get(key) for key in keys]
        known = (None, "too_long", *UNFIT)  # with a failure of these the pair is left out and counted
        if self._needs_reference and any(row is None or row.failure not in known for row in references):
            raise StudyError(
                f"pair {pair.pair_id} was selected, but one of its traces has no reference log-probability, and no "
                "reason for that. The tables of traces, pairs and reference are not of one run: make them anew."
            )
        sums = [row.logps if row else None for row in references]
        problem = self._problems[pair.prompt_id]
        messages = ask_problem(self._template_text, problem, str(self._template), self._system)
        chosen, rejected = (str(self._texts[key]) for key in keys)
        return PairTexts(messages, chosen, rejected, sums[0], sums[1])


if __name__ == "__main__":
    start(
        run,
        TrainSettings,
        inputs={
            "prompts": "table of Prompt",
            "pairs": "tables of Pair, one per pairing, named <pairing>.parquet",
            "selected": "tables of SelectedPair, named <pairing>/<selection>/t<order>.parquet",
            "traces": "tables of Trace, one per generator, named <generator>.parquet",
            "reference": "tables of ReferenceLogps, named likewise; none if the method does not need a reference",
            "template": "text with the slot {problem}",
            "weights": "pointer to the base policy's checkpoint, or none for one of the hub",
        },
        outputs={"policies": "pointers to the trained policies (JSON), train/<arm>/policy.json"},
    )
