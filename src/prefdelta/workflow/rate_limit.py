"""Snakemake's limit on how many jobs start per second, which costs more than all that its main process does besides.

While there is a limit, Snakemake (9.27.1) sets a timer in each pass of its loop in which a job waits for a free core,
and a timer that fires starts the next pass: every job that ends adds a chain of passes that lasts as long as jobs wait
(findings/snakemake_timers.sh). A limit is always set, and no option turns it off.
"""

import time
from typing import Any

DEFAULT = (100, 1)  # Snakemake's own limit: jobs, seconds


def tame(workflow: Any) -> None:
    """Have one timer at a time; and none where jobs run on this machine and nobody asked for a limit.

    workflow: Snakemake's, in the handler `onstart`: its scheduler is made, and has started no job.
    """
    scheduler, limit = workflow.scheduler, workflow.scheduling_settings.max_jobs_per_timespan
    if limit is None:
        return
    if workflow.local_exec and (limit.max_jobs, limit.timespan) == DEFAULT:
        scheduler.job_rate_limiter = None
        return
    set_timer, due = scheduler._schedule_reevalutation, 0.0

    def set_one(delay: float) -> None:
        nonlocal due
        if (now := time.monotonic()) >= due:  # else a timer is set, and has not fired yet
            due = now + delay
            set_timer(delay)

    scheduler._schedule_reevalutation = set_one
