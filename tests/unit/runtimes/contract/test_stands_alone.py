"""The contract needs nothing but the standard library."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]


def test_the_contract_imports_with_the_standard_library_alone():
    # -I and -S: no site-packages, no environment; only the project's own folder is added.
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "import runtimes.contract.frames, runtimes.contract.spawn\n"
        "files = [getattr(m, '__file__', '') or '' for m in sys.modules.values()]\n"
        "foreign = [name for name in files if 'site-packages' in name]\n"
        "assert not foreign, foreign\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
