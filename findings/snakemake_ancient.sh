#!/usr/bin/env bash
# Guess: ancient() only keeps an input's age from making a rule run; a target that is missing is made all the same.
# Found: if the job that makes the ancient input runs, the missing target is not made, and Snakemake exits with 0. The
# same command once more makes it.
# Output seen, with snakemake 9.27.1:
#   first run:  exit 0, ran first; last.txt is missing
#   once more:  exit 0, ran last; last.txt is there
# So a workflow that must be whole when it exits with 0 cannot use ancient() on what another rule makes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check snakemake==9.27.1
cd "$folder"
cat > Snakefile <<'SNAKEFILE'
rule all:
    input: "last.txt"
rule first:
    input: "in.txt"
    output: "first.txt"
    shell: "cp {input} {output}"
rule last:
    input: ancient("first.txt")
    output: "last.txt"
    shell: "cp {input} {output}"
SNAKEFILE
run() {
  status=0
  venv/bin/snakemake --cores 1 >log 2>&1 || status=$?
  ran=$(sed -nE 's/^(local)?rule (first|last):/\2/p' log | paste -sd,)
  there=missing
  if [ -e last.txt ]; then there=there; fi
  echo "$1 exit $status, ran $ran; last.txt is $there"
  [ "exit $status, ran $ran; last.txt is $there" = "$2" ]
}
echo "snakemake $(venv/bin/snakemake --version)"
echo 1 > in.txt
venv/bin/snakemake --cores 1 >log 2>&1
rm last.txt
echo 2 > in.txt
run "first run: " "exit 0, ran first; last.txt is missing"
run "once more: " "exit 0, ran last; last.txt is there"
