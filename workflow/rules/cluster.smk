"""Clusters of a sample, and the cluster of every document.

in:  <results>/embeddings/<source>/part-NNN.parquet of the clustered sources
out: <results>/clusters/points.parquet, sample.parquet, fit.json (with all sizes that were tried),
     assignments/<source>/part-NNN.parquet with part-NNN.counts.json;
     stability.json, stability.tsv by `snakemake cluster_stability` alone
cost at full scale: some 5 core-minutes and 1.3 GB for the fit of 100,000 documents, 5 core-minutes for each of 60 parts
"""


rule cluster_sample:
    """Choose the documents that are clustered"""
    input:
        embeddings=all_parts("<results>/embeddings/{source}/part-{part}.parquet", CLUSTERED),
        script="scripts/cluster/sample.py",
    output:
        points="<results>/clusters/points.parquet",
    log:
        "<logs>/cluster_sample/cluster_sample.log",
    benchmark:
        "<benchmarks>/cluster_sample/cluster_sample.tsv"
    conda:
        "../../envs/cluster.yaml"
    resources:
        mem_mb=growing(4000),
    params:
        options=flags("cluster", "sample_size"),
    shell:
        "$PYTHON_CLUSTER -m scripts.cluster.sample --embeddings {input.embeddings} --output {output.points}"
        " {params.options} &> {log}"


rule cluster_fit:
    """Cluster the sample"""
    input:
        points="<results>/clusters/points.parquet",
        script=FIT_CODE,
    output:
        sample="<results>/clusters/sample.parquet",
        summary="<results>/clusters/fit.json",
    log:
        "<logs>/cluster_fit/cluster_fit.log",
    benchmark:
        "<benchmarks>/cluster_fit/cluster_fit.tsv"
    conda:
        "../../envs/cluster.yaml"
    resources:
        mem_mb=growing(8000),
        runtime=growing(120),
    params:
        settings=FIT_FLAGS,
    shell:
        "$PYTHON_CLUSTER -m scripts.cluster.fit --points {input.points} --output {output.sample}"
        " --summary {output.summary} {params.settings} &> {log}"


rule cluster_stability:
    """Compare the clusters of several seeds"""
    input:
        points="<results>/clusters/points.parquet",
        script="scripts/cluster/stability.py",
        fit=FIT_CODE,
    output:
        stability="<results>/clusters/stability.json",
        table="<results>/clusters/stability.tsv",
    log:
        "<logs>/cluster_stability/cluster_stability.log",
    benchmark:
        "<benchmarks>/cluster_stability/cluster_stability.tsv"
    conda:
        "../../envs/cluster.yaml"
    resources:
        mem_mb=growing(8000),
        runtime=growing(600),
    params:
        settings=FIT_FLAGS,
        seeds=flags("cluster", "stability_seeds"),
    shell:
        "$PYTHON_CLUSTER -m scripts.cluster.stability --points {input.points} --output {output.stability}"
        " --table {output.table} {params.settings} {params.seeds} &> {log}"


rule cluster_assign:
    """Clusters of {wildcards.source} part {wildcards.part}"""
    input:
        embeddings="<results>/embeddings/{source}/part-{part}.parquet",
        points="<results>/clusters/points.parquet",
        sample="<results>/clusters/sample.parquet",
        script="scripts/cluster/assign.py",
        vectors="scripts/cluster/vectors.py",
    output:
        assignments="<results>/clusters/assignments/{source}/part-{part}.parquet",
        counts="<results>/clusters/assignments/{source}/part-{part}.counts.json",
    log:
        "<logs>/cluster_assign/{source}/part-{part}.log",
    benchmark:
        "<benchmarks>/cluster_assign/{source}/part-{part}.tsv"
    conda:
        "../../envs/cluster.yaml"
    threads: 4
    resources:
        mem_mb=growing(4000),
    params:
        noise=flags("cluster.noise", "policy", "max_distance"),
    shell:
        "$PYTHON_CLUSTER -m scripts.cluster.assign --embeddings {input.embeddings} --points {input.points}"
        " --sample {input.sample} --output {output.assignments} --counts {output.counts} {params.noise}"
        " --threads {threads} &> {log}"
