"""Clean: sealed texts → which of them are kept and how they read on, and why the others are not.
in:  <results>/generations/<source>/part-*.parquet, their prompts, the tokenizer of tokenize.tokenizer
out: <results>/clean/<source>/part-*.parquet (one decision per sealed text), part-*.counts.json; summary.json
cost at full scale (31 M texts): about 32 CPU-hours in one job a part (270 texts of 3.7 kB a second and core); with
clean.run_code 0.2 s more for each text with Python blocks"""


rule clean_filter:
    """Decisions on the texts of {wildcards.source} part {wildcards.part}"""
    input:
        generations="<results>/generations/{source}/part-{part}.parquet",
        prompts="<results>/prompts/{source}/part-{part}.parquet",
        tokenizer=model_files("tokenize"),
        modules=expand("scripts/clean/{name}.py", name=["rules", "repetition", "blocks", "sandbox", "summary"]),
        phrases="scripts/common/phrases.py",
        script="scripts/clean/filter.py",
    output:
        decisions="<results>/clean/{source}/part-{part}.parquet",
        counts="<results>/clean/{source}/part-{part}.counts.json",
        summary="<results>/clean/{source}/part-{part}.summary.json",
    log:
        "<logs>/clean_filter/{source}/part-{part}.log",
    benchmark:
        "<benchmarks>/clean_filter/{source}/part-{part}.tsv"
    conda:
        "../../envs/datatrove.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        options=flags("clean", "minimum_tokens", "minimum_characters", "rules", "repetition", "run_code"),
        tokenizer=flags("tokenize", "tokenizer"),
    shell:
        "$PYTHON_DATATROVE -m scripts.clean.filter --generations {input.generations} --prompts {input.prompts}"
        " --source {wildcards.source} --part {wildcards.part} --output {output.decisions} --counts {output.counts}"
        " --summary {output.summary} {params.options} {params.tokenizer} &> {log}"


rule clean_summary:
    """Texts removed, flagged and cut, by rule, source and format"""
    input:
        parts=all_parts("<results>/clean/{source}/part-{part}.summary.json"),
        modules=expand("scripts/clean/{name}.py", name=["rules", "blocks"]),
        script="scripts/clean/summary.py",
    output:
        summary="<results>/clean/summary.json",
    log:
        "<logs>/clean_summary/summary.log",
    benchmark:
        "<benchmarks>/clean_summary/summary.tsv"
    conda:
        "../../envs/datatrove.yaml"
    shell:
        "$PYTHON_DATATROVE -m scripts.clean.summary --parts {input.parts} --output {output.summary} &> {log}"
