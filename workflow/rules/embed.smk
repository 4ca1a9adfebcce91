"""Sentence embeddings of the clustered sources.

in:  <results>/seeds/<source>/part-NNN.parquet
out: <results>/embeddings/<source>/part-NNN.parquet (seed_id, 384 × float16)
cost at full scale: 60 parts, some minutes of one GPU and 0.2 GB each
"""


rule embed_documents:
    """Sentence embeddings of {wildcards.source} part {wildcards.part}"""
    input:
        seeds="<results>/seeds/{source}/part-{part}.parquet",
        model=model_files("embed"),
        script=ancient("scripts/embed/documents.py"),
    output:
        embeddings="<results>/embeddings/{source}/part-{part}.parquet",
    log:
        "<logs>/embed_documents/{source}/part-{part}.log",
    benchmark:
        "<benchmarks>/embed_documents/{source}/part-{part}.tsv"
    conda:
        "../../envs/embed.yaml"
    resources:
        mem_mb=growing(6000),
        runtime=growing(120),
        gpu=gpus("embed"),
        gpu_model=config["embed"]["gpu_model"],
    params:
        options=flags("embed", "model", "max_seq_length", "batch_size", "device"),
    shell:
        "$PYTHON_EMBED -m scripts.embed.documents --seeds {input.seeds} --output {output.embeddings}"
        " {params.options} --threads {threads} &> {log}"
