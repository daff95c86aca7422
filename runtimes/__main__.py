"""Start a zygote: `python -P runtimes/__main__.py RUNTIME CONTROL_FD`; or `examine RUNTIME`.

Run by path, so that any interpreter that has the framework will do: nothing needs to be installed
beside it, and the worker's code is always the gateway's own version.
"""

from __future__ import annotations

import importlib.util
import socket
import sys
from pathlib import Path


def _make_importable() -> None:
    """Offer this folder as the package `runtimes` without putting its neighbours on the path."""
    here = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        "runtimes", here / "__init__.py", submodule_search_locations=[str(here)]
    )
    if spec is None or spec.loader is None:
        raise ImportError("the runtimes package has no __init__.py. This is a bug.")
    package = importlib.util.module_from_spec(spec)
    sys.modules["runtimes"] = package
    spec.loader.exec_module(package)


def main() -> int:
    """Serve as a zygote on the inherited control socket, or tell what this interpreter has."""
    _make_importable()
    if sys.argv[1] == "examine":
        from runtimes import examine

        return examine.main(sys.argv[2])
    from runtimes.zygote import serve

    runtime, control_fd = sys.argv[1], int(sys.argv[2])
    with socket.socket(fileno=control_fd) as control:
        return serve(control, runtime)


if __name__ == "__main__":
    sys.exit(main())
