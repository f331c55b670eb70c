"""The rows that a preview takes: the first prompts by a hash, and the traces of them that are there."""

from collections.abc import Sequence
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
    """The prompts of each source, and the traces of each generator: from the study's tables, or made here.

    The first ones, in the order in which `judge` draws its samples: those are in every sample.
    """

    def __init__(self, study: Study, scratch: Scratch, count: int) -> None:
        self._study, self._scratch, self._count = study, scratch, count
        self._ordered = cache(self._in_order)
        self.traces = cache(self._traces)
        self.traces_made: dict[str, list[Trace]] = {}  # generator -> what this preview made it write

    def prompts(self, source: str) -> list[Prompt]:
        """The first prompts of a source. Raises StudyError if they cannot be read or made."""
        return self._ordered(source)[: self._count]

    def problems(self) -> dict[str, str]:
        """Prompt id -> text, of all training prompts."""
        return {prompt.prompt_id: prompt.text for prompt in self._ordered(TRAINING_PROMPTS)}

    def table(self, source: str, traces: Sequence[Trace] = ()) -> Path:
        """A table of the first prompts of a source, or of those of some traces."""
        wanted = {trace.prompt_id for trace in traces}
        prompts = [one for one in self._ordered(source) if one.prompt_id in wanted] if traces else self.prompts(source)
        return self._scratch.write(Prompt, prompts, "prompts", source=source)

    def _in_order(self, source: str) -> list[Prompt]:
        return sorted(self._source(source), key=lambda prompt: fraction("judged", prompt.prompt_id))

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

    def _traces(self, generator: str) -> list[Trace]:
        """Usable traces of a generator, first samples: from the study's table, or what this preview made it write."""
        path = Path(self._study.results) / layout.output("generate", generator=generator)
        found = self._stored(path) if path.is_file() else self.traces_made.get(generator, [])
        usable = {trace.prompt_id: trace for trace in found if trace.usable and trace.sample == 0}
        return [usable[name] for name in self.problems() if name in usable][: self._count]

    def _stored(self, path: Path) -> list[Trace]:
        """The first whole traces of a table, with some to spare: a few of its texts, which may be gigabytes."""
        import pyarrow as pa
        import pyarrow.compute as pc

        keys = tables.read_arrow(path, Trace, ["prompt_id", "sample", "finish_reason", "failure"])
        whole = pc.and_(pc.equal(keys.column("sample"), 0), pc.is_null(keys.column("failure")))
        whole = pc.and_(whole, pc.not_equal(pc.fill_null(keys.column("finish_reason"), ""), "length"))
        known = set(keys.filter(whole).column("prompt_id").to_pylist())
        first = [name for name in self.problems() if name in known][: 4 * self._count]
        table = tables.read_arrow(path, Trace)
        return tables.rows_of(path, table.filter(pc.is_in(table.column("prompt_id"), pa.array(first))), Trace)

    def with_traces(self) -> list[str]:
        """The generators that have usable traces, in the order of the config."""
        return [name for name in self._study.config.generators if self.traces(name)]
