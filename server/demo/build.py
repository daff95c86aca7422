"""Builds the demo repository, or finds it already built."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from server.demo import manifest as manifests
from server.demo import publish, requirements
from server.demo.manifest import Facts, Manifest
from server.demo.naming import MODELS
from server.demo.quiet import stderr_set_aside

Say = Callable[[str], None]


def build(directory: Path, say: Say = print, *, verbose: bool = False) -> None:
    """Write the demo models as a model repository.

    Says what it does, a line at a time. What is complete already is left alone, without importing
    a framework. Raises DemoError when the directory holds something else, when something is not
    installed, or when a model is not as good as promised; the directory is unchanged then.
    """
    directory = directory.expanduser().resolve()
    fingerprint = manifests.builder_fingerprint()
    state = publish.inspect(directory, fingerprint)
    if state is publish.State.COMPLETE:
        say(f"The demo models are already in {directory}: {', '.join(MODELS)}.")
        return
    requirements.check()
    verb = "Rebuilding" if state is publish.State.OUTDATED else "Building"
    say(f"{verb} the demo models in {directory} (well under a minute).")
    started = time.monotonic()
    with publish.staging(directory) as stage:
        with nullcontext() if verbose else stderr_set_aside():
            facts = _train_and_export(stage, say)
        files = manifests.record_files(stage)
        publish.publish(stage, directory, Manifest(fingerprint, True, files, facts))
    say(f"Done in {time.monotonic() - started:.0f} s. Ready to serve: {', '.join(MODELS)}.")


def _train_and_export(stage: Path, say: Say) -> Facts:
    say("  importing torch, TensorFlow and ONNX Runtime ...")
    try:
        from server.demo import models  # only now: it takes seconds and much memory
    except ImportError as error:
        raise requirements.broken(error) from error
    return models.write_all(stage, say)
