"""What Snakemake's command line asks it to do."""

from collections.abc import Sequence

# Options with which Snakemake only reports or tidies, and runs no job.
_LOOKING = (
    "dryrun", "lint", "list_rules", "list_target_rules", "print_compilation", "dag", "rulegraph", "filegraph", "d3dag",
    "summary", "detailed_summary", "list_changes", "list_input_changes", "list_params_changes", "list_untracked",
    "report", "unlock", "cleanup_metadata", "containerize", "archive", "generate_unit_tests", "conda_create_envs_only",
    "list_conda_envs", "conda_cleanup_envs",
)  # fmt: skip


def runs_jobs(arguments: Sequence[str]) -> bool:
    """Whether Snakemake, started with these arguments, runs jobs."""
    from snakemake.cli import get_argument_parser

    parsed, _ = get_argument_parser().parse_known_args(list(arguments))
    return not any(getattr(parsed, name, None) for name in _LOOKING)
