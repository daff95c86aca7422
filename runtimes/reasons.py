"""Frameworks' errors made fit to be read by a publisher: short, and without the machine's paths."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from runtimes.contract.messages import ModelSpec

MAX_LENGTH = 600

_SOURCE_FILE = re.compile(r"(?:/?[\w.+-]+/)*[\w.+-]+\.(?:cc|cpp|cxx|cu|cuh|h|hpp)(?::\d+)?:?\s?")
_PYTHON_FILE = re.compile(r"(?:/[\w.+-]+)+/([\w.+-]+\.py)")
_ORT_PREFIX = re.compile(r"\[ONNXRuntimeError\] : \d+ : (\w+) : ")
_ERROR_LINE = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception): ")
_TENSORFLOW_NOISE = re.compile(
    r"\{\{function_node [^}]*\}\} ?| ?\[\[.*?\]\]| ?\[Op:[^\]]*\]| in binary running on [\w.-]*\w"
)
_LISTING = 'File "code/'
_NOISE = re.compile(r'^(?:File "|Traceback |frame #|~+|\^+|:$)|<--- HERE')


def clean_reason(error: BaseException, spec: ModelSpec) -> str:
    """The first lines of `error` that mean something, at most MAX_LENGTH characters.

    Paths above the artifact are cut off, as are source files of the framework itself.
    """
    text = _without_paths(str(error), spec)
    lines = [line.strip() for line in _told(text)]
    kept = " ".join(line for line in lines if line and not _NOISE.search(line))
    kept = _TENSORFLOW_NOISE.sub("", _ORT_PREFIX.sub(r"\1: ", kept)).strip()
    if not kept:
        return type(error).__name__
    return kept if len(kept) <= MAX_LENGTH else kept[: MAX_LENGTH - 1] + "…"


def _told(text: str) -> list[str]:
    """The lines that tell what went wrong, without C++ stack or TorchScript source."""
    lines = text.partition("Exception raised from")[0].splitlines()
    if "Traceback of TorchScript" in text:
        found = [i for i, line in enumerate(lines) if _ERROR_LINE.match(line.strip())]
        if found:
            return [_ERROR_LINE.sub("", lines[found[-1]].strip()), *lines[found[-1] + 1 :]]
    listing = [i for i, line in enumerate(lines) if line.strip().startswith(_LISTING)]
    return lines[: listing[0]] if listing else lines


def _without_paths(text: str, spec: ModelSpec) -> str:
    for folder in _private_folders(spec):
        text = text.replace(folder + "/", "").replace(folder, Path(folder).name)
    return _PYTHON_FILE.sub(r"\1", _SOURCE_FILE.sub("", text))


def _private_folders(spec: ModelSpec) -> list[str]:
    """Folders whose names say where this machine keeps things, longest first."""
    folders = {sys.prefix, str(Path.cwd())}
    for artifact in {spec.artifact, os.path.realpath(spec.artifact)}:
        # The version's, the model's and the repository's folder; an artifact may lie one deeper.
        folders.update(str(parent) for parent in list(Path(artifact).parents)[:4])
    return sorted((folder for folder in folders if len(folder) > 1), key=len, reverse=True)
