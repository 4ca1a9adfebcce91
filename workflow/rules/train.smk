"""Train: token files + config/experiments/<experiment>.yaml → a language model in Hugging Face format.
in:  <results>/tokens/<split>/ of all splits
out: <results>/train/<experiment>/ (config.yaml: complete, in nanotron's format; model/; log.jsonl: step, loss, lr, tokens)
     checkpoints of a run under way lie in <results>/train/<experiment>/checkpoints, which is no output; the newest two
     are kept, those of nanotron also after the end (24 GB each for cosmo-1b: 14 bytes a parameter)
A job near its time limit ends, is put back into the queue by Slurm and goes on from its newest checkpoint, so it may be
shorter than the training; only one that reaches no new checkpoint fails. transformers writes one when the limit comes
near, nanotron only every checkpoint_interval steps (of cosmo-1b: about six minutes).
cost at full scale: 15 hours on 160 H100 (the cosmo-1b model card)"""

EXPERIMENT = config["train"]["experiment"]


rule train_config:
    """Training configuration of {wildcards.experiment}"""
    input:
        tokens=expand("<results>/tokens/{split}", split=SPLITS),
        experiment="config/experiments/{experiment}.yaml",
        script="scripts/train/config.py",
    output:
        config="<results>/train/{experiment}/config.yaml",
    log:
        "<logs>/train_config/{experiment}.log",
    benchmark:
        "<benchmarks>/train_config/{experiment}.tsv"
    conda:
        "../../envs/train.yaml"
    params:
        data=flags("train", "extra_data", "missing_data"),
        tokenizer=flags("tokenize", "tokenizer"),
        seed=config["seed"],
    shell:
        "$PYTHON_TRAIN -m scripts.train.config --experiment {input.experiment} --tokens {input.tokens}"
        " {params.data} {params.tokenizer} --seed {params.seed} --output {output.config} &> {log}"


rule train_model:
    """Training of {wildcards.experiment}"""
    input:
        config="<results>/train/{experiment}/config.yaml",
        tokens=expand("<results>/tokens/{split}", split=SPLITS),
        script=ancient("scripts/train/model.py"),
        trainer=ancient(f"scripts/train/with_{config['train']['trainer']}.py"),
    output:
        model=directory("<results>/train/{experiment}/model"),
        log="<results>/train/{experiment}/log.jsonl",
    log:
        "<logs>/train_model/{experiment}.log",
    benchmark:
        "<benchmarks>/train_model/{experiment}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: config["train"]["threads"]
    resources:
        gpu=gpus("train"),
        gpu_model=config["train"]["gpu_model"],
        nodes=config["train"]["nodes"],
        # On several nodes the program itself starts one launcher a node with srun, so the job must not run inside a
        # step of one task (mpi), and tasks counts nodes and not GPUs.
        mpi="srun" if config["train"]["nodes"] > 1 else "",
        tasks=config["train"]["nodes"],
        tasks_per_gpu=0,
        mem_mb=growing(16000 * max(1, config["train"]["gpus"])),
        runtime=config["train"]["runtime"],
    params:
        folder=subpath(output.model, parent=True),
        options=flags("train", "trainer", "device", "threads"),
        where=untracked(flags("train", "nodes", "gpus")),
    shell:
        "$PYTHON_TRAIN -m scripts.train.model --config {input.config} --model {output.model} --log {output.log}"
        " --work {params.folder}/checkpoints {params.options} {params.where} &> {log}"
