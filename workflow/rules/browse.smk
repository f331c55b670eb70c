rule browse:
    """The pair browser: a page with every pair, trace, verdict and benchmark item."""
    input:
        page=study.input("browse", "page"),
        app=study.input("browse", "app"),
        template=study.input("browse", "template"),
        judge_template=study.input("browse", "judge_template"),
        rubrics=study.input("browse", "rubrics"),
        prompts=study.input("browse", "prompts"),
        traces=study.input("browse", "traces"),
        grades=study.input("browse", "grades"),
        judgements=study.input("browse", "judgements"),
        pairs=study.input("browse", "pairs"),
        deltas=study.input("browse", "deltas"),
        selected=study.input("browse", "selected"),
        weights=study.input("browse", "weights"),
        scores=study.input("browse", "scores"),
        manifests=study.input("browse", "manifests"),
    output:
        page=f"{RESULTS}/browse/index.html",
        app=directory(f"{RESULTS}/browse/app"),
        data=directory(f"{RESULTS}/browse/data"),
        manifest=f"{RESULTS}/browse/index.manifest.json",
    log:
        f"{LOGS}/browse/index.log",
    threads: study.threads("browse")
    resources:
        **study.resources("browse"),
    params:
        settings=study.settings("browse"),
        texts=study.texts("browse"),
        code=study.code("browse"),
        record=RECORD,
    shell:
        "exec python -m prefdelta.stages.browse"
        " --in page={input.page:q} app={input.app:q} template={input.template:q}"
        " judge_template={input.judge_template:q} rubrics={input.rubrics:q} prompts={input.prompts:q}"
        " traces={input.traces:q} grades={input.grades:q} judgements={input.judgements:q}"
        " pairs={input.pairs:q} deltas={input.deltas:q} selected={input.selected:q}"
        " weights={input.weights:q} scores={input.scores:q} manifests={input.manifests:q}"
        " --out page={output.page:q} app={output.app:q} data={output.data:q} manifest={output.manifest:q}"
        " --settings {params.settings:q} --code {params.code} --record {params.record:q} 2> {log:q}"
