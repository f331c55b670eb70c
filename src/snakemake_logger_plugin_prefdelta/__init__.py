"""Snakemake's display of a run of prefdelta: `snakemake --logger prefdelta`, which the profiles ask for.

Snakemake finds this package by its name. It says one line per finished job and, on a terminal, one bottom line; a dry
run is one line per stage and cause. Snakemake's own lines go to its log file as always; they are shown instead of these
with --printshellcmds, --verbose or --debug-dag. It only shows: whatever goes wrong in it, the run goes on, with
Snakemake's own lines.
"""

import logging
import sys
from typing import TYPE_CHECKING, Any, TextIO

from snakemake_interface_logger_plugins.base import LogHandlerBase

if TYPE_CHECKING:
    from snakemake_logger_plugin_prefdelta.display import Display

NAME = "prefdelta"


class RunDisplayHandler(LogHandlerBase):
    """Passes Snakemake's events to a display, or to Snakemake's own lines."""

    _display: "Display | None" = None
    _own: logging.Handler | None = None  # Snakemake's own lines
    _gives_way = False  # another logger writes to the terminal

    def __post_init__(self) -> None:
        try:
            self._gives_way = self._another_writes()
            if self._gives_way:
                return
            settings = self.common_settings
            if settings.printshellcmds or settings.verbose or settings.debug_dag:
                self._own = self._snakemakes()
                return
            from snakemake_logger_plugin_prefdelta.display import Display

            self._display = Display(self._stream(), settings)
        except Exception as error:
            self._give_up(error)

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record. An error in it stops no run."""
        if self._display is not None:
            try:
                self._display.show(record)
                return
            except Exception as error:
                self._give_up(error)
        if self._own is not None:
            try:
                self._own.handle(record)
            except BrokenPipeError:
                from snakemake_logger_plugin_prefdelta.outputs import leave_to_nobody

                leave_to_nobody(self._stream())
                self._own = None

    def close(self) -> None:
        """Say how the run ended, and leave the terminal as it was."""
        if self._display is not None:
            try:
                self._display.close()
            except Exception as error:
                self._give_up(error)
            self._display = None
        super().close()

    def _give_up(self, error: Exception) -> None:
        """From now on, Snakemake's own lines."""
        display, self._display = self._display, None
        try:
            if display is not None:
                display.leave()
            self._own = self._own or self._snakemakes()
            self._stream().write(f"the display of the run failed ({error!r}); Snakemake's own lines follow\n")
        except Exception:  # neither is possible: the run goes on, and Snakemake's log file has it all
            self._own = None

    def _stream(self) -> TextIO:
        return sys.stdout if self.common_settings.stdout else sys.stderr

    def _snakemakes(self) -> logging.Handler:
        """What Snakemake shows without a logger plug-in."""
        from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter

        its = self.common_settings
        handler: logging.Handler = ColorizingTextHandler(nocolor=its.nocolor, stream=self._stream())
        handler.addFilter(DefaultFilter(its.quiet, its.debug_dag, its.verbose, its.dryrun, its.printshellcmds))
        handler.setFormatter(DefaultFormatter(its.quiet, its.show_failed_logs))
        return handler

    def _another_writes(self) -> bool:
        """Whether another logger that was asked for writes to the terminal: Snakemake allows one such logger."""
        from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

        others: dict[str, Any] = getattr(self.common_settings, "log_handler_settings", {})
        for name in others:
            if name != NAME:
                plugin: Any = LoggerPluginRegistry().get_plugin(name)
                kind = plugin.log_handler
                try:
                    if kind.writes_to_stream.fget(object.__new__(kind)):
                        return True
                except Exception:  # it says so only once it is made
                    return True
        return False

    @property
    def writes_to_stream(self) -> bool:
        return not self._gives_way

    @property
    def writes_to_file(self) -> bool:
        return False

    @property
    def has_filter(self) -> bool:
        """True: Snakemake's filter would hide what `--quiet` names from the counts, too."""
        return True

    @property
    def has_formatter(self) -> bool:
        return True

    @property
    def needs_rulegraph(self) -> bool:
        return False


LogHandler = RunDisplayHandler  # the name that Snakemake looks for
