"""What a run would cost, before it runs: the jobs of a dry run, their work, costs and time on the machines.

scripts/workflow/plan.py puts them together; `reality` sets a plan against the run that followed.
"""
