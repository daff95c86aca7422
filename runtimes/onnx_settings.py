"""The `options` of ONNX models, turned into ONNX Runtime's session and CUDA settings.

graph_optimization_level    disabled, basic, extended or all (default)
enable_mem_pattern          true (default) or false
enable_cpu_mem_arena        true (default) or false
allow_spinning              whether idle threads spin; true (default) or false
use_deterministic_compute   true or false (default)
gpu_mem_limit               bytes of GPU memory this worker's arena may take
cudnn_conv_algo_search      EXHAUSTIVE, HEURISTIC or DEFAULT
"""

from __future__ import annotations

import onnxruntime as ort

from runtimes.contract.messages import ModelSpec
from runtimes.options import Options

OPTIONS = (
    "graph_optimization_level",
    "enable_mem_pattern",
    "enable_cpu_mem_arena",
    "allow_spinning",
    "use_deterministic_compute",
    "gpu_mem_limit",
    "cudnn_conv_algo_search",
)
_FLAGS = ("enable_mem_pattern", "enable_cpu_mem_arena", "use_deterministic_compute")
_LEVELS = {
    "disabled": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
_ERROR = 3  # severity: warnings would fill the log with what the optimiser did


def session_options(spec: ModelSpec, options: Options) -> ort.SessionOptions:
    """Threads, log level and the options that concern the session. Raises LoadError."""
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = max(1, spec.threads)
    settings.inter_op_num_threads = 1
    settings.log_severity_level = _ERROR
    if level := options.text("graph_optimization_level", tuple(_LEVELS)):
        settings.graph_optimization_level = getattr(ort.GraphOptimizationLevel, _LEVELS[level])
    for name in _FLAGS:
        if (flag := options.flag(name)) is not None:
            setattr(settings, name, flag)
    if options.flag("allow_spinning") is False:
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return settings


def cuda_settings(spec: ModelSpec, options: Options, index: int) -> dict[str, str]:
    """The CUDA provider's settings. Raises LoadError."""
    settings = {
        "device_id": str(index),
        "use_tf32": "1" if spec.precision == "tf32" else "0",
    }
    if limit := options.integer("gpu_mem_limit", minimum=1):
        settings["gpu_mem_limit"] = str(limit)
    searches = ("EXHAUSTIVE", "HEURISTIC", "DEFAULT")
    if search := options.text("cudnn_conv_algo_search", searches):
        settings["cudnn_conv_algo_search"] = search
    return settings
