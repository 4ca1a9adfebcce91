"""Dataset: what every step kept, joined with prompts and seeds → one folder a split, and the dataset card.
in:  <results>/{prompts,seeds,generations,clean,decontaminate}/<source>/part-*.parquet, deduplicate/removed.parquet;
     for the card also the figures of seeds, filters, deduplication and decontamination
out: <results>/dataset/<split>/train-*.parquet (one file a part), <split>.counts.json, README.md
cost at full scale (31 M texts): about 3 CPU-hours, 60 GB on disk
`snakemake push_dataset` uploads it, or says what an upload would do; `snakemake explain_document --config document=<id>`
prints the history of a row. Both read what is there and start no other job; beside a run at work, give them --nolock.
"""


localrules:
    push_dataset,
    explain_document,


rule dataset_split:
    """Split {wildcards.split} of the dataset"""
    input:
        prompts=split_parts("<results>/prompts/{source}/part-{part}.parquet"),
        seeds=split_parts("<results>/seeds/{source}/part-{part}.parquet"),
        generations=split_parts("<results>/generations/{source}/part-{part}.parquet"),
        decisions=split_parts("<results>/clean/{source}/part-{part}.parquet"),
        contamination=split_parts("<results>/decontaminate/{source}/part-{part}.parquet"),
        duplicates="<results>/deduplicate/removed.parquet",
        licences="resources/licences.tsv",
        script="scripts/dataset/split.py",
        module="scripts/dataset/licences.py",
    output:
        files=directory("<results>/dataset/{split}"),
        counts="<results>/dataset/{split}.counts.json",
    log:
        "<logs>/dataset_split/{split}.log",
    benchmark:
        "<benchmarks>/dataset_split/{split}.tsv"
    conda:
        "../../envs/datatrove.yaml"
    resources:
        runtime=growing(240),
    params:
        options=flags("dataset", "permissive"),
    shell:
        "$PYTHON_DATATROVE -m scripts.dataset.split --prompts {input.prompts} --seeds {input.seeds}"
        " --generations {input.generations} --decisions {input.decisions} --contamination {input.contamination}"
        " --duplicates {input.duplicates} --licences {input.licences} {params.options}"
        " --split {wildcards.split} --output {output.files} --counts {output.counts} &> {log}"


rule dataset_card:
    """The dataset card"""
    input:
        splits=expand("<results>/dataset/{split}", split=SPLITS),
        counts=[
            all_parts("<results>/seeds/{source}/part-{part}.counts.json"),
            all_parts("<results>/prompts/{source}/part-{part}.counts.json"),
            all_parts("<results>/generations/{source}/part-{part}.counts.json"),
            all_parts("<results>/clean/{source}/part-{part}.counts.json"),
            "<results>/deduplicate/counts.json",
            all_parts("<results>/decontaminate/{source}/part-{part}.counts.json"),
            expand("<results>/dataset/{split}.counts.json", split=SPLITS),
        ],
        generations="<results>/generations/manifest.json",
        cleaned="<results>/clean/summary.json",
        duplicates="<results>/deduplicate/summary.json",
        contamination="<results>/decontaminate/table.json",
        control="<results>/decontaminate/control.json",
        sources="resources/sources.tsv",
        licences="resources/licences.tsv",
        template="scripts/dataset/card.md.jinja",
        script="scripts/dataset/card.py",
        module="scripts/dataset/licences.py",
    output:
        card="<results>/dataset/README.md",
    log:
        "<logs>/dataset_card/card.log",
    benchmark:
        "<benchmarks>/dataset_card/card.tsv"
    conda:
        "../../envs/datatrove.yaml"
    params:
        used=list(SOURCES),
        scale=config["scale"],
        where=config["seeds"]["where"],
        dataset=flags("dataset", "name", "permissive"),
        clean=flags("clean", "minimum_tokens"),
        deduplicate=flag("deduplicate", config["deduplicate"]),
        decontaminate=flag("decontaminate", config["decontaminate"]),
        tokenizer=flags("tokenize", "tokenizer"),
    shell:
        "$PYTHON_DATATROVE -m scripts.dataset.card --splits {input.splits} --counts {input.counts}"
        " --duplicates {input.duplicates} {params.deduplicate} --contamination {input.contamination}"
        " --control {input.control} {params.decontaminate} --sources {input.sources}"
        " --licences {input.licences}"
        " --where {params.where} --used {params.used} --scale {params.scale} {params.dataset}"
        " --generations {input.generations} {params.clean} {params.tokenizer} --cleaned {input.cleaned}"
        " --output {output.card} &> {log}"


rule push_dataset:
    """What an upload of the dataset to the Hub would do; with `dataset.upload`, the upload"""
    input:
        script="scripts/dataset/push.py",
        modules=expand("scripts/dataset/{name}.py", name=["finished", "hub"]),
    log:
        "<logs>/push_dataset/push_dataset.log",
    conda:
        "../../envs/base.yaml"
    params:
        results=f"results/{config['run']}",
        options=flags("dataset", "repository", "private", "upload"),
    shell:
        "HF_HUB_OFFLINE=$DOWNLOADS_OFFLINE $PYTHON_BASE -m scripts.dataset.push --dataset {params.results}/dataset"
        " {params.options} 2>&1 | tee {log}"


rule explain_document:
    """The history of a row, from its seed to the training mix"""
    input:
        script="scripts/dataset/explain.py",
        modules=expand("scripts/dataset/{name}.py", name=["fate", "lookup", "origin"]),
    log:
        "<logs>/explain_document/explain_document.log",
    conda:
        "../../envs/base.yaml"
    params:
        results=f"results/{config['run']}",
        document=config["document"],
    shell:
        "$PYTHON_BASE -m scripts.dataset.explain {params.results} {params.document:q} 2>&1 | tee {log}"
