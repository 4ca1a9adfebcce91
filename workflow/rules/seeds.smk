"""Seeds of every source, in parts of `seeds.documents_per_part` rows.

in:  resources/sources.tsv; the shipped sample, or the original datasets (`seeds.where`); config/sources.lock.tsv if there
out: <results>/seeds/<source>/part-NNN.parquet with rejected rows and counts, <results>/seeds/duplicates.parquet
cost at full scale: an estimated 30 GB to download and as much to keep, once for all runs; 4 core-minutes a part

Downloads run where Snakemake runs, which needs internet access; `snakemake downloads` makes nothing else.
"""


localrules:
    lock_sources,
    seeds_download,


rule lock_sources:
    """Write down which revision or checksum every source has now"""
    input:
        registry=REGISTRY,
        script="scripts/seeds/lock_sources.py",
        modules=DOWNLOAD_CODE,
        benchmarks="scripts/benchmarks/rows.py",
    log:
        "<logs>/lock_sources/lock_sources.log",
    conda:
        "../../envs/base.yaml"
    params:
        lock=LOCK,
        benchmarks=flag("benchmarks", sorted(ALL_BENCHMARKS)),
    shell:
        "HF_HUB_OFFLINE=$DOWNLOADS_OFFLINE $PYTHON_BASE -m scripts.seeds.lock_sources"
        " --sources {input.registry} {params.benchmarks} --output {params.lock} &> {log}"


rule seeds_download:
    """Download {wildcards.source}"""
    input:
        registry=ancient(REGISTRY),
        script="scripts/seeds/download.py",
        modules=DOWNLOAD_CODE,
    output:
        manifest="<downloads>/{source}/manifest.json",
    log:
        "<logs>/seeds_download/{source}.log",
    benchmark:
        "<benchmarks>/seeds_download/{source}.tsv"
    conda:
        "../../envs/base.yaml"
    resources:
        mem_mb=growing(4000),
    params:
        definition=definition,
        lock=LOCK,
        maximum=max_documents,
        folder=subpath(output.manifest, parent=True),
    shell:
        "HF_HUB_OFFLINE=$DOWNLOADS_OFFLINE $PYTHON_BASE -m scripts.seeds.download --sources {input.registry}"
        " --lock {params.lock} --source {wildcards.source} --max-documents {params.maximum}"
        " --output {params.folder} &> {log}"


rule seeds_load:
    """Seeds of {wildcards.source} part {wildcards.part}"""
    input:
        unpack(outline_table),
        raw=raw_files,
        registry=ancient(REGISTRY),
        script="scripts/seeds/load.py",
        modules=expand(
            "scripts/seeds/{name}.py", name=["rows", "files", "readers", "catalogues", "checks", "languages"]
        ),
    output:
        seeds="<results>/seeds/{source}/part-{part}.parquet",
        rejected="<results>/seeds/{source}/part-{part}.rejected.parquet",
        counts="<results>/seeds/{source}/part-{part}.counts.json",
    log:
        "<logs>/seeds_load/{source}/part-{part}.log",
    benchmark:
        "<benchmarks>/seeds_load/{source}/part-{part}.tsv"
    conda:
        "../../envs/base.yaml"
    resources:
        mem_mb=growing(4000),
    params:
        definition=definition,
        rows=row_range,
        outlines=outline_flag,
        options=flags("seeds", "where", "downloads", "languages", "max_characters"),
    shell:
        "$PYTHON_BASE -m scripts.seeds.load --sources {input.registry} --source {wildcards.source} {params.options}"
        " {params.rows} --part {wildcards.part} {params.outlines}"
        " --output {output.seeds} --rejected {output.rejected} --counts {output.counts} &> {log}"


rule seeds_duplicates:
    """Seeds that occur in more than one part"""
    input:
        seeds=all_parts("<results>/seeds/{source}/part-{part}.parquet"),
        script="scripts/seeds/duplicates.py",
    output:
        duplicates="<results>/seeds/duplicates.parquet",
        counts="<results>/seeds/duplicates.counts.json",
    log:
        "<logs>/seeds_duplicates/seeds_duplicates.log",
    benchmark:
        "<benchmarks>/seeds_duplicates/seeds_duplicates.tsv"
    conda:
        "../../envs/base.yaml"
    resources:
        mem_mb=growing(4000),
    shell:
        "$PYTHON_BASE -m scripts.seeds.duplicates --seeds {input.seeds}"
        " --output {output.duplicates} --counts {output.counts} &> {log}"
