"""The repositories of the Hugging Face hub that a study uses, and their commits."""

from collections.abc import Mapping
from functools import cached_property

from prefdelta.core.asking.template_settings import PLAIN, TemplateSettings
from prefdelta.core.data.sources import Benchmark, DataSource, Source
from prefdelta.core.errors import StudyError
from prefdelta.core.hub import HubModel, is_local
from prefdelta.core.pins import Kind, Pins
from prefdelta.models.repositories import LOCK
from prefdelta.study.config.sections import Config


class Hub:
    """The models and data sets of a study with their pins."""

    def __init__(self, config: Config, benchmarks: Mapping[str, Benchmark], pins: Pins) -> None:
        self._config = config
        self._benchmarks = benchmarks
        self._pins = pins

    @cached_property
    def names(self) -> dict[Kind, list[str]]:
        """The repositories that the study uses, sorted; local folders are not among them."""
        sources = [self._config.prompts.train, *(benchmark.source for benchmark in self._benchmarks.values())]
        names: dict[Kind, list[str]] = {
            "models": [model.hub for model in self._config.models.values() if model.hub],
            "datasets": [source.dataset for source in sources if isinstance(source, DataSource)],
        }
        return {kind: sorted({name for name in of_kind if not is_local(name)}) for kind, of_kind in names.items()}

    @property
    def unpinned(self) -> list[str]:
        """The repositories whose commit is not known."""
        return [name for kind, names in self.names.items() for name in self._pins.unpinned(kind, names)]

    def check_pinned(self) -> None:
        """Raise StudyError if a repository is not pinned: models and data must be known to the last byte."""
        if self.unpinned:
            raise StudyError(f"{self.unpinned_message()} Nothing was started.")

    def unpinned_message(self) -> str:
        """Which repositories are not pinned, and what to do."""
        return (
            f"not pinned to a commit: {', '.join(self.unpinned)}. Run `prefdelta pin` where the hub can be reached and "
            f"commit {LOCK}; or name local folders (./…) in their place."
        )

    def model(self, model: str) -> HubModel | None:
        """Repository and commit of a model; None for one that is trained here."""
        name = self._config.models[model].hub
        return HubModel(name=name, revision=self._pins.revision("models", name)) if name else None

    def pinned(self, source: Source) -> Source:
        """A source of prompts, with its commit if it is a data set."""
        if isinstance(source, DataSource) and source.revision is None:
            return source.model_copy(update={"revision": self._pins.revision("datasets", source.dataset)})
        return source

    def rendering(self, model: str | None) -> TemplateSettings:
        """How a model's chat template is rendered. The template of models that are trained here has no settings."""
        if model is None or self._config.models[model].hub is None:
            return PLAIN
        return TemplateSettings(
            date=self._config.date, chat_template_kwargs=self._config.models[model].chat_template_kwargs
        )
