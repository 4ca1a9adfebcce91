"""What would run, why, and what it costs: `snakemake plan [target …]`, with profiles and --config as for the run.

out: the plan in the terminal and as <results>/plan.json, which report_timing sets against what happened
`plan` among the targets makes the plan of the others and runs none of them. It is therefore no job: the command ends
here, before Snakemake takes a lock, asks for cores or starts an executor. scripts/workflow/plan.py tells the method.
"""

import subprocess
import sys

if workflow.is_main_process and "plan" in sys.argv[1:]:
    sys.exit(subprocess.run([sys.executable, "-m", "scripts.workflow.plan", *sys.argv[1:]]).returncode)


localrules:
    plan,


rule plan:
    """Jobs by rule with reasons, GPU-hours, CPU-hours, wall time, disk and energy of what would run; runs nothing"""
    input:
        "scripts/workflow/plan.py",
        "resources/costs.tsv",
