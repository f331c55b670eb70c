rule train:
    """One arm: a policy trained on a selection by a recipe, with a seed."""
    input:
        prompts=f"{RESULTS}/prompts/train.parquet",
        pairs=f"{RESULTS}/pair/{{chosen}}~{{rejected}}.parquet",
        selected=f"{RESULTS}/filter/{{chosen}}~{{rejected}}/{{selection}}.parquet",
        chosen_traces=f"{RESULTS}/generate/{{chosen}}.parquet",
        chosen_reference=f"{RESULTS}/reference/{{policy}}/{{chosen}}.parquet",
        rejected_traces=f"{RESULTS}/generate/{{rejected}}.parquet",
        rejected_reference=f"{RESULTS}/reference/{{policy}}/{{rejected}}.parquet",
        template=study.config.reference.template,
        weights=study.policy_weights,
    output:
        policy=f"{RESULTS}/train/{{policy}}/{{chosen}}~{{rejected}}/{{selection}}/{{recipe}}/s{{seed}}/policy.json",
        manifest=f"{RESULTS}/train/{{policy}}/{{chosen}}~{{rejected}}/{{selection}}/{{recipe}}/s{{seed}}/policy.manifest.json",
    log:
        f"{LOGS}/train/{{policy}}/{{chosen}}~{{rejected}}/{{selection}}/{{recipe}}/s{{seed}}/policy.log",
    threads: study.threads("train")
    resources:
        **study.resources("train"),
    params:
        settings=study.settings("train"),
        code=study.code("train"),
        record=RECORD,
    shell:
        "exec python -m prefdelta.stages.train"
        " --in prompts={input.prompts:q} pairs={input.pairs:q} selected={input.selected:q}"
        " chosen_traces={input.chosen_traces:q} chosen_reference={input.chosen_reference:q}"
        " rejected_traces={input.rejected_traces:q} rejected_reference={input.rejected_reference:q}"
        " template={input.template:q} weights={input.weights:q}"
        " --out policy={output.policy:q} manifest={output.manifest:q}"
        " --settings {params.settings:q} --code {params.code} --record {params.record:q} 2> {log:q}"
