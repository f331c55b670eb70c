"""Snakemake's limit on how many jobs start per second, which costs more than all that its main process does besides.

While there is a limit, Snakemake (9.27.1) sets a timer in each pass of its loop in which a job waits for a free core,
and a timer that fires starts the next pass: every job that ends adds a chain of passes that lasts as long as jobs wait
(findings/snakemake_timers.sh). A limit is always set, and no option turns it off.
"""

from typing import Any

DEFAULT = (100, 1)  # Snakemake's own limit: jobs, seconds


def lift(workflow: Any) -> None:
    """Take the limit off, unless `--max-jobs-per-timespan` sets another than the default.

    workflow: Snakemake's, in the handler `onstart`: its scheduler is made, and has started no job.
    """
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit and (limit.max_jobs, limit.timespan) == DEFAULT:
        workflow.scheduler.job_rate_limiter = None
