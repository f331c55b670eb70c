"""The command line of Snakemake that runs a study."""

import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from prefdelta.commands.study_options import DEFAULT_CONFIG, open_study
from prefdelta.scheduler import slurm
from prefdelta.study.study import Study

PROFILES = Path("profiles")


def snakemake_command(configfile: Path | None) -> str:
    """The command line that runs the study of that config file."""
    return command_line(profile_options(configfile))


def command_line(words: Sequence[str]) -> str:
    """Snakemake with these options, as it can be called from the working directory."""
    program = Path(sys.executable).with_name("snakemake")
    name = str(program.relative_to(Path.cwd())) if program.is_relative_to(Path.cwd()) else "snakemake"
    return " ".join([name, *words])


def profile_options(configfile: Path | None) -> list[str]:
    """The options that give Snakemake the study: `--profile <name>`, and the config file if no profile names it."""
    path = configfile or DEFAULT_CONFIG
    for profile in sorted(PROFILES.glob("*/config.yaml")):
        options = yaml.safe_load(profile.read_text(encoding="utf-8"))
        # A profile that names none leaves it to the Snakefile, which takes config.yaml.
        if isinstance(options, dict) and Path(options.get("configfile", DEFAULT_CONFIG)).resolve() == path.resolve():
            return ["--profile", profile.parent.name]
    return ["--profile", "slurm" if _needs_slurm(open_study(path)) else "mini", "--configfile", str(path)]


def _needs_slurm(study: Study) -> bool:
    """Whether a study has run through SLURM, or asks for GPUs: no profile is made for its config file."""
    parts = [asked for compute in study.config.compute.values() for asked in (compute, *compute.sizes.values())]
    return slurm.was_used(Path(study.results)) or any(asked.gpus for asked in parts)
