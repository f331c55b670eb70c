rule grade:
    """Is the final answer of each trace right?"""
    input:
        prompts=f"{RESULTS}/prompts/train.parquet",
        traces=f"{RESULTS}/generate/{{generator}}.parquet",
    output:
        grades=f"{RESULTS}/grade/{{generator}}.parquet",
        manifest=f"{RESULTS}/grade/{{generator}}.manifest.json",
    log:
        f"{LOGS}/grade/{{generator}}.log",
    threads: study.threads("grade")
    resources:
        **study.resources("grade"),
    params:
        settings=study.settings("grade"),
        code=study.code("grade"),
        record=RECORD,
    shell:
        "exec python -m prefdelta.stages.grade"
        " --in prompts={input.prompts:q} traces={input.traces:q}"
        " --out grades={output.grades:q} manifest={output.manifest:q}"
        " --settings {params.settings:q} --code {params.code} --record {params.record:q} 2> {log:q}"
