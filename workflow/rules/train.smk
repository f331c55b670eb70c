# One rule per batch: the arms of a batch share policy, pairing, recipe and seed, and differ in their selections.
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
            " chosen_traces={input.chosen_traces:q} chosen_reference={input.chosen_reference:q}"
            " rejected_traces={input.rejected_traces:q} rejected_reference={input.rejected_reference:q}"
            " template={input.template:q} weights={input.weights:q}"
            " --out policies={output.policies:q} manifest={output.manifest:q}"
            " --settings {params.settings:q} --code {params.code} --record {params.record:q}"
            " --launch {resources.launch:q} 2> {log:q}"
