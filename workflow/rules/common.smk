# What every rule shares: the study, its folders, and the shape of every wildcard.
import os
import sys
from pathlib import Path

from prefdelta import runs
from prefdelta.core.errors import StudyError
from prefdelta.study import REPORT_TEMPLATE, Study

# Jobs run the interpreter that runs Snakemake, whatever is active in the shell.
os.environ["PATH"] = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ["PATH"]]
)

if not workflow.config_settings.configfiles:
    raise WorkflowError(
        "no config file was given. Run `make mini`, or name a study: snakemake --profile mini, "
        "or snakemake --cores 2 --configfile resources/studies/mini.yaml"
    )
try:
    study = Study(
        config, where=", ".join(map(str, workflow.config_settings.configfiles))
    )
    if workflow.is_main_process:
        study.export_planned()
        if runs.runs_jobs(sys.argv[1:]):
            runs.begin(Path(study.results))
except StudyError as error:
    raise WorkflowError(str(error)) from None

RESULTS = study.results
RECORD = study.record
LOGS = f"{RESULTS}/logs"


wildcard_constraints:
    source=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    model=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    generator=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    chosen=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    rejected=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    form=r"[a-z][a-z0-9_]*",
    dimension=r"[a-z][a-z0-9_]*",
    selection=r"[a-z][a-z0-9_-]*",
    policy=r"[A-Za-z0-9][A-Za-z0-9._-]*",
