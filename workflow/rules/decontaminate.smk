"""Decontamination: benchmark rows → documents that share a 10-gram with one → removed if they match half of it.
Beside it, rows planted in copies of clean documents measure what the scan finds.
in:  <results>/generations/<source>/part-*.parquet, what clean and deduplication left of them, and the benchmarks' rows
(seeds.where: the shipped sample or <downloads>/benchmarks)
out: <results>/decontaminate/<source>/part-*.parquet (every pair that shares a 10-gram), table.json (as published),
     control.parquet and control.json (planted rows, recall and precision)
cost at full scale (31 M texts): half a CPU-hour in one job a part (about 50,000 texts of 1.7 kB a second and core, on a
busy machine), each with 2 s to start, 1 s for the 1.8 million 10-grams of the full benchmarks and 0.5 GB of memory; a
text that shares one of them takes some milliseconds more. decontaminate_control takes 4 minutes and 0.6 GB"""


rule decontaminate_index:
    """Benchmark rows to compare with"""
    input:
        rows=protected_files,
        matching="scripts/decontaminate/matching.py",
        module=["scripts/benchmarks/rows.py", "scripts/benchmarks/load.py"],
        script="scripts/decontaminate/index.py",
    output:
        rows="<results>/decontaminate/index/rows.parquet",
        uncheckable="<results>/decontaminate/index/uncheckable.parquet",
    log:
        "<logs>/decontaminate_index/index.log",
    benchmark:
        "<benchmarks>/decontaminate_index/index.tsv"
    conda:
        "../../envs/datatrove.yaml"
    params:
        location=benchmark_location,
        benchmarks=flag("benchmarks", BENCHMARKS),
        options=flags("decontaminate", "ngram"),
    shell:
        "$PYTHON_DATATROVE -m scripts.decontaminate.index --location {params.location} --output {output.rows}"
        " --uncheckable {output.uncheckable} {params.benchmarks} {params.options} &> {log}"


rule decontaminate_scan:
    """Benchmark rows in {wildcards.source} part {wildcards.part}"""
    input:
        generations="<results>/generations/{source}/part-{part}.parquet",
        decisions="<results>/clean/{source}/part-{part}.parquet",
        duplicates="<results>/deduplicate/removed.parquet",
        rows="<results>/decontaminate/index/rows.parquet",
        uncheckable="<results>/decontaminate/index/uncheckable.parquet",
        modules=SCAN_CODE,
        script="scripts/decontaminate/scan.py",
    output:
        pairs="<results>/decontaminate/{source}/part-{part}.parquet",
        counts="<results>/decontaminate/{source}/part-{part}.counts.json",
    log:
        "<logs>/decontaminate_scan/{source}/part-{part}.log",
    benchmark:
        "<benchmarks>/decontaminate_scan/{source}/part-{part}.tsv"
    conda:
        "../../envs/datatrove.yaml"
    resources:
        mem_mb=growing(2000),
    params:
        options=flags("decontaminate", "ngram", "minimum_block", "ratio", "short_rows", "minimum_short"),
    shell:
        "$PYTHON_DATATROVE -m scripts.decontaminate.scan --generations {input.generations}"
        " --decisions {input.decisions} --duplicates {input.duplicates} --rows {input.rows}"
        " --uncheckable {input.uncheckable}"
        " --source {wildcards.source} --part {wildcards.part} --output {output.pairs} --counts {output.counts}"
        " {params.options} &> {log}"


rule decontaminate_control:
    """Benchmark rows planted in clean documents, and what the scan makes of them"""
    input:
        generations=all_parts("<results>/generations/{source}/part-{part}.parquet"),
        decisions=all_parts("<results>/clean/{source}/part-{part}.parquet"),
        duplicates="<results>/deduplicate/removed.parquet",
        rows="<results>/decontaminate/index/rows.parquet",
        modules=[*SCAN_CODE, *expand("scripts/decontaminate/{module}.py", module=["plainly", "planting", "scan"])],
        script="scripts/decontaminate/control.py",
    output:
        planted="<results>/decontaminate/control.parquet",
        summary="<results>/decontaminate/control.json",
    log:
        "<logs>/decontaminate_control/control.log",
    benchmark:
        "<benchmarks>/decontaminate_control/control.tsv"
    conda:
        "../../envs/datatrove.yaml"
    resources:
        mem_mb=growing(4000),
    params:
        options=flags("decontaminate", "planted", "ngram", "minimum_block", "ratio"),
    shell:
        "$PYTHON_DATATROVE -m scripts.decontaminate.control --generations {input.generations}"
        " --decisions {input.decisions} --duplicates {input.duplicates} --rows {input.rows}"
        " --output {output.planted} --summary {output.summary} {params.options} &> {log}"


rule decontaminate_table:
    """Contamination by group and benchmark, beside the published table"""
    input:
        parts=all_parts("<results>/decontaminate/{source}/part-{part}.parquet"),
        counts=all_parts("<results>/decontaminate/{source}/part-{part}.counts.json"),
        rows="<results>/decontaminate/index/rows.parquet",
        uncheckable="<results>/decontaminate/index/uncheckable.parquet",
        claims="resources/claims.tsv",
        module=["scripts/benchmarks/rows.py", "scripts/report/claims.py"],
        script="scripts/decontaminate/table.py",
    output:
        table="<results>/decontaminate/table.json",
    log:
        "<logs>/decontaminate_table/table.log",
    benchmark:
        "<benchmarks>/decontaminate_table/table.tsv"
    conda:
        "../../envs/datatrove.yaml"
    shell:
        "$PYTHON_DATATROVE -m scripts.decontaminate.table --parts {input.parts} --counts {input.counts}"
        " --rows {input.rows} --uncheckable {input.uncheckable} --claims {input.claims}"
        " --output {output.table} &> {log}"
