"""Commands for a study's results. Each has its own --help; they run in the repository's root, as snakemake does."""

import argparse
import io
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from prefdelta.commands.text_table import visible
from prefdelta.core.errors import StudyError
from prefdelta.system import environment

# Only the module of the given command is imported, so that `prefdelta --help` answers at once.
COMMANDS = {
    "plan": "what would run, why, and what it would cost",
    "status": "how a study stands: done, running, failed and why, time left",
    "show": "one trace, judgement, pair, arm, selection or benchmark item, whole",
    "pairs": "find pairs: by deltas, scores, grades, lengths",
    "lineage": "where a pair comes from, and which arms train on it",
    "compare": "hold one arm against another on the same items, with intervals and a verdict",
    "doctor": "look whether this machine or cluster has what a study needs",
    "pin": "write down the commits of the models and data sets that a study uses",
    "decontaminate": "keep prompts out of the training set that overlap with a benchmark",
    "annotate": "let people score pairs as the judge does, blinded, and take their scores in",
    "run-by-hand": "print the command that runs one job without Snakemake",
    "stop": "end a run and take its jobs out of SLURM's queue, and nobody else's",
    "gc": "remove what no current output refers to",
    "retry": "ask again what failed in one way, and only that",
    "invalidate": "forget outputs with all that they were made from, so that they are made from scratch",
    "worlds": "what the ledger of claims concludes where the truth is planted",
    "sweep": "choose the learning rates of a study by a rule",
    "export": "write pairs, results or a policy in forms that others read",
    "bundle": "write a whole study into one archive with checksums, or check one",
    "audit": "hold results against another way of measuring them, or against a limit",
    "judge-report": "how the judges judged: scores, ties, agreement, length, cost, failures",
    "preview": "render and ask some rows of every stage, before anything is paid at full size",
}


def parser_of(words: Sequence[str]) -> tuple[argparse.ArgumentParser, ModuleType | None]:
    """The parser of a command line, and the module of the command that it names; None if it names none."""
    parser = argparse.ArgumentParser(prog="prefdelta", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    module = None
    for name, summary in COMMANDS.items():
        asked = bool(words) and words[0] == name
        if asked:
            module = import_module(f"prefdelta.commands.{name.replace('-', '_')}")
        command = commands.add_parser(
            name,
            help=summary,
            description=str(module.__doc__) if asked and module else summary,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if asked and module:
            module.define(command)
    return parser, module


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 done; 1 the answer is no, of a command that was asked to exit by its answer; 2 something a person can put right.
    """
    environment.silence()
    if isinstance(sys.stdout, io.TextIOWrapper):  # what its encoding lacks is written as an escape
        sys.stdout.reconfigure(errors="backslashreplace")
    words = list(sys.argv[1:] if argv is None else argv)
    parser, module = parser_of(words)
    arguments = parser.parse_args(words)
    assert module is not None  # argparse refuses other names
    try:
        code = int(module.run(arguments) or 0)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has read enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except StudyError as error:
        sys.stderr.write(f"error: {visible(str(error))}\n")
        return 2
    except PermissionError as error:
        sys.stderr.write(f"error: {error}\nOnce that is put right, the same command does the rest.\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("stopped: the same command again does the rest\n")
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
