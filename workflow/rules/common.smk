# Names that all rules share: the study, its folders, and the values of every wildcard.
import gc
import os
import sys
from pathlib import Path

from prefdelta.workflow import rate_limit, run_plan, runs, snakemake_options
from prefdelta.core.errors import StudyError
from prefdelta.system.log import say
from prefdelta.study.study import Study
from prefdelta.study.summary import summary
from prefdelta.study.texts import REPORT_CLAIMS, REPORT_TEMPLATE

# A plan makes millions of objects that stay: looking for circles among them takes a seventh of its time.
gc.set_threshold(200_000, 20, 100)

COMMANDS = Path(str(workflow.current_basedir)).parent / "bin"

# Jobs run the interpreter that runs Snakemake, whatever is active in the shell. Our sbatch and sacct precede SLURM's.
os.environ["PATH"] = os.pathsep.join(
    [
        str(COMMANDS),
        str(Path(sys.executable).parent),
        os.environ["PATH"],
    ]
)

# A job on a node of a cluster uses the config with which it was planned: the file may have been edited since.
try:
    planned = None if workflow.is_main_process else run_plan.config()
except StudyError as error:
    raise WorkflowError(str(error)) from None

# A config file on the command line replaces config.yaml; nothing is merged.
if planned is None and not workflow.config_settings.configfiles:

    configfile: "config.yaml"


try:
    config_files = list(map(str, workflow.config_settings.configfiles)) or [
        "config.yaml"
    ]
    study = Study(
        config if planned is None else planned,
        where=", ".join(config_files),
        files=config_files,
    )
    if workflow.is_main_process:
        study.export_planned()
        if snakemake_options.runs_jobs(sys.argv[1:]):
            study.hub.check_pinned()
            runs.begin(Path(study.results))
            run_plan.write(
                Path(study.results),
                config,
                {job.manifest: job.settings for job in study.all_jobs},
            )
            from prefdelta.study.registration import register_claims

            register_claims(study)
        else:
            say(summary(study))
except StudyError as error:
    raise WorkflowError(str(error)) from None

RESULTS = study.results
RECORD = study.record
LOGS = f"{RESULTS}/logs"


# Wildcards match only names of the study, so a misspelt file matches no rule.
wildcard_constraints:
    **study.wildcards,
    selection=r"[a-z][A-Za-z0-9._@-]*",
    shard=r"[0-9]+",
    of=r"[1-9][0-9]*",


onstart:
    if workflow.is_main_process:
        rate_limit.tame(workflow)
        if workflow.local_exec:
            from prefdelta.workflow.fork_server.start import start

            start(COMMANDS / "local")
