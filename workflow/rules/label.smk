"""Topics: keywords and examples of each cluster → name and educational score by the language model → decisions.

in:  <results>/seeds/ and <results>/clusters/assignments/ of the clustered sources; config/topics.tsv, where it exists
out: <results>/topics/topics.parquet, and <results>/topics/review.tsv for the person who decides
cost at full scale: 15 minutes of one core to read 15 M documents, minutes of the language model
"""


rule label_examples:
    """Keywords and examples of each cluster"""
    input:
        assignments=all_parts("<results>/clusters/assignments/{source}/part-{part}.parquet", CLUSTERED),
        seeds=all_parts("<results>/seeds/{source}/part-{part}.parquet", CLUSTERED),
        script="scripts/label/examples.py",
    output:
        examples="<results>/topics/examples.parquet",
    log:
        "<logs>/label_examples/examples.log",
    benchmark:
        "<benchmarks>/label_examples/examples.tsv"
    conda:
        "../../envs/cluster.yaml"
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        options=flags("label", "samples", "characters"),
    shell:
        "$PYTHON_CLUSTER -m scripts.label.examples --assignments {input.assignments} --seeds {input.seeds}"
        " {params.options} --output {output.examples} &> {log}"


rule label_topics:
    """Name and educational score of each cluster by the language model"""
    input:
        examples="<results>/topics/examples.parquet",
        model=model_files("llm"),
        script="scripts/label/topics.py",
    output:
        answers="<results>/topics/answers.parquet",
    log:
        "<logs>/label_topics/topics.log",
    benchmark:
        "<benchmarks>/label_topics/topics.tsv"
    conda:
        LLM_ENV
    threads: config["llm"]["threads"]
    resources:
        gpu=gpus("llm"),
        gpu_model=config["llm"]["gpu_model"],
        mem_mb=16000,
        runtime=120,
    params:
        options=flags("label", "answers", "max_new_tokens"),
        seed=config["seed"],
        engine=LLM_FLAGS,
    shell:
        "$PYTHON_LLM -m scripts.label.topics --examples {input.examples} {params.options} --seed {params.seed}"
        " {params.engine} --output {output.answers} &> {log}"


rule label_decide:
    """Topics kept and removed; config/topics.tsv overrides them

    A person may write config/topics.tsv, with the columns cluster_id, topic, educational_score, decision (kept or
    removed) and reason, e.g. by copying rows of topics/review.tsv; without the file the model's scores decide.
    """
    input:
        examples="<results>/topics/examples.parquet",
        answers="<results>/topics/answers.parquet",
        overrides=topic_overrides,
        script="scripts/label/decide.py",
    output:
        topics="<results>/topics/topics.parquet",
        review=report(
            "<results>/topics/review.tsv",
            category="2 Data",
            labels={"page": "Review of topics", "shows": "a table to edit"},
        ),
    log:
        "<logs>/label_decide/decide.log",
    benchmark:
        "<benchmarks>/label_decide/decide.tsv"
    conda:
        "../../envs/base.yaml"
    params:
        overrides=override_flag,
        options=flags("label", "minimum_score", "minimum_documents"),
    shell:
        "$PYTHON_BASE -m scripts.label.decide --examples {input.examples} --answers {input.answers}"
        " {params.overrides} {params.options} --topics {output.topics} --review {output.review} &> {log}"
