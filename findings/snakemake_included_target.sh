#!/usr/bin/env bash
# Guess: a Snakefile that only includes another one runs what the other runs, the more so if a rule there says
# `default_target: True`.
# Found: the included file's default target does not count, said or not. Nothing is planned, and Snakemake exits with 0.
# Output seen, with snakemake 9.27.1:
#   Snakefile itself:  exit 0, one.txt is there
#   only included:     exit 0, one.txt is missing; Nothing to be done
#   with a rule of its own that names the target:  exit 0, one.txt is there
# So a second Snakefile (where a catalogue or a module looks for it) needs a target of its own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check snakemake==9.27.1
cd "$folder"
mkdir workflow
cat > Snakefile <<'SNAKEFILE'
rule one:
    output: "one.txt"
    shell: "echo 1 > {output}"
rule all:
    default_target: True
    input: "one.txt"
SNAKEFILE
echo 'include: "../Snakefile"' > workflow/included
cat workflow/included - > workflow/named <<'SNAKEFILE'
rule named:
    default_target: True
    input: rules.all.input
SNAKEFILE
run() {
  rm -f one.txt
  status=0
  venv/bin/snakemake --cores 1 --snakefile "$1" >log 2>&1 || status=$?
  there=missing
  if [ -e one.txt ]; then there=there; fi
  said=$(grep -o "Nothing to be done" log || true)
  echo "$1: exit $status, one.txt is $there${said:+; $said}"
  [ "exit $status, one.txt is $there${said:+; $said}" = "$2" ]
}
echo "snakemake $(venv/bin/snakemake --version)"
run Snakefile "exit 0, one.txt is there"
run workflow/included "exit 0, one.txt is missing; Nothing to be done"
run workflow/named "exit 0, one.txt is there"
