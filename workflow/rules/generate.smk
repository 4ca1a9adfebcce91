"""Generation: prompts → texts, in slices through one engine each → the part's ledger → one sealed table a part.

in:  <results>/prompts/<source>/part-*.parquet
before: <results>/generations/preview.html and preview.json (`snakemake preview_generations`): some texts of each
     template, which the full run finds in the ledger
out: <results>/generations/<source>/part-*.parquet (one row a prompt), .rejected.parquet, .counts.json; manifest.json
The ledger, <results>/generations/ledger/<source>/part-NNN/, is no output: Snakemake never deletes it, and a slice that
runs again, killed or not, generates only what the ledger does not have. With `generate.partial` no slice runs, and what
the ledger has is sealed. `snakemake generate_compact` merges the many small files of jobs that were killed, at any time.
cost at full scale: over ten thousand H100-hours in `generate_slice`; minutes to seal a part
"""

LEDGER = workflow.pathvars.apply("<results>/generations/ledger/{source}/part-{part}")
SAMPLING = " ".join(
    [
        flags("generate", "temperature", "top_p", "top_k", "repetition_penalty", "max_new_tokens", "stop"),
        flag("seed", config["seed"]),
    ]
)


localrules:
    progress,


rule progress:
    """How far the generation is, as a table here and as <results>/generations/progress.html"""
    input:
        script="scripts/generate/progress.py",
    log:
        "<logs>/progress/progress.log",
    conda:
        "../../envs/report.yaml"
    params:
        results=f"results/{config['run']}",
        sources=flag("sources", list(SOURCES)),
        options=flags("generate", "max_attempts", "tracker"),
        sampling=SAMPLING,
        model=flags("llm", "engine", "model", "revision"),
    shell:
        "$PYTHON_REPORT -m scripts.generate.progress {params.results} {params.sources}"
        " --page {params.results}/generations/progress.html {params.options}"
        " {params.sampling} {params.model} 2> {log}"


rule generate_slice:
    """Texts of {wildcards.source} part {wildcards.part}, slice {wildcards.slice}"""
    input:
        prompts="<results>/prompts/{source}/part-{part}.parquet",
        model=model_files("llm"),
        script=ancient("scripts/generate/slice.py"),
    output:
        marker="<results>/generations/slices/{source}/part-{part}/slice-{slice}.json",
    log:
        "<logs>/generate_slice/{source}/part-{part}/slice-{slice}.log",
    benchmark:
        "<benchmarks>/generate_slice/{source}/part-{part}/slice-{slice}.tsv"
    conda:
        LLM_ENV
    threads: config["llm"]["threads"]
    resources:
        gpu=gpus("llm"),
        gpu_model=config["llm"]["gpu_model"],
        mem_mb=growing(8000 + 24000 * gpus("llm")),
        runtime=config["generate"]["runtime"],
    params:
        ledger=LEDGER,
        n_slices=n_slices,
        limits=flags("generate", "max_attempts"),
        watch=untracked(flags("generate", "rows_per_segment", "max_failure_rate", "stall_minutes", "stop_rules")),
        sampling=SAMPLING,
        engine=LLM_FLAGS,
        where=LLM_WHERE,
    shell:
        "$PYTHON_LLM -m scripts.generate.slice --prompts {input.prompts} --ledger {params.ledger}"
        " --output {output.marker} --source {wildcards.source} --part {wildcards.part} --slice {wildcards.slice}"
        " --n-slices {params.n_slices} {params.limits} {params.watch} {params.sampling} {params.engine} {params.where}"
        " &> {log}"


rule generate_preview:
    """Some texts of each template of {wildcards.source}, before all are asked for"""
    input:
        prompts="<results>/prompts/{source}/part-{part}.parquet",
        model=model_files("llm"),
        script=ancient("scripts/generate/preview.py"),
    output:
        preview="<results>/generations/preview/{source}/part-{part}.parquet",
    log:
        "<logs>/generate_preview/{source}/part-{part}.log",
    benchmark:
        "<benchmarks>/generate_preview/{source}/part-{part}.tsv"
    conda:
        LLM_ENV
    threads: config["llm"]["threads"]
    resources:
        gpu=gpus("llm"),
        gpu_model=config["llm"]["gpu_model"],
        mem_mb=growing(8000 + 24000 * gpus("llm")),
        runtime=config["generate"]["runtime"],
    params:
        ledger=LEDGER,
        limits=flags("generate", "preview", "max_attempts"),
        watch=untracked(flags("generate", "rows_per_segment", "max_failure_rate", "stall_minutes")),
        sampling=SAMPLING,
        engine=LLM_FLAGS,
        where=LLM_WHERE,
    shell:
        "$PYTHON_LLM -m scripts.generate.preview --prompts {input.prompts} --ledger {params.ledger}"
        " --output {output.preview} --source {wildcards.source} --part {wildcards.part}"
        " {params.limits} {params.watch} {params.sampling} {params.engine} {params.where} &> {log}"


rule generate_preview_measures:
    """Measures of the previewed texts: openings, lengths, refusals, near-duplicates and more"""
    input:
        previews=first_parts("<results>/generations/preview/{source}/part-{part}.parquet"),
        script="scripts/generate/preview_measures.py",
        modules=MEASURE_CODE,
    output:
        measures="<results>/generations/preview.json",
    log:
        "<logs>/generate_preview_measures/preview.log",
    benchmark:
        "<benchmarks>/generate_preview_measures/preview.tsv"
    conda:
        "../../envs/base.yaml"
    shell:
        "$PYTHON_BASE -m scripts.generate.preview_measures --previews {input.previews} --output {output.measures}"
        " &> {log}"


rule generate_preview_page:
    """The previewed texts and their measures as a page to read"""
    input:
        previews=first_parts("<results>/generations/preview/{source}/part-{part}.parquet"),
        measures="<results>/generations/preview.json",
        script="scripts/generate/preview_page.py",
        page="scripts/generate/preview.html",
    output:
        page="<results>/generations/preview.html",
    log:
        "<logs>/generate_preview_page/preview.log",
    benchmark:
        "<benchmarks>/generate_preview_page/preview.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        run=f"{flag('run', config['run'])} {flag('scale', config['scale'])}",
    shell:
        "$PYTHON_REPORT -m scripts.generate.preview_page --measures {input.measures} --previews {input.previews}"
        " {params.run} --output {output.page} &> {log}"


rule generate_seal:
    """Sealed texts of {wildcards.source} part {wildcards.part}"""
    input:
        prompts="<results>/prompts/{source}/part-{part}.parquet",
        slices=part_slices,
        script="scripts/generate/seal.py",
    output:
        sealed="<results>/generations/{source}/part-{part}.parquet",
        rejected="<results>/generations/{source}/part-{part}.rejected.parquet",
        counts="<results>/generations/{source}/part-{part}.counts.json",
    log:
        "<logs>/generate_seal/{source}/part-{part}.log",
    benchmark:
        "<benchmarks>/generate_seal/{source}/part-{part}.tsv"
    conda:
        "../../envs/base.yaml"
    resources:
        mem_mb=growing(2000),
    params:
        ledger=LEDGER,
        state=ledger_state,
        markers=marker_flag,
        partial=flags("generate", "partial"),
        sampling=SAMPLING,
        model=flags("llm", "engine", "model", "revision"),
    shell:
        "$PYTHON_BASE -m scripts.generate.seal --prompts {input.prompts} --ledger {params.ledger} {params.markers}"
        " {params.partial} --output {output.sealed} --rejected {output.rejected} --counts {output.counts}"
        " --source {wildcards.source} --part {wildcards.part} {params.sampling} {params.model} &> {log}"


rule generate_manifest:
    """What was generated, by which model and sampling"""
    input:
        parts=all_parts("<results>/generations/{source}/part-{part}.parquet"),
        counts=all_parts("<results>/generations/{source}/part-{part}.counts.json"),
        script="scripts/generate/manifest.py",
    output:
        manifest="<results>/generations/manifest.json",
    log:
        "<logs>/generate_manifest/manifest.log",
    benchmark:
        "<benchmarks>/generate_manifest/manifest.tsv"
    conda:
        "../../envs/base.yaml"
    params:
        sampling=SAMPLING,
        model=flags("llm", "engine", "model", "revision"),
    shell:
        "$PYTHON_BASE -m scripts.generate.manifest --parts {input.parts} --counts {input.counts}"
        " --output {output.manifest} {params.sampling} {params.model} &> {log}"


rule generate_compact:
    """Fewer files in the ledgers of all parts; it has no output and may run beside generation"""
    input:
        script="scripts/generate/compact.py",
    log:
        "<logs>/generate_compact/compact.log",
    conda:
        "../../envs/base.yaml"
    resources:
        mem_mb=growing(2000),
    params:
        ledgers=all_parts(LEDGER),
    shell:
        "$PYTHON_BASE -m scripts.generate.compact --ledgers {params.ledgers} &> {log}"
