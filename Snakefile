# Decomposing the Delta (arXiv 2604.08723), from prompts to report. This file is the table of contents.
#   make mini                        the small study, on two CPU cores
#   prefdelta plan --configfile resources/studies/mini.yaml          what would run, and why
#   snakemake --profile mini results/mini/judge/g4/logic.parquet      one table and all tables that it needs


include: "workflow/rules/common.smk"
include: "workflow/rules/prompts.smk"
include: "workflow/rules/ladder.smk"
include: "workflow/rules/generate.smk"
include: "workflow/rules/grade.smk"
include: "workflow/rules/judge.smk"
include: "workflow/rules/pair.smk"
include: "workflow/rules/delta.smk"
include: "workflow/rules/filter.smk"
include: "workflow/rules/reference.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/browse.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        study.outputs,
