"""Clean: sealed texts → which of them are kept, and why the others are not.
in:  <results>/generations/<source>/part-*.parquet
out: <results>/clean/<source>/part-*.parquet (one decision per sealed text), part-*.counts.json
cost at full scale: about 10 CPU-minutes for 31 M texts"""


rule clean_filter:
    """Decisions on the texts of {wildcards.source} part {wildcards.part}"""
    input:
        generations="<results>/generations/{source}/part-{part}.parquet",
        script="scripts/clean/filter.py",
    output:
        decisions="<results>/clean/{source}/part-{part}.parquet",
        counts="<results>/clean/{source}/part-{part}.counts.json",
    log:
        "<logs>/clean_filter/{source}/part-{part}.log",
    benchmark:
        "<benchmarks>/clean_filter/{source}/part-{part}.tsv"
    conda:
        "../../envs/datatrove.yaml"
    params:
        options=flags("clean", "minimum_tokens"),
    shell:
        "$PYTHON_DATATROVE -m scripts.clean.filter --generations {input.generations} --source {wildcards.source}"
        " --part {wildcards.part} --output {output.decisions} --counts {output.counts} {params.options} &> {log}"
