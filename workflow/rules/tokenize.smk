"""Tokenize: splits of the dataset → token files for training, every document ended by the end-of-sequence token.
in:  <results>/dataset/<split>/*.parquet
out: <results>/tokens/<split>/ (*.ds, *.ds.index, *.ds.metadata, tokens.json)
cost at full scale: about 3 hours on 32 CPU cores for 25 B tokens, 50 GB"""


rule tokenize_split:
    """Token files of {wildcards.split}"""
    input:
        dataset="<results>/dataset/{split}",
        tokenizer=model_files("tokenize"),
        script="scripts/tokenize/split.py",
    output:
        tokens=directory("<results>/tokens/{split}"),
    log:
        "<logs>/tokenize_split/{split}.log",
    benchmark:
        "<benchmarks>/tokenize_split/{split}.tsv"
    conda:
        "../../envs/datatrove.yaml"
    threads: config["tokenize"]["threads"]
    resources:
        mem_mb=growing(16000),
        runtime=growing(240),
    params:
        tokenizer=flags("tokenize", "tokenizer"),
        seed=config["seed"],
    shell:
        "$PYTHON_DATATROVE -m scripts.tokenize.split --dataset {input.dataset} --output {output.tokens}"
        " {params.tokenizer} --seed {params.seed} &> {log}"
