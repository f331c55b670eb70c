#!/usr/bin/env bash
# Guess: while jobs run, Snakemake's main process sleeps; what it costs grows with the number of jobs.
# Found: while a limit of job starts per time is set (100 per second is the default, and no option turns it off), each
# pass of its loop in which a job waits for a free core starts a timer, which starts another pass when it fires, and so
# on, as long as a job waits. Every job that ends adds such a chain, so the cost grows with the square of the jobs.
# Output seen, with snakemake 9.27.1, one core, jobs of 0.2 s:
#   after 20 jobs: 19 timers; after 40 jobs: 39 timers; after 80 jobs: 79 timers
# So a study of many jobs keeps one timer at a time, or takes the limit off. A longer time makes fewer passes, but the
# process ends only when its last timer has fired.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check snakemake==9.27.1
cd "$folder"
cat > Snakefile <<'SNAKEFILE'
import threading
rule all:
    input: expand("{i}.txt", i=range(100))
rule each:
    output: "{i}.txt"
    params: timers=lambda wildcards: sum(isinstance(t, threading.Timer) for t in threading.enumerate())
    shell: "sleep 0.2; echo {params.timers} >> timers; touch {output}"
SNAKEFILE
echo "snakemake $(venv/bin/snakemake --version)"
venv/bin/snakemake --cores 1 >log 2>&1
after() { sed -n "$1p" timers; }
echo "after 20 jobs: $(after 20) timers; after 40 jobs: $(after 40) timers; after 80 jobs: $(after 80) timers"
[ "$(after 80)" -gt $(($(after 20) + 40)) ]
