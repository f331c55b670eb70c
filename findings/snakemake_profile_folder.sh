#!/usr/bin/env bash
# Guess: `--profile NAME` finds a profile that a workflow brings along in profiles/NAME or workflow/profiles/NAME.
# Found: it looks for ./NAME, and in the user's and the system's folders of configuration; in neither of the two. A
# link ./NAME makes the short name work.
# Output seen, with snakemake 9.27.1:
#   profiles/mine and workflow/profiles/mine:   exit 1
#   and a link mine -> profiles/mine:           exit 0
# So a workflow whose README says `snakemake --profile mine` needs such a link in its root.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check snakemake==9.27.1
cd "$folder"
cat > Snakefile <<'SNAKEFILE'
rule all:
    output: "all.txt"
    shell: "touch {output}"
SNAKEFILE
for place in profiles workflow/profiles; do
  mkdir -p "$place/mine"
  echo "cores: 1" > "$place/mine/config.yaml"
done
run() {
  status=0
  HOME=$folder XDG_CONFIG_HOME=$folder/config venv/bin/snakemake --profile mine --dry-run >log 2>&1 || status=$?
  echo "$1 exit $status"
  [ "$status" = "$2" ]
}
echo "snakemake $(venv/bin/snakemake --version)"
run "profiles/mine and workflow/profiles/mine:  " 1
grep -q "no profile.yaml (or config.yaml) found" log
ln -s profiles/mine mine
run "and a link mine -> profiles/mine:          " 0
