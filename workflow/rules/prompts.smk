"""Prompts: seed × template (format × audience), as many as the mix asks for.

in:  <results>/seeds/, config/templates/<language>/<kind>/*.yaml; for clustered sources <results>/clusters/assignments/
     and <results>/topics/topics.parquet
out: <results>/prompts/<source>/part-*.parquet (one row a prompt, ids unique in the run), rejected rows, counts,
     <results>/prompts/manifest.json
cost at full scale: some 10 core-minutes and 0.3 GB of memory in `prompts_build` (benchmarks/prompts.py), as much in
     `prompts_seal`; an estimated 2 GB in `prompts_select` for web, and 10 GB on disk
"""


localrules:
    prompts_upstream,


rule prompts_upstream:
    """The original wording of the prompts, as published"""
    input:
        recipe="resources/upstream.yaml",
        script="scripts/prompts/upstream.py",
    output:
        UPSTREAM_TEMPLATES,
    log:
        "<logs>/prompts_upstream/upstream.log",
    benchmark:
        "<benchmarks>/prompts_upstream/upstream.tsv"
    conda:
        "../../envs/base.yaml"
    params:
        folder=subpath(output[0], ancestor=3),
    shell:
        "$PYTHON_BASE -m scripts.prompts.upstream --recipe {input.recipe} --files {params.folder}/files"
        " --output {params.folder} &> {log}"


rule prompts_build:
    """Prompts of {wildcards.source} part {wildcards.part}"""
    input:
        unpack(cluster_tables),
        seeds="<results>/seeds/{source}/part-{part}.parquet",
        duplicates="<results>/seeds/duplicates.parquet",
        templates=templates,
        script="scripts/prompts/build.py",
        modules=expand("scripts/prompts/{name}.py", name=["render", "fields", "templates", "text"]),
    output:
        prompts=temp("<results>/prompts/built/{source}/part-{part}.parquet"),
        rejected=temp("<results>/prompts/built/{source}/part-{part}.rejected.parquet"),
        counts=temp("<results>/prompts/built/{source}/part-{part}.counts.json"),
    log:
        "<logs>/prompts_build/{source}/part-{part}.log",
    benchmark:
        "<benchmarks>/prompts_build/{source}/part-{part}.tsv"
    conda:
        "../../envs/base.yaml"
    params:
        clusters=cluster_flags,
        split=dataset_split,
        noise=noise_flag,
        options=flags("prompts", "extract_characters", "topic_probability", "languages", "cross_language"),
    shell:
        "$PYTHON_BASE -m scripts.prompts.build --seeds {input.seeds} --duplicates {input.duplicates} {params.clusters}"
        " --source {wildcards.source} --part {wildcards.part} --split {params.split} --templates {input.templates}"
        " {params.noise} {params.options}"
        " --output {output.prompts} --rejected {output.rejected} --counts {output.counts} &> {log}"


rule prompts_select:
    """The prompts of {wildcards.source} that the mix asks for"""
    input:
        candidates=built_parts,
        earlier=earlier_prompts,
        script="scripts/prompts/select.py",
    output:
        repeated="<results>/prompts/selection/{source}.repeated.parquet",
        selection="<results>/prompts/selection/{source}.json",
    log:
        "<logs>/prompts_select/{source}.log",
    benchmark:
        "<benchmarks>/prompts_select/{source}.tsv"
    conda:
        "../../envs/base.yaml"
    resources:
        mem_mb=growing(6000),
    params:
        earlier=earlier_flag,
        cells=cells,
        fraction=config["fraction"],
    shell:
        "$PYTHON_BASE -m scripts.prompts.select --candidates {input.candidates} {params.earlier}"
        " --source {wildcards.source} {params.cells} --fraction {params.fraction}"
        " --repeated {output.repeated} --selection {output.selection} &> {log}"


rule prompts_seal:
    """Final prompts of {wildcards.source} part {wildcards.part}"""
    input:
        candidates="<results>/prompts/built/{source}/part-{part}.parquet",
        rejected="<results>/prompts/built/{source}/part-{part}.rejected.parquet",
        counts="<results>/prompts/built/{source}/part-{part}.counts.json",
        repeated="<results>/prompts/selection/{source}.repeated.parquet",
        selection="<results>/prompts/selection/{source}.json",
        script="scripts/prompts/seal.py",
    output:
        prompts="<results>/prompts/{source}/part-{part}.parquet",
        rejected="<results>/prompts/{source}/part-{part}.rejected.parquet",
        counts="<results>/prompts/{source}/part-{part}.counts.json",
    log:
        "<logs>/prompts_seal/{source}/part-{part}.log",
    benchmark:
        "<benchmarks>/prompts_seal/{source}/part-{part}.tsv"
    conda:
        "../../envs/base.yaml"
    shell:
        "$PYTHON_BASE -m scripts.prompts.seal --candidates {input.candidates} --built-rejected {input.rejected}"
        " --built-counts {input.counts} --repeated {input.repeated} --selection {input.selection}"
        " --output {output.prompts} --rejected {output.rejected} --counts {output.counts} &> {log}"


rule prompts_manifest:
    """What is asked for: prompts by source, format and audience, template hashes"""
    input:
        prompts=all_parts("<results>/prompts/{source}/part-{part}.parquet"),
        counts=all_parts("<results>/prompts/{source}/part-{part}.counts.json"),
        selections=expand("<results>/prompts/selection/{source}.json", source=SOURCES),
        templates=templates,
        script="scripts/prompts/manifest.py",
    output:
        manifest="<results>/prompts/manifest.json",
    log:
        "<logs>/prompts_manifest/manifest.log",
    benchmark:
        "<benchmarks>/prompts_manifest/manifest.tsv"
    conda:
        "../../envs/base.yaml"
    params:
        clustered=CLUSTERED,
        seed=config["seed"],
        fraction=config["fraction"],
    shell:
        "$PYTHON_BASE -m scripts.prompts.manifest --prompts {input.prompts} --counts {input.counts}"
        " --selections {input.selections} --templates {input.templates} --clustered {params.clustered}"
        " --seed {params.seed} --fraction {params.fraction} --output {output.manifest} &> {log}"


rule prompts_preview:
    """Some prompts of each template as a page to read"""
    input:
        prompts=all_parts("<results>/prompts/{source}/part-{part}.parquet"),
        templates=templates,
        script="scripts/prompts/preview.py",
        page="scripts/prompts/preview.html",
    output:
        page=report(
            "<results>/prompts/preview.html",
            caption="../report/preview.rst",
            category="2 Data",
            labels={"page": "Prompts to read", "shows": "some prompts of each template"},
        ),
    log:
        "<logs>/prompts_preview/preview.log",
    benchmark:
        "<benchmarks>/prompts_preview/preview.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        options=flags("prompts", "preview"),
        run=f"{flag('run', config['run'])} {flag('scale', config['scale'])}",
    shell:
        "$PYTHON_REPORT -m scripts.prompts.preview --prompts {input.prompts} --templates {input.templates}"
        " {params.options} {params.run} --output {output.page} &> {log}"
