"""Generate the Python code of the .proto files beside this one, or check that it is fresh.

python -m protos.generate            write it
python -m protos.generate --check    exit 1 and say so where it is not what protoc would write
"""

from __future__ import annotations

import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

TENSORFLOW = "tf*_pb2.py"
"""What has TensorFlow's names, and therefore a pool of its own; see tensorflow_pool."""
_DEFAULT_POOL = "_descriptor_pool.Default()"
_IMPORT_OF_DEFAULT = "from google.protobuf import descriptor_pool as _descriptor_pool\n"
_IMPORT_OF_OWN = "from protos.tensorflow_pool import POOL as _pool\n"


def generate(target: Path) -> None:
    """Write `protos/*_pb2.py` and `.pyi` under `target`."""
    well_known = str(files("grpc_tools") / "_proto")
    sources = sorted(str(path.relative_to(ROOT)) for path in HERE.glob("*.proto"))
    arguments = ["protoc", f"-I{ROOT}", f"-I{well_known}"]
    arguments += [f"--python_out={target}", f"--pyi_out={target}", *sources]
    if protoc.main(arguments):
        raise SystemExit("protoc failed; its message is above")
    for path in target.joinpath("protos").glob(TENSORFLOW):
        code = path.read_text().replace(_IMPORT_OF_DEFAULT, _IMPORT_OF_OWN)
        if code.count(_DEFAULT_POOL) != 1 or _IMPORT_OF_OWN not in code:
            raise SystemExit(f"{path.name} is not as protoc used to write it. This is a bug.")
        path.write_text(code.replace(_DEFAULT_POOL, "_pool"))


def stale() -> list[str]:
    """Names of generated files that differ from what protoc writes now."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = {path.name: path.read_bytes() for path in Path(folder, "protos").iterdir()}
    present = {path.name: path.read_bytes() for path in HERE.glob("*_pb2.py*")}
    return sorted(name for name in fresh | present if fresh.get(name) != present.get(name))


def main() -> int:
    """Write or check, as the arguments say."""
    if "--check" not in sys.argv[1:]:
        generate(ROOT)
        return 0
    if names := stale():
        print(f"not fresh: {', '.join(names)}; run `make protos`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
