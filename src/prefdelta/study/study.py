"""A study as the workflow and the commands see it: its jobs, with their files, settings, source and resources.

The Snakefile makes one `Study`, and its rules name these methods. Methods named after a rule's keywords (`input`,
`settings`, `code`, `texts`) return a function of the rule's wildcards. This module only delegates.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prefdelta.core import layout
from prefdelta.core.arms import Arm
from prefdelta.core.asking.template_settings import TemplateSettings
from prefdelta.core.compute import Resources
from prefdelta.core.data.sources import Benchmark
from prefdelta.core.people.sheet import JudgeVersion
from prefdelta.core.stage_names import STAGES
from prefdelta.models.repositories import read_pins
from prefdelta.stages.prompts import PromptsSettings
from prefdelta.study import texts
from prefdelta.study.arm_batches import ArmBatches
from prefdelta.study.axes import Axes
from prefdelta.study.compute import JobCompute
from prefdelta.study.config.files import parse, read_benchmark
from prefdelta.study.config.sections import Config
from prefdelta.study.files import Files
from prefdelta.study.hub import Hub
from prefdelta.study.inputs import Inputs
from prefdelta.study.job import ArmBatch, JobLookups, StudyJob, Wildcards
from prefdelta.study.job_list import JobList
from prefdelta.study.job_settings import JobSettings
from prefdelta.study.judge_versions import judge_versions
from prefdelta.study.planned_source import PlannedSource

_BENCHMARKS = Path("resources/benchmarks")


class Study:
    """Files and settings of every job."""

    def __init__(self, content: Mapping[str, Any], where: str, files: Sequence[str] = ()) -> None:
        """Read a study from a parsed config file. `where` names it in errors.

        files: the files that the config was read from, of which the report shows the settings as they are written.

        Raises StudyError that lists the mistakes in the config, its benchmarks, rubrics or templates.
        """
        self.config: Config = parse(content, where)
        self.benchmarks: dict[str, Benchmark] = {
            name: read_benchmark(_BENCHMARKS / f"{name}.yaml") for name in self.config.benchmarks
        }
        self.hub = Hub(self.config, self.benchmarks, read_pins())
        texts.check_texts(self.config, self.benchmarks)
        texts.check_prices(self.config)
        self._axes = Axes(self.config)
        self._files = Files(self.config.study)
        self._compute = JobCompute(self.config)
        self._code = PlannedSource()
        self._inputs = Inputs(self.config, self.benchmarks, self._axes, self._files, self.jobs)
        self._job_settings = JobSettings(self.config, self.benchmarks, self._axes, self.hub, texts.below_here(files))
        lookups = JobLookups(self._inputs.of, self._job_settings.of, self._code.digest)
        self._batches = ArmBatches(self.config, self._axes, self._files, self._compute, lookups)
        self._jobs = JobList(self.config, self._axes, self._files, self._batches, lookups)
        self.results, self.record = self._files.results, self._files.record
        self.arms = self._axes.arms  # all trained arms, each once
        self.generators = self._axes.generators  # those of the config, then their other draws of traces
        self.wildcards = self._axes.wildcards  # wildcard -> a regular expression of the names that it may be
        self.hub_names = self.hub.names  # the models and data sets of the hub that the study uses
        self.unpinned = self.hub.unpinned  # those without a known commit

    # --- jobs and arms ----------------------------------------------------------------------------------------------

    def jobs(self, stage: str) -> Sequence[StudyJob]:
        """The jobs of a stage."""
        return self._jobs.of(stage)

    @property
    def all_jobs(self) -> Iterator[StudyJob]:
        """The jobs of all stages, in the order of the stages."""
        return (job for stage in STAGES for job in self.jobs(stage))

    @property
    def train_batches(self) -> list[ArmBatch]:
        """The jobs of train."""
        return self._batches.train

    @property
    def evaluate_batches(self) -> list[ArmBatch]:
        """The jobs of evaluate."""
        return self._batches.evaluate

    @property
    def outputs(self) -> list[str]:
        """All outputs of the study. Intermediate tables are targets, too, so a missing one is recomputed."""
        return [path for job in self.all_jobs for path in job.outputs]

    @property
    def passing_arms(self) -> dict[Arm, list[str]]:
        """Arms whose policies are not needed after evaluation (train.keep) -> the scores that need them."""
        return self._batches.passing_arms

    def policy_manifest(self, arm: Arm) -> str:
        """The file that names a trained policy's weights."""
        return self._files.output("train", **arm.axes)

    def filter_job(self, arm: Arm) -> str:
        """The name of the job that selects an arm's pairs."""
        return layout.job_name("filter", **self._axes.filter_axes(arm))

    # --- for rules: kind is the rule's name -------------------------------------------------------------------------

    def input(self, kind: str, name: str) -> Callable[[Wildcards], list[str]]:
        """An input of a rule: which files a job reads under this name."""
        return lambda wildcards: self._inputs.for_rule(self._job(kind, wildcards), name)

    def settings(self, kind: str) -> Callable[[Wildcards], str]:
        """A param: the settings of a job as JSON."""
        return lambda wildcards: self._job(kind, wildcards).settings

    def code(self, kind: str) -> Callable[[Wildcards], str]:
        """A param: the digest of the source that a job runs."""
        return lambda wildcards: self._job(kind, wildcards).code

    def texts(self, kind: str) -> Callable[[Wildcards], str]:
        """A param: the digest of the texts that a job reads."""
        return lambda wildcards: self._job(kind, wildcards).texts

    def threads(self, stage: str) -> int:
        return self._compute.threads(stage)

    def resources(self, kind: str) -> dict[str, Any]:
        """GPUs, memory (MB) and time (minutes) of a job, by attempt."""
        return self._compute.resources(kind)

    def _job(self, kind: str, wildcards: Wildcards) -> StudyJob:
        return self._jobs.make(kind, dict(wildcards.items()))

    # --- for the start of a run, and for commands -------------------------------------------------------------------

    def export_planned(self) -> None:
        """From now on, export the source that each job is planned with by environment (see `workflow.job_source`)."""
        self._code.export()

    def rendering(self, model: str | None) -> TemplateSettings:
        """How a model's chat template is rendered."""
        return self.hub.rendering(model)

    def judge_versions(self) -> dict[str, JudgeVersion]:
        """Dimension -> the version of the judge that people's sheets are bound to."""
        return judge_versions(self.config, self._axes, self.hub)

    def prompts_settings(self, source: str) -> PromptsSettings:
        """The settings of the job that makes the prompts of one source."""
        return self._job_settings.prompts(source)

    def asked_for(self, stage: str, model: str | None) -> Resources:
        """The resources that a job of a stage asks for. model: the name of the model that it runs, if any."""
        return self._compute.asked_for(stage, model)
