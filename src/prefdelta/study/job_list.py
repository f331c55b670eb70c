"""Which jobs a study has: stage by stage, one per combination of values on the axes of its kind."""

from collections.abc import Iterator, Mapping, Sequence

from prefdelta.core import layout
from prefdelta.study.arm_batches import ArmBatches
from prefdelta.study.axes import Axes
from prefdelta.study.config.sections import Config
from prefdelta.study.files import Files
from prefdelta.study.job import JobLookups, StudyJob
from prefdelta.training.registry import method_of


class JobList:
    """The jobs of a study. Each stage is listed once."""

    def __init__(self, config: Config, axes: Axes, files: Files, batches: ArmBatches, lookups: JobLookups) -> None:
        self._config = config
        self._axes = axes
        self._files = files
        self._lookups = lookups
        self._batches = batches
        self._listed: dict[str, list[StudyJob]] = {}

    def of(self, stage: str) -> Sequence[StudyJob]:
        """The jobs of a stage."""
        if stage == "train":
            return self._batches.train
        if stage == "evaluate":
            return self._batches.evaluate
        if stage not in self._listed:
            self._listed[stage] = [self.make(kind, axes) for kind, axes in self._kinds_and_axes(stage)]
        return self._listed[stage]

    def make(self, kind: str, axes: Mapping[str, str]) -> StudyJob:
        """A job of a rule with wildcards."""
        name = layout.job_name(kind, **axes)
        return StudyJob(
            kind=kind,
            axes=axes,
            name=name,
            outputs=[self._files.output(kind, **axes), *self._files.folders(kind)],
            manifest=self._files.manifest(name),
            log=self._files.log(name),
            lookups=self._lookups,
        )

    def _kinds_and_axes(self, stage: str) -> Iterator[tuple[str, Mapping[str, str]]]:
        config, axes = self._config, self._axes
        generators = axes.generators
        match stage:
            case "prompts":
                for source in axes.sources:
                    yield "prompts", {"source": source}
            case "ladder":
                for name, model in config.models.items():
                    if model.ladder:
                        yield "ladder", {"model": name}
            case "generate":
                for generator in generators:
                    yield "generate", {"generator": generator}
                for generator in generators:
                    for shard in axes.shards(generator):
                        yield "generate_shard", shard
            case "grade":
                for generator in generators:
                    yield "grade", {"generator": generator}
            case "judge":
                for generator, form in axes.all_judged:
                    yield "judge", {"generator": generator, "form": form}
            case "pair":
                for pairing in axes.paired:
                    yield "pair", pairing.axes
            case "delta":
                for pairing, dimension in axes.deltas_of_pairings:
                    yield "delta", {**pairing.axes, "dimension": dimension}
            case "filter":
                by_name = {layout.job_name("filter", **its): its for its in map(axes.filter_axes, axes.arms)}
                for its in by_name.values():
                    yield "filter", its
            case "reference":
                needing = [arm for arm in axes.arms if method_of(config.train.recipes[arm.recipe]).needs_reference]
                trained = [(arm.policy, generator) for arm in needing for generator in arm.pairing.generators]
                selected = [(policy, arm.pairing.rejected) for arm in axes.arms if (policy := axes.asked_policy(arm))]
                for policy, generator in dict.fromkeys([*trained, *selected]):
                    yield "reference", {"policy": policy, "generator": generator}
            case "browse" | "report":
                yield stage, {}
