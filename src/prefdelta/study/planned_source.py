"""The digests of the source that a run's jobs were planned with."""

import json
import os

from prefdelta.core.settings import Settings
from prefdelta.workflow.job_source import PLANNED, job_code


class PlannedSource:
    """Digests of source; after `export`, they reach the jobs by environment (see `workflow.job_source`)."""

    def __init__(self) -> None:
        self._exported: dict[str, str] | None = None

    def export(self) -> None:
        """Export every digest that is computed from now on."""
        self._exported = {}

    def digest(self, stage: str, settings: Settings) -> str:
        """The digest of the source that a job of a stage runs with these settings."""
        name, code = job_code(stage, settings)
        if self._exported is not None and name not in self._exported:
            self._exported[name] = code
            os.environ[PLANNED] = json.dumps(self._exported)
        return code
