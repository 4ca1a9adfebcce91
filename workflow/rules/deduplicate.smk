"""Near-duplicates: MinHash signatures of each part → pairs of each bucket → clusters → their members in each part →
removed ids, by true similarity.
in:  <results>/generations/<source>/part-*.parquet and what clean decided of them, all sources together
out: <results>/deduplicate/removed.parquet (removed id, kept id, true Jaccard, cluster), summary.json, counts.json
cost at full scale (31 M texts, 4 rounds): signatures 4 CPU-hours in one job a part (2,400 texts of 2.7 kB a second and
core, 500 MB) and 118 GB of disk, buckets 2 CPU-hours (275,000 signatures a second and core) in 56 jobs. Where
5 % of the texts are in clusters: clusters 0.6 GB (9.6 GB if all texts are) and a minute, verify 2 GB and 4 minutes.
5 MB of text in one document take 0.3 s and 170 MB more"""

BUCKETS = [
    layout.number(bucket) for bucket in range(config["deduplicate"]["buckets"] * config["deduplicate"]["rounds"])
]


rule deduplicate_signatures:
    """MinHash signatures of {wildcards.source} part {wildcards.part}"""
    input:
        generations="<results>/generations/{source}/part-{part}.parquet",
        decisions="<results>/clean/{source}/part-{part}.parquet",
        modules=[*SHINGLE_CODE, "scripts/deduplicate/minhash.py"],
        script="scripts/deduplicate/signatures.py",
    output:
        signatures=directory("<results>/deduplicate/signatures/{source}/part-{part}"),
    log:
        "<logs>/deduplicate_signatures/{source}/part-{part}.log",
    benchmark:
        "<benchmarks>/deduplicate_signatures/{source}/part-{part}.tsv"
    conda:
        "../../envs/datatrove.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(120),
    params:
        options=flags("deduplicate", "ngram", "buckets", "hashes_per_bucket", "rounds"),
    shell:
        "$PYTHON_DATATROVE -m scripts.deduplicate.signatures --generations {input.generations}"
        " --decisions {input.decisions} --output {output.signatures} {params.options} &> {log}"


rule deduplicate_buckets:
    """Documents that share bucket {wildcards.bucket}"""
    input:
        signatures=all_parts("<results>/deduplicate/signatures/{source}/part-{part}"),
        module="scripts/deduplicate/minhash.py",
        script="scripts/deduplicate/buckets.py",
    output:
        pairs="<results>/deduplicate/buckets/{bucket}.dups",
    log:
        "<logs>/deduplicate_buckets/{bucket}.log",
    benchmark:
        "<benchmarks>/deduplicate_buckets/{bucket}.tsv"
    conda:
        "../../envs/datatrove.yaml"
    resources:
        runtime=growing(60),
    params:
        options=flags("deduplicate", "ngram", "buckets", "hashes_per_bucket", "rounds"),
    shell:
        "$PYTHON_DATATROVE -m scripts.deduplicate.buckets --signatures {input.signatures} --bucket {wildcards.bucket}"
        " --output {output.pairs} {params.options} &> {log}"


rule deduplicate_clusters:
    """Clusters of documents that share buckets"""
    input:
        pairs=expand("<results>/deduplicate/buckets/{bucket}.dups", bucket=BUCKETS),
        module="scripts/deduplicate/minhash.py",
        script="scripts/deduplicate/clusters.py",
    output:
        clusters="<results>/deduplicate/clusters.parquet",
        minhash="<results>/deduplicate/minhash.json",
    log:
        "<logs>/deduplicate_clusters/clusters.log",
    benchmark:
        "<benchmarks>/deduplicate_clusters/clusters.tsv"
    conda:
        "../../envs/datatrove.yaml"
    resources:
        mem_mb=growing(12000),
        runtime=growing(180),
    params:
        options=flags("deduplicate", "buckets", "rounds"),
    shell:
        "$PYTHON_DATATROVE -m scripts.deduplicate.clusters --pairs {input.pairs} --output {output.clusters}"
        " --minhash {output.minhash} {params.options} &> {log}"


rule deduplicate_members:
    """Members of clusters in {wildcards.source} part {wildcards.part}"""
    input:
        generations="<results>/generations/{source}/part-{part}.parquet",
        decisions="<results>/clean/{source}/part-{part}.parquet",
        prompts="<results>/prompts/{source}/part-{part}.parquet",
        clusters="<results>/deduplicate/clusters.parquet",
        modules=SHINGLE_CODE,
        script="scripts/deduplicate/members.py",
    output:
        members="<results>/deduplicate/members/{source}/part-{part}.parquet",
        counts="<results>/deduplicate/members/{source}/part-{part}.counts.json",
    log:
        "<logs>/deduplicate_members/{source}/part-{part}.log",
    benchmark:
        "<benchmarks>/deduplicate_members/{source}/part-{part}.tsv"
    conda:
        "../../envs/datatrove.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        options=flags("deduplicate", "ngram", "maximum_cluster"),
        rank=rank_flag,
    shell:
        "$PYTHON_DATATROVE -m scripts.deduplicate.members --generations {input.generations}"
        " --decisions {input.decisions} --prompts {input.prompts} --clusters {input.clusters}"
        " --output {output.members} --counts {output.counts} {params.rank} {params.options} &> {log}"


rule deduplicate_verify:
    """Near-duplicates by their true similarity"""
    input:
        generations=all_parts("<results>/generations/{source}/part-{part}.parquet"),
        members=all_parts("<results>/deduplicate/members/{source}/part-{part}.parquet"),
        documents=all_parts("<results>/deduplicate/members/{source}/part-{part}.counts.json"),
        minhash="<results>/deduplicate/minhash.json",
        modules=expand("scripts/deduplicate/{name}.py", name=["ids", "members", "minhash", "similarity"]),
        script="scripts/deduplicate/verify.py",
    output:
        removed="<results>/deduplicate/removed.parquet",
        summary="<results>/deduplicate/summary.json",
        counts="<results>/deduplicate/counts.json",
    log:
        "<logs>/deduplicate_verify/verify.log",
    benchmark:
        "<benchmarks>/deduplicate_verify/verify.tsv"
    conda:
        "../../envs/datatrove.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        options=flags("deduplicate", "rounds", "minimum_jaccard", "maximum_cluster"),
    shell:
        "$PYTHON_DATATROVE -m scripts.deduplicate.verify --generations {input.generations} --members {input.members}"
        " --documents {input.documents} --minhash {input.minhash} --output {output.removed}"
        " --summary {output.summary} --counts {output.counts} {params.options} &> {log}"
