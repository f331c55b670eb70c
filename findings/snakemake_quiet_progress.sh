#!/usr/bin/env bash
# Guess: --quiet progress only keeps progress off the screen. A logger plugin that filters for itself (has_filter) hears
# of every job that ends, whatever --quiet says.
# Found: with --quiet progress it hears of no job that ends, and of no progress. With --quiet all, which is quieter, it
# hears of both.
# Output seen, with snakemake 9.27.1:
#   without --quiet: 2 jobs begin, 2 end
#   --quiet rules: 2 jobs begin, 2 end
#   --quiet progress: 2 jobs begin, 0 end
#   --quiet all: 2 jobs begin, 2 end
# So a plugin cannot count finished jobs by its events alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check snakemake==9.27.1
cd "$folder"
mkdir snakemake_logger_plugin_counting
cat > snakemake_logger_plugin_counting/__init__.py <<'PYTHON'
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent


class LogHandler(LogHandlerBase):
    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self):
        self.counts = {LogEvent.JOB_STARTED: 0, LogEvent.JOB_FINISHED: 0}

    def emit(self, record):
        event = getattr(record, "event", None)
        if event in self.counts:
            self.counts[event] += len(getattr(record, "jobs", None) or [1]) if event == LogEvent.JOB_STARTED else 1
            begun, ended = self.counts.values()
            Path("counted").write_text(f"{begun} jobs begin, {ended} end")
PYTHON
cat > Snakefile <<'SNAKEFILE'
rule all:
    input: "one.txt"
rule one:
    output: "one.txt"
    shell: "echo 1 > {output}"
SNAKEFILE
run() {
  rm -f one.txt counted
  PYTHONPATH="$folder" venv/bin/snakemake --cores 1 --logger counting $1 >log 2>&1
  counted=$(cat counted)
  echo "${1:-without --quiet}: $counted"
  [ "$counted" = "$2" ]
}
echo "snakemake $(venv/bin/snakemake --version)"
run "" "2 jobs begin, 2 end"
run "--quiet rules" "2 jobs begin, 2 end"
run "--quiet progress" "2 jobs begin, 0 end"
run "--quiet all" "2 jobs begin, 2 end"
