rule filter:
    """The pairs of one selection, with one order of equal deltas."""
    input:
        pairs=f"{RESULTS}/pair/{{chosen}}~{{rejected}}.parquet",
        deltas=study.input("filter", "deltas"),
        common=study.input("filter", "common"),
        grades=study.input("filter", "grades"),
        reference=study.input("filter", "reference"),
    output:
        selected=f"{RESULTS}/filter/{{chosen}}~{{rejected}}/{{selection}}/t{{order}}.parquet",
        manifest=f"{RESULTS}/filter/{{chosen}}~{{rejected}}/{{selection}}/t{{order}}.manifest.json",
    log:
        f"{LOGS}/filter/{{chosen}}~{{rejected}}/{{selection}}/t{{order}}.log",
    threads: study.threads("filter")
    resources:
        **study.resources("filter"),
    params:
        settings=study.settings("filter"),
        code=study.code("filter"),
        record=RECORD,
    shell:
        "exec python -m prefdelta.stages.filter"
        " --in pairs={input.pairs:q} deltas={input.deltas:q} common={input.common:q}"
        " grades={input.grades:q} reference={input.reference:q}"
        " --out selected={output.selected:q} manifest={output.manifest:q}"
        " --settings {params.settings:q} --code {params.code} --record {params.record:q} 2> {log:q}"
