"""What is said to TensorFlow Serving's users is true."""

from __future__ import annotations

import re

import pytest

import server.cli
from protos import tfs_config_pb2 as tfs
from server.repository.tfs_batching import parse_batching
from tests.unit.test_documentation import ROOT, indented, rows

MIGRATING = (ROOT / "docs/migrating-from-tensorflow-serving.md").read_text("utf-8")


# The flags of tensorflow_model_server, as its main.cc has them.
TF_SERVING_FLAGS = re.findall(
    r"\w+",
    """
port grpc_socket_path rest_api_port rest_api_num_threads rest_api_timeout_in_ms
rest_api_enable_cors_support enable_batching allow_version_labels_for_unavailable_models
batching_parameters_file enable_per_model_batching_parameters model_config_file
model_config_file_poll_wait_seconds model_name model_base_path num_load_threads
num_unload_threads max_num_load_retries load_retry_interval_micros file_system_poll_wait_seconds
flush_filesystem_caches tensorflow_session_parallelism tensorflow_session_config_file
tensorflow_intra_op_parallelism tensorflow_inter_op_parallelism use_alts_credentials
ssl_config_file platform_config_file per_process_gpu_memory_fraction saved_model_tags
grpc_channel_arguments grpc_max_threads enable_model_warmup num_request_iterations_for_warmup
version monitoring_config_file remove_unused_fields_from_bundle_metagraph prefer_tflite_model
num_tflite_pools num_tflite_interpreters_per_pool enable_signature_method_name_check
xla_cpu_compilation_enabled enable_profiler thread_pool_factory_config_file
""",
)


def test_every_flag_of_tensorflow_serving_is_mapped_to_one_that_exists():
    section = MIGRATING[MIGRATING.index("## Flags") :]
    table = [cells for cells in rows(section, 3) if cells[0].startswith("`")]
    flags = {option.opts[0] for option in server.cli.serve.params}

    mapped = [name for cells in table for name in re.findall(r"`(\w+)`", cells[0])]
    assert sorted(mapped) == sorted(TF_SERVING_FLAGS)
    named = {flag for cells in table for flag in re.findall(r"`(--[a-z-]+)[` ]", cells[1])}
    assert named <= flags


def test_every_parameter_and_field_of_its_files_is_described():
    sections = MIGRATING[: MIGRATING.index("## The APIs")]
    described = {name for cells in rows(sections, 2) for name in re.findall(r"`(\w+)`", cells[0])}
    messages = (tfs.ModelConfig, tfs.BatchingParameters, tfs.ModelServerConfig)
    fields = {field.name for message in messages for field in message.DESCRIPTOR.fields}

    assert described == fields - {"model_config_list"}


def test_every_call_of_its_services_is_mapped():
    api = pytest.importorskip("protos.tfs_api_pb2")
    section = MIGRATING[MIGRATING.index("## The APIs") : MIGRATING.index("## Flags")]
    calls = {
        method.name
        for service in api.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }

    assert [name for name in calls if f"`{name}`" not in section.replace("/", "`")] == []


def test_the_example_of_batching_parameters_is_accepted():
    (text,) = [block for block in indented(MIGRATING) if "max_batch_size {" in block]

    assert parse_batching(text, "page")[1] == ()
