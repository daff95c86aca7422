"""Sends every datatype through its identity model by every route.

Prints {"ROUTE/DATATYPE/CASE": "ok" or what went wrong}.
Usage: python datatypes.py REST-ADDRESS GRPC-ADDRESS
"""

import asyncio
import json
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[3]))

CONTENTS = {
    "BOOL": "bool_contents",
    "INT64": "int64_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def typed(t: Any, name: str, array: np.ndarray, datatype: str) -> Any:
    """An input whose elements stand in the typed field of a gRPC message.

    tritonclient has no method for it, other clients do nothing else.
    """
    other = "uint_contents" if datatype.startswith("U") else "int_contents"
    made = t.module.InferInput(name, list(array.shape), datatype)
    field = getattr(made._get_tensor().contents, CONTENTS.get(datatype, other))
    field.extend(array.reshape(-1).tolist())
    return made


async def send(t: Any, route: str, datatype: str, case: str) -> None:
    """Both tensors must come back as they went."""
    from tests.e2e.clients import datatype_cases as cases

    sent = {
        "tensor": cases.tensor(route, datatype, case),
        "scalar": cases.scalar(route, datatype),
    }
    binary = route != cases.JSON
    inputs = [
        typed(t, name, array, datatype)
        if route == cases.TYPED
        else t.input(name, array, binary=binary, datatype=datatype)
        for name, array in sent.items()
    ]
    wanted = [t.output(f"{name}_out", binary=binary) for name in sent]
    result = await t.infer(f"identity-{datatype}", *inputs, outputs=wanted)
    for name, array in sent.items():
        back = result.as_numpy(f"{name}_out")
        assert back.shape == array.shape, f"{name} came back as {back.shape}"
        if array.size and datatype != "BYTES":
            assert back.dtype == array.dtype
            # Bits, so that -0.0 is not 0.0.
            assert back.tobytes() == array.tobytes(), f"{array} came back as {back}"
        elif array.size:
            texts = [one.encode() if isinstance(one, str) else one for one in back.reshape(-1)]
            given = [one.encode() if isinstance(one, str) else one for one in array.reshape(-1)]
            assert texts == given


async def main(rest: str, grpc: str) -> dict[str, str]:
    from tests.e2e.clients import datatype_cases as cases
    from tests.e2e.clients.flavour import Flavour

    clients = {True: Flavour("grpc", grpc), False: Flavour("http", rest)}
    said: dict[str, str] = {}
    for route in cases.ROUTES:
        for datatype in filter(lambda one: cases.carries(route, one), cases.DATATYPES):
            for case in cases.SHAPES:
                try:
                    await send(clients[route.startswith("grpc")], route, datatype, case)
                    said[f"{route}/{datatype}/{case}"] = "ok"
                except Exception:
                    said[f"{route}/{datatype}/{case}"] = traceback.format_exc()
    for client in clients.values():
        await client.close()
    return said


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
