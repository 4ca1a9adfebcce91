"""The job graph of each scale, from dry runs; and what a user gets to read when the configuration is wrong."""

import re

import pytest

from tests.snakemake import planned_jobs, snakemake

FRESH = "run=never-made"

PER_PART = ("seeds_load", "prompts_build", "generate_seal", "clean_filter", "decontaminate_scan")


def test_tiny_plans_every_stage_without_gpus():
    jobs = planned_jobs("--config", FRESH)
    assert {jobs[rule] for rule in PER_PART} == {9}  # eight sources of one part, web of two
    assert jobs["cluster_assign"] == jobs["embed_documents"] == 2
    assert jobs["dataset_split"] == jobs["tokenize_split"] == 7
    assert jobs["train_model"] == jobs["evaluate_model"] == 1
    assert "seeds_download" not in jobs


def test_small_downloads_and_uses_one_gpu_a_job():
    jobs = planned_jobs("--config", "scale=small", FRESH)
    assert jobs["seeds_download"] == 6  # Stanford and Khan Academy are collected by the user
    assert {jobs[rule] for rule in PER_PART} == {9}


def test_downloads_are_all_that_a_run_needs_from_the_network():
    jobs = planned_jobs("downloads", "--config", "scale=small", FRESH)
    assert jobs == {"seeds_download": 6, "downloads_models": 1, "downloads_benchmarks": 1, "downloads": 1}


def test_tiny_downloads_nothing_and_needs_no_lock():
    assert "seeds_download" not in planned_jobs("downloads", "--config", FRESH)
    assert "warning: no lock" not in snakemake("-n", "downloads", "--config", FRESH).stderr


def test_a_run_without_a_lock_says_so():
    result = snakemake("-n", "downloads", "--config", "scale=small", FRESH)
    assert "warning: no lock for web, wikihow, auto_math_text, ultrachat, openhermes" in result.stderr
    assert "snakemake lock_sources" in result.stderr


@pytest.mark.parametrize("source", ["wikipedia", "openwebmath", "sep", "fineweb", "cosmopedia_web_samples_v1"])
def test_two_settings_add_a_source(source):
    settings = [f"seeds={{sources: {{{source}: 1000}}}}", f"prompts={{mix: {{{source}: 500}}}}"]
    jobs = planned_jobs("prompts", "--config", "scale=small", FRESH, *settings)
    assert (jobs["seeds_download"], jobs["prompts_select"]) == (7, 9)


def test_the_original_wording_is_fetched_where_it_is_asked_for():
    assert "prompts_upstream" not in planned_jobs("prompts", "--config", FRESH)
    assert planned_jobs("prompts", "--config", FRESH, "prompts={templates: upstream}")["prompts_upstream"] == 1


def test_full_plans_the_paper_on_slurm():
    jobs = planned_jobs("--profile", "slurm", "--config", FRESH)
    assert jobs["embed_documents"] == 60
    assert jobs["generate_slice"] > 3000
    assert jobs["generate_seal"] == jobs["seeds_load"] > 60


def test_full_asks_for_gpus_where_the_model_runs():
    listed = snakemake("-n", "--profile", "slurm", "--config", FRESH).stdout
    by_rule = dict(re.findall(r"^rule (\w+):.*?\n    resources: ([^\n]*)", listed, flags=re.MULTILINE | re.DOTALL))
    assert "gpu=2" in by_rule["generate_slice"]
    assert "gpu=2" in by_rule["label_topics"]
    assert {"gpu=160", "nodes=20"} <= set(by_rule["train_model"].split(", "))
    assert not re.search(r"gpu=[1-9]", by_rule["clean_filter"])


@pytest.mark.parametrize("milestone", ["seeds", "embeddings", "clusters", "topics", "prompts", "generations"])
def test_a_milestone_ends_where_its_name_says(milestone):
    jobs = planned_jobs(milestone, "--config", FRESH)
    assert jobs[milestone] == 1
    assert not {"dataset_split", "train_model"} & set(jobs)


@pytest.mark.parametrize("milestone", ["dataset", "model", "evaluation", "report"])
def test_later_milestones_are_there(milestone):
    assert planned_jobs(milestone, "--config", FRESH)[milestone] == 1


def test_until_prompts_is_the_same_as_asking_for_prompts():
    assert planned_jobs("--until", "prompts", "--config", FRESH) == planned_jobs("prompts", "--config", FRESH)


def test_fraction_plans_fewer_slices():
    all_of_it = planned_jobs("generations", "--config", "scale=full", FRESH)["generate_slice"]
    tenth = planned_jobs("generations", "--config", "scale=full", "fraction=0.1", FRESH)["generate_slice"]
    assert tenth < all_of_it / 8


def test_a_changed_template_plans_only_the_sources_that_it_concerns():
    """`-n` on a fresh run lists every job; the inputs of the jobs tell which of them read the template."""
    listed = snakemake("-n", "prompts", "--config", FRESH).stdout
    jobs = re.findall(r"^rule prompts_build:\n    input: ([^\n]*)", listed, flags=re.MULTILINE)
    readers = {
        name: {re.search(r"/seeds/(\w+)/", inputs)[1] for inputs in jobs if f"{name}.yaml" in inputs}
        for name in (
            "dialogue/story_morality",
            "dialogue/story_reddit",
            "title/wikihow",
            "passage/math_college_students",
        )
    }
    assert readers == {
        "dialogue/story_morality": {"ultrachat"},
        "dialogue/story_reddit": {"ultrachat", "openhermes"},
        "title/wikihow": {"wikihow"},
        "passage/math_college_students": {"auto_math_text"},
    }


def test_the_page_of_prompts_to_read_is_part_of_the_report():
    assert planned_jobs("report", "--config", FRESH)["prompts_preview"] == 1
    assert planned_jobs("preview_prompts", "--config", FRESH)["preview_prompts"] == 1


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("prompts={mix: {wed: 5}}", "`prompts.mix`: unknown source `wed`: did you mean `web`?"),
        ("prompts={mix: {web: {wikihou/*: 5}}}", "`wikihou` none of its values: did you mean `wikihow`?"),
        ("prompts={languages: [en, tlh]}", "`prompts.languages`: there is no config/templates/tlh"),
        ("scale=huge", "unknown scale 'huge': it must be one of full, small, tiny"),
        ("fracton=0.5", "unknown key `fracton`: did you mean `fraction`?"),
        ("fraction=lots", "`fraction`: 'lots' is not of type 'number'"),
        ("seeds={sources: {wikipaedia: 3}}", "unknown source `wikipaedia`: resources/sources.tsv has no"),
        ("train={experiment: cosmo-9b}", "config/experiments/cosmo-9b.yaml"),
        ("interpreters={vllm: /no/python}", "/no/python"),
    ],
)
def test_a_wrong_setting_ends_with_one_clear_error_before_any_job(setting, message):
    result = snakemake("-n", "--config", FRESH, setting, check=False)
    assert result.returncode != 0
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_partial_run_plans_no_generation():
    jobs = planned_jobs("generations", "--config", FRESH, "generate={partial: true}")
    assert "generate_slice" not in jobs
    assert jobs["generate_seal"] == 9


def test_ledgers_are_merged_by_a_target_of_their_own():
    assert planned_jobs("generate_compact", "--config", FRESH) == {"generate_compact": 1}
