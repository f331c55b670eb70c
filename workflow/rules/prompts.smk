rule prompts:
    """Problems of the training set or of one benchmark."""
    input:
        lock=study.input("prompts", "lock"),
        train=study.input("prompts", "train"),
    output:
        prompts=f"{RESULTS}/prompts/{{source}}.parquet",
        manifest=f"{RESULTS}/prompts/{{source}}.manifest.json",
    log:
        f"{LOGS}/prompts/{{source}}.log",
    threads: study.threads("prompts")
    resources:
        **study.resources("prompts"),
    params:
        settings=study.settings("prompts"),
        texts=study.texts("prompts"),
        code=study.code("prompts"),
        record=RECORD,
    shell:
        "exec python -m prefdelta.stages.prompts"
        " --in lock={input.lock:q} train={input.train:q}"
        " --out prompts={output.prompts:q} manifest={output.manifest:q}"
        " --settings {params.settings:q} --code {params.code} --record {params.record:q} 2> {log:q}"
