"""Checks before the first job: what would fail after hours or days fails now, all of it at once.

`facts` and `rules` gather, inside Snakemake, what the run will ask for; every other module holds checks, functions from
these facts to findings. scripts/workflow/preflight.py runs them.
"""
