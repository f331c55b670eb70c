rule pair:
    """For every prompt, the chosen generator's trace against the rejected generator's."""
    input:
        prompts=f"{RESULTS}/prompts/train.parquet",
        chosen_traces=f"{RESULTS}/generate/{{chosen}}.parquet",
        chosen_grades=f"{RESULTS}/grade/{{chosen}}.parquet",
        rejected_traces=f"{RESULTS}/generate/{{rejected}}.parquet",
        rejected_grades=f"{RESULTS}/grade/{{rejected}}.parquet",
    output:
        pairs=f"{RESULTS}/pair/{{chosen}}~{{rejected}}.parquet",
        manifest=f"{RESULTS}/pair/{{chosen}}~{{rejected}}.manifest.json",
    log:
        f"{LOGS}/pair/{{chosen}}~{{rejected}}.log",
    threads: study.threads("pair")
    resources:
        **study.resources("pair"),
    params:
        settings=study.settings("pair"),
        code=study.code("pair"),
        record=RECORD,
    shell:
        "exec python -m prefdelta.stages.pair"
        " --in prompts={input.prompts:q} chosen_traces={input.chosen_traces:q}"
        " chosen_grades={input.chosen_grades:q} rejected_traces={input.rejected_traces:q}"
        " rejected_grades={input.rejected_grades:q}"
        " --out pairs={output.pairs:q} manifest={output.manifest:q}"
        " --settings {params.settings:q} --code {params.code} --record {params.record:q} 2> {log:q}"
