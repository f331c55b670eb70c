rule report:
    """One page with all measurements of the study."""
    input:
        template=REPORT_TEMPLATE,
        parts=study.input("report", "parts"),
        claims=REPORT_CLAIMS,
        paper=study.input("report", "paper"),
        example=study.input("report", "example"),
        scores=study.input("report", "scores"),
        deltas=study.input("report", "deltas"),
        pairs=study.input("report", "pairs"),
        grades=study.input("report", "grades"),
        judgements=study.input("report", "judgements"),
        compared=study.input("report", "compared"),
        annotations=study.input("report", "annotations"),
        sheets=study.input("report", "sheets"),
        manifests=study.input("report", "manifests"),
    output:
        page=report(
            f"{RESULTS}/report/index.html",
            caption="../report/page.rst",
            category="Page",
        ),
        figures=report(
            directory(f"{RESULTS}/report/figures"),
            patterns=["{figure}.svg", "{figure}.csv"],
            caption="../report/figures.rst",
            category="Figures and their numbers",
        ),
        manifest=report(
            f"{RESULTS}/report/index.manifest.json",
            caption="../report/verdicts.rst",
            category="Verdicts",
        ),
    log:
        f"{LOGS}/report/index.log",
    threads: study.threads("report")
    resources:
        **study.resources("report"),
    params:
        settings=study.settings("report"),
        texts=study.texts("report"),
        code=study.code("report"),
        record=RECORD,
    shell:
        "exec python -m prefdelta.stages.report"
        " --in template={input.template:q} parts={input.parts:q} paper={input.paper:q}"
        " example={input.example:q} scores={input.scores:q} deltas={input.deltas:q}"
        " pairs={input.pairs:q} grades={input.grades:q}"
        " claims={input.claims:q} judgements={input.judgements:q} compared={input.compared:q}"
        " annotations={input.annotations:q} sheets={input.sheets:q} manifests={input.manifests:q}"
        " --out page={output.page:q} figures={output.figures:q} manifest={output.manifest:q}"
        " --settings {params.settings:q} --code {params.code} --record {params.record:q} 2> {log:q}"
