"""What planned jobs lack: calls, traces and policies; with the tokens and hours that these take.

If a job's inputs exist, its stage counts what it lacks: it makes the requests, and the record says which are new. The
same holds if its inputs will be rebuilt with the same content: no upstream job lacks anything, and only source changed.
Every other job is estimated from the config and the existing tables, as if the record had nothing for it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefdelta.commands.planning.amounts import NOTHING, UNKNOWN, Amount, Basis, total
from prefdelta.commands.planning.causes import Causes
from prefdelta.commands.planning.dollars import of_calls
from prefdelta.commands.planning.dry_run import PlannedJob
from prefdelta.commands.planning.models import model_of
from prefdelta.commands.planning.observed_speed import ObservedSpeed
from prefdelta.core.arms import Arm, undrawn
from prefdelta.core.data.sources import MadeSource
from prefdelta.core.errors import StudyError
from prefdelta.core.pairs.selections import parse_selection
from prefdelta.core.recipes import Recipe
from prefdelta.core.stage_names import TRAINING_PROMPTS
from prefdelta.stages import evaluate, generate, judge, reference, train
from prefdelta.study.job_settings import SETTINGS
from prefdelta.study.study import Study
from prefdelta.training.registry import method_of
from prefdelta.workflow.job import Job

UNITS = {"generate": "calls", "judge": "calls", "reference": "traces", "train": "policies", "evaluate": "calls"}
MOST_READ = 1_000_000_000  # bytes of inputs, of all jobs together: more would take minutes
_COUNTS: dict[str, Callable[[Job[Any]], int | list[str]]] = {
    "generate": generate.missing,
    "judge": judge.missing,
    "reference": reference.missing,
    "train": train.missing,
    "evaluate": evaluate.missing,
}


@dataclass(frozen=True, slots=True)
class JobWork:
    """What one job lacks, and the cost of that."""

    missing: Amount = NOTHING  # in the stage's unit
    tokens: Amount = NOTHING
    gpu_hours: Amount = NOTHING
    core_hours: Amount = NOTHING  # core hours of a job without GPUs
    hours: Amount = NOTHING  # run time of the job, without waiting
    usd: Amount = NOTHING  # charged by a provider for the calls


class Reckoning:
    """The work of all planned jobs."""

    def __init__(
        self,
        study: Study,
        jobs: Sequence[PlannedJob],
        causes: Mapping[str, Causes],
        speed: ObservedSpeed,
        most_read: int = MOST_READ,
    ) -> None:
        """most_read: bytes of inputs that are read to make requests of them; jobs beyond that are estimated."""
        self._study, self._causes, self._speed, self._left_to_read = study, causes, speed, most_read
        self._by_name = {job.name: job for job in jobs}
        self._made_by = {path: job for job in jobs for path in (*job.writes, job.manifest)}
        self.not_looked_up: dict[str, str] = {}  # stage -> why, for jobs whose inputs exist
        self._lacks: dict[str, tuple[Amount, list[str]]] = {}
        self._changing: dict[str, bool] = {}

    def of(self, job: PlannedJob) -> JobWork:
        return self._work(job, *self._lack(job))

    def whole(self, job: PlannedJob) -> JobWork:
        """The work of a job for which the record has nothing."""
        settings: Any = _settings(job)
        if not _asks(job, settings):
            return self._work(job, NOTHING, [])
        arms = _arms(job, job.writes)
        return self._work(job, self._reckoned(job, settings, arms), arms if job.stage == "train" else [])

    def _work(self, job: PlannedJob, missing: Amount, arms: list[str]) -> JobWork:
        tokens = self._tokens(job, missing, arms)
        hours = self._hours(job, missing, tokens)
        usd = self._usd(job, missing, tokens)
        if job.gpus:
            return JobWork(missing, tokens, gpu_hours=hours * job.gpus, hours=hours, usd=usd)
        return JobWork(missing, tokens, core_hours=hours * self._study.threads(job.stage), hours=hours, usd=usd)

    def _usd(self, job: PlannedJob, missing: Amount, tokens: Amount) -> Amount:
        if job.stage != "judge":
            return NOTHING
        settings: Any = _settings(job)
        texts = [*job.inputs["template"], *job.inputs["rubrics"]]
        return of_calls(settings.engine, texts, missing, self._trace_tokens(settings.generator), tokens)

    # --- what is missing ----------------------------------------------------------------------------------------------

    def _lack(self, job: PlannedJob) -> tuple[Amount, list[str]]:
        """What a job lacks; for train, also the arms."""
        if job.name not in self._lacks:
            self._lacks[job.name] = self._find_lack(job)
        return self._lacks[job.name]

    def _find_lack(self, job: PlannedJob) -> tuple[Amount, list[str]]:
        settings: Any = _settings(job)
        if not _asks(job, settings):
            return NOTHING, []
        above = [self._made_by[path] for path in job.reads if path in self._made_by]
        if not any(map(self._changes, above)) and (lack := self._counted(job, settings)) is not None:
            count = len(lack) if isinstance(lack, list) else lack
            basis = Basis.STANDING if above else Basis.COUNTED
            return Amount(count, basis), lack if isinstance(lack, list) else []
        absent = [path for path in job.writes if not path.exists()]
        made = absent if self._causes[job.name].only_absent else job.writes
        arms = _arms(job, made)
        amount = self._reckoned(job, settings, arms)
        # Some of the rows to be recomputed may be in the record.
        return (amount if made == absent else amount.at_most()), arms if job.stage == "train" else []

    def _counted(self, job: PlannedJob, settings: Any) -> int | list[str] | None:
        """How much the stage itself finds missing; None if it cannot say, or would have to read too much."""
        if not all(path.is_file() for path in job.reads):
            return None
        size = sum(path.stat().st_size for path in job.reads)
        if size > self._left_to_read:
            self.not_looked_up.setdefault(job.stage, "its tables are larger than --read-mb allows")
            return None
        self._left_to_read -= size
        try:
            return _COUNTS[job.stage](Job(settings, job.inputs, job.outputs, job.record))
        except (StudyError, OSError) as error:  # mostly: the weights are not known here
            self.not_looked_up.setdefault(job.stage, str(error))
        except LookupError:
            self.not_looked_up.setdefault(job.stage, "its tables do not belong together")
        return None

    def _changes(self, job: PlannedJob) -> bool:
        """Whether a job will probably give its outputs another content."""
        if job.name not in self._changing:
            above = (self._made_by[path] for path in job.reads if path in self._made_by)
            if not all(path.exists() for path in job.writes) or any(map(self._changes, above)):
                changes = True
            elif job.stage in UNITS and not job.inputs.get("shards"):
                changes = self._lack(job)[0].value > 0
            else:
                causes = self._causes[job.name]
                changes = bool(causes.own) and not causes.only_source
            self._changing[job.name] = changes
        return self._changing[job.name]

    def _reckoned(self, job: PlannedJob, settings: Any, arms: Sequence[str]) -> Amount:
        """What a job lacks if the record has nothing for it; for a batch, counting only `arms`."""
        study = self._study
        prompts = self._rows(TRAINING_PROMPTS)
        match job.stage:
            case "generate":
                return prompts * (int(settings.samples) / (settings.shard.of if settings.shard else 1))
            case "judge":
                judged = prompts if settings.prompts is None else _least(prompts, settings.prompts)
                samples = min(int(settings.samples), study.config.generator(settings.generator).samples)
                return judged * (samples * int(settings.votes))
            case "reference":
                return prompts * study.config.generator(settings.generator).samples
            case "train":
                return Amount(len(arms), Basis.ESTIMATED)
            case _:
                items = total(self._rows(name) * asked.samples for name, asked in settings.benchmarks.items())
                return items * len(arms)

    def _rows(self, source: str) -> Amount:
        """How many prompts a source has."""
        name = f"prompts/{source}"
        if name not in self._by_name and (manifest := self._speed.manifest(name)):
            return Amount(_rows_left(manifest), Basis.ESTIMATED)
        settings = self._study.prompts_settings(source)
        if isinstance(settings.made, MadeSource):
            return _least(Amount(settings.made.items, Basis.ESTIMATED), settings.limit)
        benchmark = self._study.benchmarks.get(source)
        if benchmark and benchmark.items:
            return _least(Amount(benchmark.items, Basis.ASSUMED), settings.limit)
        return Amount(settings.limit, Basis.ESTIMATED) if settings.limit else UNKNOWN

    # --- tokens -------------------------------------------------------------------------------------------------------

    def _tokens(self, job: PlannedJob, missing: Amount, arms: list[str]) -> Amount:
        settings: Any = _settings(job)
        model = model_of(self._study, job.stage, job.name)
        if job.stage not in UNITS or not missing.value:
            return Amount(0, missing.basis)
        match job.stage:
            case "generate":
                return missing * self._trace_tokens(settings.generator, settings.sampling.max_tokens)
            case "judge":
                names = (job.name, f"judge/*/{job.name.rpartition('/')[2]}")
                return missing * self._reply_tokens("judge", model, names, settings.sampling.max_tokens)
            case "reference":
                return missing * self._trace_tokens(settings.generator)
            case "train":
                read = total(self._read_by(arm, settings) for arm in arms)
                return Amount(read.value, max(read.basis, missing.basis))
            case _:
                names = (job.name, f"evaluate/{model}/*-{job.writes[0].stem}")
                return missing * self._reply_tokens("evaluate", model, names, settings.sampling.max_tokens)

    def _reply_tokens(self, stage: str, model: str | None, names: Sequence[str], most: int) -> Amount:
        measured = self._speed.tokens_per_call(stage, model, *names)
        return measured if measured.value else Amount(most, Basis.AT_MOST)

    def _trace_tokens(self, generator: str, most: int | None = None) -> Amount:
        """Mean tokens of a generator's traces."""
        section, its = self._study.config.generate, self._study.config.generator(generator)
        names = [
            pattern.format(name)
            for name in dict.fromkeys((generator, undrawn(generator)))
            for pattern in ("generate/{}", "generate/{}/*", "reference/*/{}")
        ]
        return self._reply_tokens("generate", its.model, names, most or (its.sampling or section.sampling).max_tokens)

    def _read_by(self, arm: str, settings: Any) -> Amount:
        """Tokens that the training of an arm reads."""
        recipe: Recipe = settings.recipe
        pairing = Arm.parse(arm).pairing
        chosen, rejected = self._trace_tokens(pairing.chosen), self._trace_tokens(pairing.rejected)
        pairs = self._pairs(arm)
        method = method_of(recipe)
        tokens = {"chosen": chosen, "rejected": rejected}
        row = total(tokens[side] for side in method.sides) * (1 / method.rows_per_pair)
        budget = recipe.budget
        if budget.tokens is not None:
            return Amount(budget.tokens, Basis.ESTIMATED)
        if budget.epochs is not None:
            return pairs * (method.rows_per_pair * budget.epochs) * row
        rows = budget.examples if budget.updates is None else budget.updates * recipe.batch_size
        assert rows is not None
        return Amount(rows, Basis.ESTIMATED) * row

    def _pairs(self, arm: str) -> Amount:
        """How many pairs an arm trains on."""
        asked = Arm.parse(arm)
        job = self._study.filter_job(asked)
        if job not in self._by_name and (manifest := self._speed.manifest(job)):
            return Amount(_rows_left(manifest), Basis.ESTIMATED)
        selection, section = parse_selection(asked.selection), self._study.config.filter
        most = selection.k
        if selection.set:
            most = section.sets[selection.set].pairs
        elif selection.cell:
            most = section.cell_pairs
        prompts = self._rows(TRAINING_PROMPTS)
        return _least(prompts, most) if most else prompts.at_most()

    # --- hours --------------------------------------------------------------------------------------------------------

    def _hours(self, job: PlannedJob, missing: Amount, tokens: Amount) -> Amount:
        """The hours of one job, from its start."""
        asks = job.stage in UNITS
        if asks and not missing.value:
            return Amount(0, missing.basis)
        if asks:
            speed = self._speed.tokens_per_s(job.stage, model_of(self._study, job.stage, job.name))
            if speed.value:
                return Amount(tokens.value / speed.value / 3600, max(tokens.basis, speed.basis))
            if job.gpus:
                return Amount(job.minutes / 60, Basis.AT_MOST)
        return self._speed.seconds(job.stage) * (1 / 3600)


def _settings(job: PlannedJob) -> Any:
    return SETTINGS[job.stage].model_validate_json(job.settings)


def _asks(job: PlannedJob, settings: Any) -> bool:
    """Whether a job asks or trains. Data sets that ship traces are no models; a job that merges shards asks nothing."""
    return job.stage in UNITS and not getattr(settings, "shipped", None) and not job.inputs.get("shards")


def _arms(job: PlannedJob, outputs: Sequence[Path]) -> list[str]:
    """The names of the arms, or of the model, that some outputs of a job are of."""
    return [path.parent.relative_to(job.record.parent / job.stage).as_posix() for path in outputs]


def _rows_left(manifest: Mapping[str, Any]) -> int:
    """The rows that neither failed nor were left unselected."""
    return int(manifest["rows"] - sum(manifest["failures"].values()) - manifest.get("not_selected", 0))


def _least(amount: Amount, limit: int | None) -> Amount:
    if limit is None:
        return amount
    if not amount.value or limit <= amount.value:
        return Amount(limit, Basis.ESTIMATED)
    return amount
