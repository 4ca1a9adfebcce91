"""Outlines of university courses, for sources of catalogues (Stanford): the language model writes and cleans them.

in:  the raw rows of a part, as in seeds.smk
out: <results>/seeds/outlines/<source>/part-NNN.parquet with counts and a summary; seeds_load makes a seed of each unit
The ledger, <results>/seeds/outlines/ledger/<source>/part-NNN/, is no output: Snakemake never deletes it, and a job that
runs again, killed or not, asks only for the answers that the ledger does not have.
A job near its time limit ends and is put back into the queue by Slurm, if it got answers.
cost at full scale: an estimated 35,000 requests and 30 M tokens, hours of the language model; not measured
"""

OUTLINE_LEDGER = workflow.pathvars.apply("<results>/seeds/outlines/ledger/{source}/part-{part}")


rule seeds_courses:
    """Courses of {wildcards.source} part {wildcards.part}"""
    input:
        raw=raw_files,
        registry=ancient(REGISTRY),
        script="scripts/seeds/courses.py",
        modules=expand("scripts/seeds/{name}.py", name=["rows", "readers", "catalogues", "checks"]),
    output:
        courses="<results>/seeds/outlines/{source}/part-{part}.courses.parquet",
    log:
        "<logs>/seeds_courses/{source}/part-{part}.log",
    benchmark:
        "<benchmarks>/seeds_courses/{source}/part-{part}.tsv"
    conda:
        "../../envs/base.yaml"
    resources:
        mem_mb=growing(4000),
    params:
        definition=definition,
        rows=row_range,
        options=flags("seeds", "where", "downloads"),
    shell:
        "$PYTHON_BASE -m scripts.seeds.courses --sources {input.registry} --source {wildcards.source} {params.options}"
        " {params.rows} --output {output.courses} &> {log}"


rule seeds_outline:
    """Outlines of {wildcards.source} part {wildcards.part}"""
    input:
        courses="<results>/seeds/outlines/{source}/part-{part}.courses.parquet",
        script=ancient("scripts/seeds/outline.py"),
        modules=ancient(expand("scripts/seeds/{name}.py", name=["outlines_request", "outlines_answers", "catalogues"])),
    output:
        outlines="<results>/seeds/outlines/{source}/part-{part}.parquet",
        counts="<results>/seeds/outlines/{source}/part-{part}.counts.json",
        summary="<results>/seeds/outlines/{source}/part-{part}.summary.json",
    log:
        "<logs>/seeds_outline/{source}/part-{part}.log",
    benchmark:
        "<benchmarks>/seeds_outline/{source}/part-{part}.tsv"
    conda:
        LLM_ENV
    threads: config["llm"]["threads"]
    resources:
        gpu=gpus("llm"),
        gpu_model=config["llm"]["gpu_model"],
        mem_mb=growing(8000 + 24000 * gpus("llm")),
        runtime=config["generate"]["runtime"],
    params:
        ledger=OUTLINE_LEDGER,
        options=flags("seeds.outlines"),
        limits=flags("generate", "max_attempts"),
        watch=untracked(flags("generate", "rows_per_segment", "max_failure_rate", "stall_minutes")),
        seed=config["seed"],
        engine=LLM_FLAGS,
        where=LLM_WHERE,
    shell:
        "$PYTHON_LLM -m scripts.seeds.outline --courses {input.courses} --ledger {params.ledger}"
        " --source {wildcards.source} --part {wildcards.part} {params.options} {params.limits} {params.watch}"
        " --seed {params.seed} {params.engine} {params.where}"
        " --output {output.outlines} --counts {output.counts} --summary {output.summary} &> {log}"
