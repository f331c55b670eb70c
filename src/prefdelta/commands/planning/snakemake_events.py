"""Snakemake with its plan as JSON lines: `python -m prefdelta.commands.planning.snakemake_events FILE OPTIONS ...`.

Runs `snakemake OPTIONS` in this process, with one more logger: a plug-in of Snakemake's own logger interface, which
gets every event as data. Lines of FILE: {"jobs": COUNT} for the run, and for each job the fields that `read_events` in
`dry_run` reads. Snakemake's messages for people are printed as always.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from logging import LogRecord
from pathlib import Path
from typing import Any, TextIO

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent, logger_plugin_module_prefix
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase

NAME = "prefdelta-plan"


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """The plug-in's options on Snakemake's command line."""

    path: Path = field(default=Path(os.devnull), metadata={"help": "file for the events", "required": True})


class LogHandler(LogHandlerBase):
    """Writes the events of planned jobs to a file. Snakemake finds this class by its name."""

    settings: LogHandlerSettings
    _file: TextIO

    def __post_init__(self) -> None:
        self._file = self.settings.path.open("w", encoding="utf-8", buffering=1)

    def emit(self, record: LogRecord) -> None:
        fields: Mapping[str, Any] = vars(record)
        if fields.get("event") == LogEvent.RUN_INFO:
            self._write({"jobs": fields["stats"]["total"]})
        elif fields.get("event") == LogEvent.JOB_INFO:
            resources = fields["resources"]
            numbers = {name: int(resources.get(name, 0)) for name in ("gpu", "runtime")}
            numbers["threads"] = int(fields["threads"])
            self._write(
                {"rule": fields["rule_name"], "command": fields["shellcmd"], "reason": fields["reason"], **numbers}
            )

    def _write(self, event: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(event) + "\n")

    def close(self) -> None:
        self._file.close()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        """False, so that Snakemake prints its messages for people, too."""
        return False

    @property
    def writes_to_file(self) -> bool:
        """False: Snakemake would name the file to people as its log."""
        return False

    @property
    def has_filter(self) -> bool:
        """True: the filter for people would drop the events that `--quiet` in a profile names."""
        return True

    @property
    def has_formatter(self) -> bool:
        return True

    @property
    def needs_rulegraph(self) -> bool:
        return False


def main(path: str, options: list[str]) -> None:
    from snakemake.cli import main as snakemake

    # Without this, Snakemake takes only installed packages whose names begin with the prefix.
    LoggerPluginRegistry().register_plugin(
        f"{logger_plugin_module_prefix}{NAME.replace('-', '_')}", sys.modules[__name__]
    )
    # The Snakefile reads sys.argv, too, to see whether jobs are to run.
    sys.argv = ["snakemake", *options, "--logger", NAME, f"--logger-{NAME}-path", path]
    snakemake(sys.argv[1:])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
