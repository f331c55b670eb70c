rule ladder:
    """A small model, trained from scratch (mini only)."""
    output:
        model=f"{RESULTS}/ladder/{{model}}/model.json",
        manifest=f"{RESULTS}/ladder/{{model}}/model.manifest.json",
    log:
        f"{LOGS}/ladder/{{model}}/model.log",
    threads: study.threads("ladder")
    resources:
        **study.resources("ladder"),
    params:
        settings=study.settings("ladder"),
        code=study.code("ladder"),
        record=RECORD,
    shell:
        "exec python -m prefdelta.stages.ladder"
        " --out model={output.model:q} manifest={output.manifest:q}"
        " --settings {params.settings:q} --code {params.code} --record {params.record:q} 2> {log:q}"
