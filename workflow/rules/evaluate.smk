"""Evaluate: the trained model → its scores on the benchmarks (lighteval), with standard errors and chance levels.
in:  <results>/train/<experiment>/model/; benchmark rows from the shipped sample or <downloads>/benchmarks (as seeds.where)
out: <results>/evaluate/<experiment>/scores.json
cost at full scale: about one GPU-hour"""


rule evaluate_model:
    """Benchmark scores of {wildcards.experiment}"""
    input:
        model="<results>/train/{experiment}/model",
        benchmarks=evaluated_files,
        script=ancient("scripts/evaluate/model.py"),
        tasks=ancient("scripts/evaluate/tasks.py"),
        rows=ancient("scripts/benchmarks/rows.py"),
        load=ancient("scripts/benchmarks/load.py"),
    output:
        scores="<results>/evaluate/{experiment}/scores.json",
    log:
        "<logs>/evaluate_model/{experiment}.log",
    benchmark:
        "<benchmarks>/evaluate_model/{experiment}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: config["evaluate"]["threads"]
    resources:
        gpu=gpus("evaluate"),
        gpu_model=config["evaluate"]["gpu_model"],
        mem_mb=growing(16000),
        runtime=growing(240),
    params:
        location=benchmark_location,
        options=flags("evaluate", "benchmarks", "max_samples", "device", "threads"),
    shell:
        "$PYTHON_EVALUATE -m scripts.evaluate.model --model {input.model} --location {params.location}"
        " --output {output.scores} {params.options} &> {log}"
