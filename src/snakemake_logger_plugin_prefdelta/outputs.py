"""Where the lines of a run go: to a terminal, above a bottom line that is drawn anew; or to a file or pipe, plainly."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from rich.text import Text

PER_SECOND = 1.0  # how often the bottom line is drawn anew


def leave_to_nobody(stream: TextIO) -> None:
    """Let what a stream has not written, and will be given, vanish; else Python fails as it ends."""
    with suppress(OSError, ValueError):
        nobody = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nobody, stream.fileno())
        os.close(nobody)


class Output(Protocol):
    """Takes lines of text."""

    has_bottom: bool  # whether it shows how far the run is by itself

    def line(self, text: str, style: str, head: int = 0) -> None:
        """Show a line, or several. style: rich's; head: so many first characters are set apart."""

    def begin(self) -> None:
        """Show the bottom line, until `close`."""

    def close(self) -> None: ...


class PlainOutput:
    """Lines without a sign that controls a terminal."""

    has_bottom = False

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream

    def line(self, text: str, style: str, head: int = 0) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(f"{text}\n")
            self._stream.flush()
        except BrokenPipeError:  # its reader has gone away: that stops no run
            leave_to_nobody(self._stream)
            self._stream = None
        except (OSError, ValueError):  # the disk is full, or the stream is closed
            self._stream = None

    def begin(self) -> None:
        pass

    def close(self) -> None:
        pass


class TerminalOutput:
    """Lines of a terminal, and below them one that says how far the run is."""

    def __init__(self, stream: TextIO, no_color: bool, bottom: Callable[[float], str] | None) -> None:
        """bottom: the text of the bottom line at a time, in seconds since the epoch; None: there is none."""
        from rich.console import Console

        self.console = Console(
            file=stream, force_terminal=True, no_color=no_color or None, highlight=False, markup=False
        )
        self.has_bottom = bottom is not None
        self._bottom = bottom
        self._live: Any = None

    def line(self, text: str, style: str, head: int = 0) -> None:
        from rich.text import Text

        shown = Text(text, style=style)
        if head:
            shown.stylize("cyan", 0, head)
        self.print(shown)

    def print(self, text: "Text") -> None:
        """Show a text above the bottom line."""
        with suppress(OSError):  # the terminal is gone
            self.console.print(text, soft_wrap=True)

    def begin(self) -> None:
        if self._bottom is None or self._live is not None:
            return
        from rich.live import Live

        self._live = Live(
            console=self.console, get_renderable=self.bottom, refresh_per_second=PER_SECOND, transient=True
        )
        with suppress(OSError):
            self._live.start()
            self.console.show_cursor(True)  # a run that is killed leaves it as it is

    def bottom(self) -> "Text":
        """The bottom line, cut to the width of the terminal."""
        from rich.text import Text

        text = ""
        with suppress(Exception):  # in a thread of its own: without the line, the run is still shown
            text = self._bottom(time.time()) if self._bottom else ""
        return Text(text, style="bold", no_wrap=True, overflow="ellipsis")

    def close(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            with suppress(OSError):
                live.stop()
