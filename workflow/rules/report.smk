"""Report: figures and pages of the run, ours beside the published figures of resources/claims.tsv.

in:  what every stage left: its tables, counts and manifests
out: <results>/report/<page>.html (self-contained), figures/*.svg, numbers/<page>.json; `snakemake --report` gathers them
cost at full scale: minutes on one core, flat memory (every prompt and every length is read once)
All but the timing page are the same byte for byte when a run is made again. This file has the pages about data,
report_run.smk those about the model and the run."""


rule report_topics:
    """Map of the clusters and table of the topics"""
    input:
        sample="<results>/clusters/sample.parquet",
        topics="<results>/topics/topics.parquet",
        fit="<results>/clusters/fit.json",
        counts=all_parts("<results>/clusters/assignments/{source}/part-{part}.counts.json", CLUSTERED),
        claims="resources/claims.tsv",
        code=report_code("topics"),
        script="scripts/report/topics.py",
    output:
        page=report_page("topics", "2 Data", "Topics", "map of the clusters, topics and their scores"),
        figure=report_figure("clusters", "topics", "Map of the clusters"),
        sizes=report_figure("topic-sizes", "topics", "Topics by size"),
        numbers="<results>/report/numbers/topics.json",
    log:
        "<logs>/report_topics/report.log",
    benchmark:
        "<benchmarks>/report_topics/report.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        run=RUN_FLAGS,
    shell:
        "$PYTHON_REPORT -m scripts.report.topics {params.run} --page {output.page} --numbers {output.numbers}"
        " --sample {input.sample} --topics {input.topics} --fit {input.fit} --counts {input.counts}"
        " --figure {output.figure} --sizes {output.sizes} &> {log}"


rule report_prompts:
    """Prompts by source, format and audience"""
    input:
        manifest="<results>/prompts/manifest.json",
        prompts=all_parts("<results>/prompts/{source}/part-{part}.parquet"),
        claims="resources/claims.tsv",
        code=report_code("prompts"),
        script="scripts/report/prompts.py",
    output:
        page=report_page("prompts", "2 Data", "Prompts", "formats, audiences, lengths, templates"),
        pies=report_figure("prompt-sources", "prompts", "Sources of the prompts"),
        matrix=report_figure("prompts", "prompts", "Formats and audiences of the prompts"),
        lengths=report_figure("prompt-lengths", "prompts", "Lengths of the prompts"),
        numbers="<results>/report/numbers/prompts.json",
    log:
        "<logs>/report_prompts/report.log",
    benchmark:
        "<benchmarks>/report_prompts/report.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        runtime=growing(120),
    params:
        run=RUN_FLAGS,
    shell:
        "$PYTHON_REPORT -m scripts.report.prompts {params.run} --page {output.page} --numbers {output.numbers}"
        " --manifest {input.manifest} --prompts {input.prompts} --pies {output.pies} --matrix {output.matrix} --lengths {output.lengths} &> {log}"


rule report_generations:
    """Lengths, endings, splits and samples of the texts"""
    input:
        generations=all_parts("<results>/generations/{source}/part-{part}.parquet"),
        cleaned="<results>/clean/summary.json",
        dataset=expand("<results>/dataset/{split}", split=SPLITS),
        claims="resources/claims.tsv",
        code=report_code("generations"),
        script="scripts/report/generations.py",
    output:
        page=report_page("generations", "2 Data", "Texts", "lengths, splits, twelve texts to read"),
        figure=report_figure("token-lengths", "generations", "Lengths of the texts"),
        numbers="<results>/report/numbers/generations.json",
    log:
        "<logs>/report_generations/report.log",
    benchmark:
        "<benchmarks>/report_generations/report.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        run=RUN_FLAGS,
    shell:
        "$PYTHON_REPORT -m scripts.report.generations {params.run} --page {output.page} --numbers {output.numbers}"
        " --generations {input.generations} --cleaned {input.cleaned} --dataset {input.dataset}"
        " --figure {output.figure} &> {log}"


rule report_duplicates:
    """Near-duplicates and how alike they are"""
    input:
        removed="<results>/deduplicate/removed.parquet",
        summary="<results>/deduplicate/summary.json",
        generations=all_parts("<results>/generations/{source}/part-{part}.parquet"),
        decisions=all_parts("<results>/clean/{source}/part-{part}.parquet"),
        claims="resources/claims.tsv",
        code=report_code("duplicates"),
        script="scripts/report/duplicates.py",
    output:
        page=report_page(
            "duplicates", "3 Quality", "Near-duplicates", "rate, similarity, formats and sources, pairs side by side"
        ),
        figure=report_figure("jaccard", "duplicates", "Similarity of near-duplicates"),
        numbers="<results>/report/numbers/duplicates.json",
    log:
        "<logs>/report_duplicates/report.log",
    benchmark:
        "<benchmarks>/report_duplicates/report.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=growing(4000),
    params:
        run=RUN_FLAGS,
    shell:
        "$PYTHON_REPORT -m scripts.report.duplicates {params.run} --page {output.page} --numbers {output.numbers}"
        " --removed {input.removed} --summary {input.summary} --generations {input.generations}"
        " --decisions {input.decisions} --figure {output.figure} &> {log}"


rule report_contamination:
    """Texts that repeat benchmark rows, in the published layout"""
    input:
        table="<results>/decontaminate/table.json",
        parts=all_parts("<results>/decontaminate/{source}/part-{part}.parquet"),
        control="<results>/decontaminate/control.json",
        rows="<results>/decontaminate/index/rows.parquet",
        uncheckable="<results>/decontaminate/index/uncheckable.parquet",
        generations=all_parts("<results>/generations/{source}/part-{part}.parquet"),
        decisions=all_parts("<results>/clean/{source}/part-{part}.parquet"),
        matching="scripts/decontaminate/matching.py",
        passages="scripts/report/passages.py",
        claims="resources/claims.tsv",
        code=report_code("contamination"),
        script="scripts/report/contamination.py",
    output:
        page=report_page(
            "contamination", "3 Quality", "Contamination", "removed texts by benchmark, closest pairs side by side"
        ),
        figure=report_figure("contamination", "contamination", "Match with benchmark rows"),
        numbers="<results>/report/numbers/contamination.json",
    log:
        "<logs>/report_contamination/report.log",
    benchmark:
        "<benchmarks>/report_contamination/report.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=growing(4000),
    params:
        run=RUN_FLAGS,
        options=flags("decontaminate", "ratio", "ngram", "minimum_block", "short_rows", "minimum_short"),
    shell:
        "$PYTHON_REPORT -m scripts.report.contamination {params.run} --page {output.page} --numbers {output.numbers}"
        " --table {input.table} --parts {input.parts} --control {input.control} --rows {input.rows}"
        " --uncheckable {input.uncheckable} --generations {input.generations} --decisions {input.decisions}"
        " {params.options} --figure {output.figure} &> {log}"


include: "report_run.smk"
