rule generate:
    """Traces of one generator for all training prompts."""
    input:
        prompts=f"{RESULTS}/prompts/train.parquet",
        template=study.config.generate.template,
        weights=study.generator_weights,
    output:
        traces=f"{RESULTS}/generate/{{generator}}.parquet",
        manifest=f"{RESULTS}/generate/{{generator}}.manifest.json",
    log:
        f"{LOGS}/generate/{{generator}}.log",
    threads: study.threads("generate")
    resources:
        **study.resources("generate"),
    params:
        settings=study.settings("generate"),
        texts=study.texts("generate"),
        code=study.code("generate"),
        record=RECORD,
    shell:
        "exec python -m prefdelta.stages.generate"
        " --in prompts={input.prompts:q} template={input.template:q} weights={input.weights:q}"
        " --out traces={output.traces:q} manifest={output.manifest:q}"
        " --settings {params.settings:q} --code {params.code} --record {params.record:q} 2> {log:q}"
