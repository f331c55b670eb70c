"""The rows that a preview takes: the first prompts by a hash, and the traces of them that are there."""

from functools import cache
from pathlib import Path

from prefdelta.commands.preview.scratch import Scratch
from prefdelta.core import layout
from prefdelta.core.ids import fraction
from prefdelta.core.stage_names import TRAINING_PROMPTS
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.stages import prompts as prompts_stage
from prefdelta.stages.prompts import PromptsSettings
from prefdelta.store import tables
from prefdelta.study.study import Study
from prefdelta.workflow.job import Job


class PreviewRows:
    """The prompts of each source, and the traces of each generator: from the study's tables, or made here."""

    def __init__(self, study: Study, scratch: Scratch, count: int) -> None:
        self._study, self._scratch, self._count = study, scratch, count
        self.prompts = cache(self._prompts)
        self.traces_made: dict[str, list[Trace]] = {}  # generator -> what this preview made it write

    def _prompts(self, source: str) -> list[Prompt]:
        """The first prompts of a source, in the order in which `judge` draws its samples: those of every sample.

        Raises StudyError if they cannot be read or made.
        """
        return sorted(self._source(source), key=lambda prompt: fraction("judged", prompt.prompt_id))[: self._count]

    def table(self, source: str) -> Path:
        """A table of these prompts."""
        path = self._scratch.path("prompts", source=source)
        return path if path.is_file() else self._scratch.write(Prompt, self.prompts(source), "prompts", source=source)

    def _source(self, source: str) -> list[Prompt]:
        """All prompts of a source: those of the study's table, or what its job would write."""
        (job,) = (job for job in self._study.jobs("prompts") if job.axes["source"] == source)
        (path,) = map(Path, job.outputs)
        if path.is_file():
            return tables.read(path, Prompt)
        inputs = {name: list(map(Path, paths)) for name, paths in job.inputs.items()}
        if inputs.get("train") and not inputs["train"][0].is_file():
            inputs["train"] = [self._whole(TRAINING_PROMPTS)]
        settings = job.typed_settings
        assert isinstance(settings, PromptsSettings)
        made = self._scratch.folder / f"{source}.parquet"
        prompts_stage.run(Job(settings, inputs, {"prompts": [made]}, self._scratch.record))
        return tables.read(made, Prompt)

    def _whole(self, source: str) -> Path:
        """A table of all prompts of a source that is not in the study's results yet."""
        path = self._scratch.folder / f"{source}.parquet"
        if not path.is_file():
            self._source(source)
        return path

    def traces(self, generator: str) -> list[Trace]:
        """Usable traces of a generator, first samples: from the study's table, or what this preview made it write."""
        path = Path(self._study.results) / layout.output("generate", generator=generator)
        found = self.traces_made.get(generator, [])
        if path.is_file():
            wanted = {prompt.prompt_id for prompt in self.prompts(TRAINING_PROMPTS)}
            found = [row for row in tables.read(path, Trace) if row.prompt_id in wanted]
        return [trace for trace in found if trace.usable and trace.sample == 0]

    def with_traces(self) -> list[str]:
        """The generators that have traces, in the order of the config."""
        return [name for name in self._study.config.generators if self.traces(name)]
