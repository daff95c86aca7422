"""Proof that an ONNX Runtime session really runs on CUDA, and how much of it."""

from __future__ import annotations

import contextlib
import ctypes
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import onnxruntime as ort

from runtimes.device import has_driver, why_no_gpu
from runtimes.runtime import LoadError

CUDA = "CUDAExecutionProvider"
RECORD = "session.record_ep_graph_assignment_info"


def records_placement() -> bool:
    """Whether this ONNX Runtime tells on which provider each node was put."""
    return hasattr(ort.InferenceSession, "get_provider_graph_assignment_info")


def recorded(session: ort.InferenceSession) -> Counter[str]:
    """Nodes per provider, from a session made with RECORD set."""
    nodes: Counter[str] = Counter()
    for part in session.get_provider_graph_assignment_info():
        nodes[part.ep_name] += len(part.get_nodes())
    return nodes


@contextlib.contextmanager
def profiling(settings: ort.SessionOptions) -> Iterator[None]:
    """Sessions made with `settings` in this block write a profile, gone at its end."""
    with tempfile.TemporaryDirectory() as folder:
        settings.enable_profiling = True
        settings.profile_file_prefix = f"{folder}/placement"
        try:
            yield
        finally:
            settings.enable_profiling = False


def profiled(session: ort.InferenceSession) -> Counter[str]:
    """Nodes per provider that `session`, made while `profiling`, has run."""
    events = json.loads(Path(session.end_profiling()).read_text())
    placed = {
        event["name"]: event["args"]["provider"]
        for event in events
        if event.get("cat") == "Node" and event.get("args", {}).get("provider")
    }
    return Counter(placed.values())


def nodes_on_cpu(nodes: Counter[str]) -> str:
    """`3/120`: three of the 120 nodes are not on CUDA. Raises LoadError where none is on it."""
    total = nodes.total()
    if not total:
        return "unknown"
    if not nodes[CUDA]:
        raise LoadError(f"none of the model's {total} nodes can run on CUDA")
    return f"{total - nodes[CUDA]}/{total}"


def may_have_cuda() -> bool:
    """Whether it is worth trying: without a driver CUDA's libraries would be loaded in vain."""
    return CUDA in ort.get_available_providers() and has_driver()


def why_no_cuda() -> str:
    """Why the CUDA provider is not there, as far as that can be found out."""
    if CUDA not in ort.get_available_providers():
        return "this onnxruntime is built without CUDA; install onnxruntime-gpu"
    if not has_driver():
        return why_no_gpu(cuda=True)
    library = Path(ort.__file__).parent / "capi" / "libonnxruntime_providers_cuda.so"
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        return str(error).replace(f"{library.parent}/", "")
    return "the CUDA provider did not start; is there a GPU and a matching driver?"
