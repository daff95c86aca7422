"""Programs that a test starts and waits for: none outlives a test that waited in vain."""

from __future__ import annotations

import subprocess

GRACE = 20.0


def ended(running: subprocess.Popen[str], seconds: float) -> tuple[str, str]:
    """What the program had written to stdout and stderr when it ended.

    One that takes longer than `seconds` is ended and fails the test with what it said. Nor does it
    outlive a wait that is broken off.
    """
    try:
        return running.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        running.terminate()  # so that it ends its own children, too
        try:
            output, log = running.communicate(timeout=GRACE)
        except subprocess.TimeoutExpired:
            output, log = "", "nor when it was told to"
        raise AssertionError(f"did not end within {seconds} s: {output}{log}") from None
    finally:
        running.kill()  # nothing where it has ended
