rule delta:
    """Sample deltas of one pairing on one dimension."""
    input:
        pairs=f"{RESULTS}/pair/{{chosen}}~{{rejected}}.parquet",
        judgements=study.input("delta", "judgements"),
        annotations=study.input("delta", "annotations"),
    output:
        deltas=f"{RESULTS}/delta/{{chosen}}~{{rejected}}/{{dimension}}.parquet",
        manifest=f"{RESULTS}/delta/{{chosen}}~{{rejected}}/{{dimension}}.manifest.json",
    log:
        f"{LOGS}/delta/{{chosen}}~{{rejected}}/{{dimension}}.log",
    threads: study.threads("delta")
    resources:
        **study.resources("delta"),
    params:
        settings=study.settings("delta"),
        code=study.code("delta"),
        record=RECORD,
    shell:
        "exec python -m prefdelta.stages.delta"
        " --in pairs={input.pairs:q} judgements={input.judgements:q} annotations={input.annotations:q}"
        " --out deltas={output.deltas:q} manifest={output.manifest:q}"
        " --settings {params.settings:q} --code {params.code} --record {params.record:q} 2> {log:q}"
