"""Report, second half: the pages about the model and the run, and the overview, for which every other page is input."""

EXPERIMENT = config["train"]["experiment"]
MEASURED = ["topics", "prompts", "generations", "duplicates", "contamination", "training", "evaluation"]
COUNTED = ["seeds", "prompts", "generations", "clean", "decontaminate"]


rule report_training:
    """Loss and learning rate"""
    input:
        history=f"<results>/train/{EXPERIMENT}/log.jsonl",
        config=f"<results>/train/{EXPERIMENT}/config.yaml",
        claims="resources/claims.tsv",
        code=report_code("training"),
        script="scripts/report/training.py",
    output:
        page=report_page("training", "4 Model", "Training", "loss, learning rate, settings"),
        figure=report_figure("loss", "training", "Loss and learning rate"),
        numbers="<results>/report/numbers/training.json",
    log:
        "<logs>/report_training/report.log",
    benchmark:
        "<benchmarks>/report_training/report.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        run=RUN_FLAGS,
        experiment=EXPERIMENT,
    shell:
        "$PYTHON_REPORT -m scripts.report.training {params.run} --page {output.page} --numbers {output.numbers}"
        " --log {input.history} --config {input.config} --experiment {params.experiment} --figure {output.figure} &> {log}"


rule report_evaluation:
    """Scores against guessing"""
    input:
        scores=f"<results>/evaluate/{EXPERIMENT}/scores.json",
        claims="resources/claims.tsv",
        code=report_code("evaluation"),
        script="scripts/report/evaluation.py",
    output:
        page=report_page("evaluation", "4 Model", "Evaluation", "scores with intervals, against guessing"),
        figure=report_figure("scores", "evaluation", "Benchmark scores"),
        numbers="<results>/report/numbers/evaluation.json",
    log:
        "<logs>/report_evaluation/report.log",
    benchmark:
        "<benchmarks>/report_evaluation/report.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        run=RUN_FLAGS,
        experiment=EXPERIMENT,
    shell:
        "$PYTHON_REPORT -m scripts.report.evaluation {params.run} --page {output.page} --numbers {output.numbers}"
        " --scores {input.scores} --experiment {params.experiment} --figure {output.figure} &> {log}"


rule report_provenance:
    """Configuration, model and versions"""
    input:
        generations="<results>/report/numbers/generations.json",
        paper="config/config.yaml",
        locks=expand("envs/{env}.lock.txt", env=sorted(glob_wildcards("envs/{env}.lock.txt").env)),
        claims="resources/claims.tsv",
        code=report_code("provenance"),
        script="scripts/report/provenance.py",
    output:
        page=report_page("provenance", "5 Run", "Provenance", "configuration beside the paper's, writers, versions"),
        numbers="<results>/report/numbers/config.json",
    log:
        "<logs>/report_provenance/report.log",
    benchmark:
        "<benchmarks>/report_provenance/report.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        run=RUN_FLAGS,
        config=flag("config", config),
    shell:
        "$PYTHON_REPORT -m scripts.report.provenance {params.run} --page {output.page} --numbers {output.numbers}"
        " {params.config} --paper {input.paper} --generations {input.generations} --locks {input.locks} &> {log}"


rule report_timing:
    """Wall time and memory of every rule"""
    input:
        generations="<results>/report/numbers/generations.json",
        finished=expand("<results>/report/numbers/{page}.json", page=[*MEASURED, "config"]),
        claims="resources/claims.tsv",
        code=report_code("timing"),
        module="scripts/plan/reality.py",
        script="scripts/report/timing.py",
    output:
        page=report_page("timing", "5 Run", "Timing", "wall time and memory of every rule"),
        figure=report_figure("timing", "timing", "Wall time of each rule"),
        numbers="<results>/report/numbers/timing.json",
    log:
        "<logs>/report_timing/report.log",
    benchmark:
        "<benchmarks>/report_timing/report.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        run=RUN_FLAGS,
        benchmarks=f"results/{config['run']}/benchmarks",
        plan=f"results/{config['run']}/plan.json",
        gpus=config["llm"]["gpus"],
    shell:
        "$PYTHON_REPORT -m scripts.report.timing {params.run} --page {output.page} --numbers {output.numbers}"
        " --benchmarks {params.benchmarks} --generations {input.generations} --gpus {params.gpus}"
        " --plan {params.plan} --figure {output.figure} &> {log}"


rule report_overview:
    """Rows through the pipeline, ours beside the published"""
    input:
        counts=[all_parts(f"<results>/{stage}/{{source}}/part-{{part}}.counts.json") for stage in COUNTED],
        deduplicated="<results>/deduplicate/counts.json",
        dataset=expand("<results>/dataset/{split}.counts.json", split=SPLITS),
        pages=expand("<results>/report/numbers/{page}.json", page=[*MEASURED, "config"]),
        timing="<results>/report/timing.html",
        claims="resources/claims.tsv",
        code=report_code("overview"),
        flow=expand("scripts/report/{module}.py", module=["flow", "sankey"]),
        script="scripts/report/overview.py",
    output:
        page=report_page("overview", "1 Overview", "Overview", "rows through the pipeline, ours beside the published"),
        figure=report_figure("flow", "overview", "Rows through the pipeline"),
        numbers="<results>/report/numbers/counts.json",
        headlines="<results>/report/headlines.rst",
    log:
        "<logs>/report_overview/report.log",
    benchmark:
        "<benchmarks>/report_overview/report.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        run=RUN_FLAGS,
        splits=flag("splits", SPLITS),
    shell:
        "$PYTHON_REPORT -m scripts.report.overview {params.run} --page {output.page} --numbers {output.numbers}"
        " --counts {input.counts} {input.deduplicated} {input.dataset} {params.splits} --pages {input.pages}"
        " --headlines {output.headlines} --figure {output.figure} &> {log}"
