# One rule per batch, as in train.smk. Each untrained policy is a batch of its own.
for batch in study.evaluate_batches:

    rule:
        """A batch of arms on a group of benchmarks."""
        name:
            batch.rule
        input:
            **batch.inputs,
        output:
            scores=batch.outputs,
            manifest=batch.manifest,
        log:
            batch.log,
        threads: batch.threads
        resources:
            **batch.resources,
        params:
            settings=batch.settings,
            texts=batch.texts,
            code=batch.code,
            record=RECORD,
        shell:
            "exec python -m prefdelta.stages.evaluate"
            " --in prompts={input.prompts:q} template={input.template:q} weights={input.weights:q}"
            " --out scores={output.scores:q} manifest={output.manifest:q}"
            " --settings {params.settings:q} --code {params.code} --record {params.record:q} 2> {log:q}"
