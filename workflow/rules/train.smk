# One rule per batch of arms (compute.train.batch, batch_by).
for batch in study.train_batches:

    rule:
        """A batch of arms: a policy trained on each selection by one recipe, with one seed."""
        name:
            batch.rule
        input:
            **batch.inputs,
        output:
            policies=batch.outputs,
            manifest=batch.manifest,
        log:
            batch.log,
        localrule: batch.is_local
        threads: batch.threads
        resources:
            **batch.resources,
        params:
            settings=batch.settings,
            texts=batch.texts,
            code=batch.code,
            record=RECORD,
        shell:
            "exec python -m prefdelta.stages.train"
            " --in prompts={input.prompts:q} pairs={input.pairs:q} selected={input.selected:q}"
            " traces={input.traces:q} reference={input.reference:q} template={input.template:q} weights={input.weights:q}"
            " --out policies={output.policies:q} manifest={output.manifest:q}"
            " --settings {params.settings:q} --code {params.code} --record {params.record:q}"
            " --launch {resources.launch:q} 2> {log:q}"
