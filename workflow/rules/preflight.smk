"""Before the first job: what would fail in the run, all at once (`snakemake --profile slurm preflight`).

in:  the profile, the configuration and the machine; no result of any rule
out: lines on the terminal, and an exit status of 1 when something would fail
PREFLIGHT_TARGET names another target than `all`, PREFLIGHT_OPTIONS holds flags of scripts/workflow/preflight.py. The
program needs no environment but Snakemake's own, whose plugins it asks, and speaks on the terminal: so the rule has
neither `conda` nor `log`, which Snakemake wants of every rule that hands over to no other program.
"""

from scripts.preflight.facts import handed_over

os.environ.update(PYTHON_PREFLIGHT=sys.executable, PREFLIGHT_OPTIONS=os.environ.get("PREFLIGHT_OPTIONS", ""))


localrules:
    preflight,


rule preflight:
    """What would fail in this run, before its first job"""
    input:
        script="scripts/workflow/preflight.py",
    retries: 0
    handover: True
    resources:
        mem_mb=500,
    params:
        target=handed_over(workflow, config, SOURCES, hub_models("embed", "llm", "tokenize"), BENCHMARKS, TOOLS),
    shell:
        '$PYTHON_PREFLIGHT -m scripts.workflow.preflight --facts "$PREFLIGHT" $PREFLIGHT_OPTIONS'
