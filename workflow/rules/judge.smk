rule judge:
    """Scores of one generator's traces on the dimensions of one form."""
    input:
        prompts=f"{RESULTS}/prompts/train.parquet",
        traces=f"{RESULTS}/generate/{{generator}}.parquet",
        template=study.config.judge.template,
        rubrics=study.input("judge", "rubrics"),
    output:
        judgements=f"{RESULTS}/judge/{{generator}}/{{form}}.parquet",
        manifest=f"{RESULTS}/judge/{{generator}}/{{form}}.manifest.json",
    log:
        f"{LOGS}/judge/{{generator}}/{{form}}.log",
    threads: study.threads("judge")
    resources:
        **study.resources("judge"),
    params:
        settings=study.settings("judge"),
        texts=study.texts("judge"),
        code=study.code("judge"),
        record=RECORD,
    shell:
        "exec python -m prefdelta.stages.judge"
        " --in prompts={input.prompts:q} traces={input.traces:q} template={input.template:q}"
        " rubrics={input.rubrics:q}"
        " --out judgements={output.judgements:q} manifest={output.manifest:q}"
        " --settings {params.settings:q} --code {params.code} --record {params.record:q} 2> {log:q}"
