"""What can be told of the vllm engine without vLLM: the arguments that it is given."""

from scripts.engines import EngineSettings
from scripts.engines.vllm import engine_arguments

SETTINGS = EngineSettings("vllm", "a/model", "abc123", "bfloat16", 4096, 256, tensor_parallel=2)


def test_the_configuration_becomes_vllms_arguments():
    arguments = engine_arguments(SETTINGS, on_cpu=False)
    assert arguments["tensor_parallel_size"] == 2
    assert (arguments["model"], arguments["revision"], arguments["tokenizer_revision"]) == (
        "a/model",
        "abc123",
        "abc123",
    )
    assert (arguments["dtype"], arguments["max_model_len"], arguments["max_num_seqs"]) == ("bfloat16", 4096, 256)


def test_prompts_share_their_head_on_a_gpu():
    assert engine_arguments(SETTINGS, on_cpu=False)["enable_prefix_caching"]
    assert not engine_arguments(SETTINGS, on_cpu=True)["enable_prefix_caching"]


def test_a_gpu_keeps_vllms_own_choices():
    assert not {"enforce_eager", "enable_chunked_prefill", "max_num_batched_tokens", "kv_cache_memory_bytes"} & set(
        engine_arguments(SETTINGS, on_cpu=False)
    )


def test_a_whole_prompt_is_read_at_once_on_a_cpu():
    assert engine_arguments(SETTINGS, on_cpu=True)["max_num_batched_tokens"] == SETTINGS.max_model_len


def test_options_win():
    settings = EngineSettings(
        "vllm", "m", options={"enable_prefix_caching": True, "max_num_seqs": 7, "quantization": "fp8"}
    )
    arguments = engine_arguments(settings, on_cpu=True)
    assert (arguments["enable_prefix_caching"], arguments["max_num_seqs"], arguments["quantization"]) == (
        True,
        7,
        "fp8",
    )
