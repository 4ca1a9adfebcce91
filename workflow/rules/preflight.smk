"""Before the first job: what would fail in the run, all at once (`snakemake --profile slurm preflight`).

in:  the profile, the configuration and the machine; no result of any rule
out: lines on the terminal, and an exit status of 1 when something would fail
PREFLIGHT_TARGET names another target than `all`, PREFLIGHT_OPTIONS holds flags of scripts/workflow/preflight.py. The
program needs no environment but Snakemake's own, whose plugins it asks, and speaks on the terminal: so the rule has
neither `conda` nor `log`, which Snakemake wants of every rule that hands over to no other program.
"""

from scripts.preflight.facts import handed_over

os.environ.update(PYTHON_PREFLIGHT=sys.executable, PREFLIGHT_OPTIONS=os.environ.get("PREFLIGHT_OPTIONS", ""))

# Snakemake ends by taking away all locks of its folder, also that of a run at work beside it.
if workflow.is_main_process and "preflight" in sys.argv and "--nolock" not in sys.argv:
    if any(Path(".snakemake/locks").glob("*")):
        stop("a run is at work in this folder, or was killed: call `snakemake preflight` with --nolock")


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
