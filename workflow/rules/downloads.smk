"""Downloads besides the sources: models and benchmarks. These jobs run where Snakemake runs; all others are offline.

in:  the Hugging Face Hub
out: <results>/models.json and the models in the Hub's cache; <downloads>/benchmarks/<benchmark>.jsonl with manifest.json
cost at full scale: an estimated 95 GB for Mixtral-8x7B, once for all runs
"""


localrules:
    downloads_models,
    downloads_benchmarks,


rule downloads_models:
    """Models and tokenizers into the cache of the Hub"""
    input:
        script="scripts/downloads/models.py",
        patience="scripts/seeds/patience.py",
    output:
        manifest="<results>/models.json",
    log:
        "<logs>/downloads_models/downloads_models.log",
    benchmark:
        "<benchmarks>/downloads_models/downloads_models.tsv"
    conda:
        "../../envs/base.yaml"
    params:
        models=flag("models", hub_models("embed", "llm")),
        tokenizers=flag("tokenizers", hub_models("tokenize")),
    shell:
        "HF_HUB_OFFLINE=$DOWNLOADS_OFFLINE $PYTHON_BASE -m scripts.downloads.models"
        " {params.models} {params.tokenizers} --output {output.manifest} &> {log}"


rule downloads_benchmarks:
    """Rows of the benchmarks"""
    input:
        script="scripts/downloads/benchmarks.py",
        rows="scripts/benchmarks/rows.py",
        load="scripts/benchmarks/load.py",
        modules=DOWNLOAD_CODE,
    output:
        rows=expand("<downloads>/benchmarks/{name}.jsonl", name=BENCHMARKS),
        manifest="<downloads>/benchmarks/manifest.json",
    log:
        "<logs>/downloads_benchmarks/downloads_benchmarks.log",
    benchmark:
        "<benchmarks>/downloads_benchmarks/downloads_benchmarks.tsv"
    conda:
        "../../envs/base.yaml"
    params:
        lock=LOCK,
    shell:
        "HF_HUB_OFFLINE=$DOWNLOADS_OFFLINE $PYTHON_BASE -m scripts.downloads.benchmarks --output {output.rows}"
        " --lock {params.lock} --manifest {output.manifest} &> {log}"
