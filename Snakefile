# `snakemake` finds this file first; the workflow itself is workflow/Snakefile.
include: "workflow/Snakefile"


workflow.default_target = "all"
