rule reference:
    """Log-probabilities of one generator's traces under one untrained policy."""
    input:
        prompts=f"{RESULTS}/prompts/train.parquet",
        traces=f"{RESULTS}/generate/{{generator}}.parquet",
        template=study.config.reference.template,
        weights=study.input("reference", "weights"),
    output:
        reference=f"{RESULTS}/reference/{{policy}}/{{generator}}.parquet",
        manifest=f"{RESULTS}/reference/{{policy}}/{{generator}}.manifest.json",
    log:
        f"{LOGS}/reference/{{policy}}/{{generator}}.log",
    threads: study.threads("reference")
    resources:
        **study.resources("reference"),
    params:
        settings=study.settings("reference"),
        texts=study.texts("reference"),
        code=study.code("reference"),
        record=RECORD,
    shell:
        "exec python -m prefdelta.stages.reference"
        " --in prompts={input.prompts:q} traces={input.traces:q} template={input.template:q}"
        " weights={input.weights:q}"
        " --out reference={output.reference:q} manifest={output.manifest:q}"
        " --settings {params.settings:q} --code {params.code} --record {params.record:q} 2> {log:q}"
