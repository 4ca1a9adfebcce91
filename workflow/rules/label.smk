"""Topics: keywords and examples of each cluster → name and educational score by the language model → decisions.

in:  <results>/seeds/ and <results>/clusters/assignments/ of the clustered sources; config/topics.tsv, where it exists
out: <results>/topics/topics.parquet, and for the person who decides <results>/topics/review.html and review.tsv
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
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        options=flags("label", "samples", "documents", "characters"),
    shell:
        "$PYTHON_CLUSTER -m scripts.label.examples --assignments {input.assignments} --seeds {input.seeds}"
        " {params.options} --output {output.examples} &> {log}"


rule label_topics:
    """Name and educational score of each cluster by the language model"""
    input:
        examples="<results>/topics/examples.parquet",
        code=ancient(expand("scripts/label/{file}.py", file=["prompt", "answers"])),
        model=model_files("llm"),
        script=ancient("scripts/label/topics.py"),
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
        mem_mb=growing(16000),
        runtime=growing(120),
    params:
        options=flags("label", "attempts", "max_new_tokens"),
        seed=config["seed"],
        engine=LLM_FLAGS,
        where=LLM_WHERE,
    shell:
        "$PYTHON_LLM -m scripts.label.topics --examples {input.examples} {params.options} --seed {params.seed}"
        " {params.engine} {params.where} --output {output.answers} &> {log}"


rule label_decide:
    """Topics kept and removed; the files of label.overrides have the last word

    A person may write config/topics.tsv, with the columns cluster_id, topic, educational_score, decision (kept or
    removed) and reason, e.g. with topics/review.html or by copying rows of topics/review.tsv; without it the model's
    scores decide. A changed file reruns this rule, the review page and what uses the topics, and nothing before.
    """
    input:
        examples="<results>/topics/examples.parquet",
        answers="<results>/topics/answers.parquet",
        overrides=topic_overrides,
        code=expand("scripts/label/{file}.py", file=["overrides", "prompt", "votes"]),
        schema="workflow/schemas/topics.schema.yaml",
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


rule label_review:
    """One page of all topics to search, read and correct"""
    input:
        sample="<results>/clusters/sample.parquet",
        topics="<results>/topics/topics.parquet",
        answers="<results>/topics/answers.parquet",
        overrides=topic_overrides,
        code=expand("scripts/label/{file}.py", file=["overrides", "votes"]),
        pages=expand("scripts/report/{file}", file=["page.py", "style.py", "topics.py", "templates/style.css"]),
        templates=expand("scripts/label/templates/review.{kind}", kind=["html", "css", "js"]),
        script="scripts/label/review.py",
    output:
        page=report(
            "<results>/topics/review.html",
            caption="../report/review.rst",
            category="2 Data",
            labels={"page": "Review of topics", "shows": "every cluster with examples, answers and map, to correct"},
        ),
    log:
        "<logs>/label_review/review.log",
    benchmark:
        "<benchmarks>/label_review/review.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        run=f"{flag('run', config['run'])} {flag('scale', config['scale'])}",
        corrections=correction_flag,
        options=flags("label", "minimum_score", "minimum_documents"),
    shell:
        "$PYTHON_REPORT -m scripts.label.review {params.run} --sample {input.sample} --topics {input.topics}"
        " --answers {input.answers} {params.corrections} {params.options} --page {output.page} &> {log}"
