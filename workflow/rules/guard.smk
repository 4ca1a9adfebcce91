"""No costly work without need; scripts/workflow/guard.py tells what that is. `allow_costly` allows it.

Before the first job: refuses what would be done again although its inputs' content is unchanged, as far as can be told,
and what job arrays cannot carry (scripts/workflow/arrays.py). After the last: keeps the checksums by which the next run
can tell. `--no-hooks` does without all of it. It is included last, when all rules are known.
"""

from scripts.workflow import arrays, guard

if found := guard.unknown(config["allow_costly"], workflow.rules):
    stop(found)

arrays.forget_nothing()

# Rules that ask for a GPU are costly; with an endpoint, those that ask the language model.
PAID = ["generate_slice", "generate_preview", "label_topics", "seeds_outline"]
COSTLY = dict.fromkeys(PAID, True) if config["llm"]["engine"] == "openai" else {}


def costly(job):
    """Whether the job uses a GPU or a paid service, which all jobs of a rule do or none; asking a job takes 2 ms."""
    name = job.rule.name
    if name not in COSTLY:
        COSTLY[name] = "gpu" in job.rule.resources and (job.resources.get("gpu") or 0) > 0
    return COSTLY[name]


onstart:
    if found := arrays.trap(workflow.executor_settings, workflow.config_settings.config_args):
        stop(found)
    workflow.persistence.max_checksum_file_size = guard.SMALL
    if not workflow.touch:
        if found := guard.refused(workflow.dag, costly, config["allow_costly"]):
            stop(guard.message(found, guard.last_seconds(found)))
        guard.remember(workflow.dag, costly)


onsuccess:
    guard.remember(workflow.dag, costly)


onerror:
    guard.remember(workflow.dag, costly)


guard.tell_dry_runs(workflow, costly, config["allow_costly"])
