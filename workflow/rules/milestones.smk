"""Where a reader may want to stop: `snakemake prompts`, `snakemake --until prompts`, `snakemake -n dataset`."""


localrules:
    all,
    downloads,
    seeds,
    embeddings,
    clusters,
    topics,
    prompts,
    preview_prompts,
    preview_generations,
    generations,
    dataset,
    model,
    evaluation,
    report,


rule downloads:
    """Everything that the run needs from the network; no other job uses it"""
    input:
        downloads_needed,


rule seeds:
    """Seeds of every source"""
    input:
        all_parts("<results>/seeds/{source}/part-{part}.parquet"),
        "<results>/seeds/duplicates.parquet",


rule embeddings:
    """Embeddings of the clustered sources"""
    input:
        all_parts("<results>/embeddings/{source}/part-{part}.parquet", CLUSTERED),


rule clusters:
    """Clusters and the cluster of every document"""
    input:
        "<results>/clusters/sample.parquet",
        all_parts("<results>/clusters/assignments/{source}/part-{part}.parquet", CLUSTERED),


rule topics:
    """Topics named, scored and decided"""
    input:
        "<results>/topics/topics.parquet",
        "<results>/topics/review.tsv",
        "<results>/topics/review.html",


rule prompts:
    """All prompts and their manifest"""
    input:
        all_parts("<results>/prompts/{source}/part-{part}.parquet"),
        "<results>/prompts/manifest.json",


rule preview_prompts:
    """Some prompts of each template as a page to read: <results>/prompts/preview.html"""
    input:
        "<results>/prompts/preview.html",


rule preview_generations:
    """Some texts of each template, measured, before all are paid for: <results>/generations/preview.html"""
    input:
        "<results>/generations/preview.html",
        "<results>/generations/preview.json",


rule generations:
    """One text per prompt"""
    input:
        all_parts("<results>/generations/{source}/part-{part}.parquet"),
        "<results>/generations/manifest.json",


rule dataset:
    """The dataset with its card"""
    input:
        expand("<results>/dataset/{split}", split=SPLITS),
        "<results>/dataset/README.md",


rule model:
    """The trained model"""
    input:
        f"<results>/train/{config['train']['experiment']}/model",


rule evaluation:
    """Scores of the trained model"""
    input:
        f"<results>/evaluate/{config['train']['experiment']}/scores.json",


rule report:
    """Figures and pages of the report (assembled by `snakemake --report`)"""
    input:
        rules.report_overview.output,
        rules.label_review.output,
        rules.prompts_preview.output,
