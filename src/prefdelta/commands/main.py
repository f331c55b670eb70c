"""Commands for a study's results. Each has its own --help; they run in the repository's root, as snakemake does."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from prefdelta.core.errors import StudyError
from prefdelta.system import environment

# Only the module of the given command is imported, so that `prefdelta --help` answers at once.
COMMANDS = {
    "plan": "what would run, why, and what it would cost",
    "status": "how a study stands: done, running, failed and why, time left",
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
    "audit": "hold results against another way of measuring them",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 something a person can put right."""
    environment.silence()
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="prefdelta", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    module = (
        import_module(f"prefdelta.commands.{words[0].replace('-', '_')}") if words and words[0] in COMMANDS else None
    )
    for name, summary in COMMANDS.items():
        about = str(module.__doc__) if module and name == words[0] else summary
        command = commands.add_parser(
            name, help=summary, description=about, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if module and name == words[0]:
            module.define(command)
    arguments = parser.parse_args(words)
    assert module is not None  # argparse refuses other names
    try:
        module.run(arguments)
    except StudyError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except PermissionError as error:
        sys.stderr.write(f"error: {error}\nOnce that is put right, the same command does the rest.\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("stopped: the same command again does the rest\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
