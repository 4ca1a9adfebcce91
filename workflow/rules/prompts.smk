"""Prompts: seed × template (format × audience).

in:  <results>/seeds/, config/templates/<language>/<source>/*.yaml; for clustered sources <results>/clusters/assignments/
     and <results>/topics/topics.parquet
out: <results>/prompts/<source>/part-*.parquet (one row a prompt, ids unique in the run), rejected rows, counts,
     <results>/prompts/manifest.json
cost at full scale: about 1.5 CPU-hours for 31 M prompts, 20 GB on disk, 1 GB of memory in `prompts_duplicates` for web
"""


rule prompts_build:
    """Prompts of {wildcards.source} part {wildcards.part}"""
    input:
        unpack(cluster_tables),
        seeds="<results>/seeds/{source}/part-{part}.parquet",
        duplicates="<results>/seeds/duplicates.parquet",
        templates=templates,
        script="scripts/prompts/build.py",
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
        templates_per_seed=templates_per_seed,
        options=flags("prompts", "extract_characters", "topic_probability"),
        fraction=config["fraction"],
    shell:
        "$PYTHON_BASE -m scripts.prompts.build --seeds {input.seeds} --duplicates {input.duplicates} {params.clusters}"
        " --source {wildcards.source} --part {wildcards.part} --split {params.split} --templates {input.templates}"
        " --templates-per-seed {params.templates_per_seed} --fraction {params.fraction} {params.options}"
        " --output {output.prompts} --rejected {output.rejected} --counts {output.counts} &> {log}"


rule prompts_duplicates:
    """Prompts of {wildcards.source} that occur more than once"""
    input:
        prompts=built_parts,
        script="scripts/prompts/duplicates.py",
    output:
        duplicates="<results>/prompts/duplicates/{source}.parquet",
    log:
        "<logs>/prompts_duplicates/{source}.log",
    benchmark:
        "<benchmarks>/prompts_duplicates/{source}.tsv"
    conda:
        "../../envs/base.yaml"
    resources:
        mem_mb=4000,
    shell:
        "$PYTHON_BASE -m scripts.prompts.duplicates --prompts {input.prompts} --source {wildcards.source}"
        " --output {output.duplicates} &> {log}"


rule prompts_seal:
    """Final prompts of {wildcards.source} part {wildcards.part}"""
    input:
        prompts="<results>/prompts/built/{source}/part-{part}.parquet",
        rejected="<results>/prompts/built/{source}/part-{part}.rejected.parquet",
        counts="<results>/prompts/built/{source}/part-{part}.counts.json",
        duplicates="<results>/prompts/duplicates/{source}.parquet",
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
        "$PYTHON_BASE -m scripts.prompts.seal --prompts {input.prompts} --built-rejected {input.rejected}"
        " --built-counts {input.counts} --duplicates {input.duplicates} --output {output.prompts}"
        " --rejected {output.rejected} --counts {output.counts} &> {log}"


rule prompts_manifest:
    """What is asked for: prompts by source, format and audience, template hashes"""
    input:
        prompts=all_parts("<results>/prompts/{source}/part-{part}.parquet"),
        counts=all_parts("<results>/prompts/{source}/part-{part}.counts.json"),
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
        " --templates {input.templates} --clustered {params.clustered} --seed {params.seed}"
        " --fraction {params.fraction} --output {output.manifest} &> {log}"
