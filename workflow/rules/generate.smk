rule generate:
    """Traces of one generator for all training prompts."""
    input:
        prompts=f"{RESULTS}/prompts/train.parquet",
        template=study.config.generate.template,
        weights=study.input("generate", "weights"),
        shards=study.input("generate", "shards"),
    output:
        traces=f"{RESULTS}/generate/{{generator}}.parquet",
        manifest=f"{RESULTS}/generate/{{generator}}.manifest.json",
    log:
        f"{LOGS}/generate/{{generator}}.log",
    threads: study.threads("generate")
    resources:
        **study.resources("generate"),
    params:
        settings=study.settings("generate"),
        texts=study.texts("generate"),
        code=study.code("generate"),
        record=RECORD,
    shell:
        "exec python -m prefdelta.stages.generate"
        " --in prompts={input.prompts:q} template={input.template:q} weights={input.weights:q}"
        " shards={input.shards:q}"
        " --out traces={output.traces:q} manifest={output.manifest:q}"
        " --settings {params.settings:q} --code {params.code} --record {params.record:q} 2> {log:q}"


rule generate_shard:
    """A share of the traces of a slow generator. `generate` puts the shares together, from the record."""
    input:
        prompts=f"{RESULTS}/prompts/train.parquet",
        template=study.config.generate.template,
        weights=study.input("generate_shard", "weights"),
    output:
        traces=f"{RESULTS}/generate/{{generator}}/shard-{{shard}}-of-{{of}}.parquet",
        manifest=f"{RESULTS}/generate/{{generator}}/shard-{{shard}}-of-{{of}}.manifest.json",
    log:
        f"{LOGS}/generate/{{generator}}/shard-{{shard}}-of-{{of}}.log",
    threads: study.threads("generate")
    resources:
        **study.resources("generate_shard"),
    params:
        settings=study.settings("generate_shard"),
        texts=study.texts("generate_shard"),
        code=study.code("generate_shard"),
        record=RECORD,
    shell:
        "exec python -m prefdelta.stages.generate"
        " --in prompts={input.prompts:q} template={input.template:q} weights={input.weights:q} shards="
        " --out traces={output.traces:q} manifest={output.manifest:q}"
        " --settings {params.settings:q} --code {params.code} --record {params.record:q} 2> {log:q}"
