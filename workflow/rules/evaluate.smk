rule evaluate:
    """One policy, trained or not, on a group of benchmarks."""
    input:
        prompts=study.group_prompts,
        template=study.config.evaluate.template,
        weights=study.arm_weights,
    output:
        scores=f"{RESULTS}/evaluate/{{arm}}/{{group}}.parquet",
        manifest=f"{RESULTS}/evaluate/{{arm}}/{{group}}.manifest.json",
    log:
        f"{LOGS}/evaluate/{{arm}}/{{group}}.log",
    threads: study.threads("evaluate")
    resources:
        **study.resources("evaluate"),
    params:
        settings=study.settings("evaluate"),
        code=study.code("evaluate"),
        record=RECORD,
    shell:
        "exec python -m prefdelta.stages.evaluate"
        " --in prompts={input.prompts:q} template={input.template:q} weights={input.weights:q}"
        " --out scores={output.scores:q} manifest={output.manifest:q}"
        " --settings {params.settings:q} --code {params.code} --record {params.record:q} 2> {log:q}"
