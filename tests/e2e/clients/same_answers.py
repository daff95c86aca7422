"""Asks every demo model the same by REST JSON, REST binary and gRPC.

Usage: python same_answers.py REST-ADDRESS GRPC-ADDRESS QUESTIONS.npz ANSWERS.npz

QUESTIONS is as `questions.pack` makes it, with `images`. ANSWERS has `ROUTE/MODEL/SIZE` for each
digits model and batch size, and `ROUTE/label`, `ROUTE/score`.
"""

import asyncio
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[3]))

DIGITS = ("digits-torchscript", "digits-savedmodel", "digits-onnx")


async def main(rest: str, grpc: str, questions: str, answers: str) -> None:
    from tests.e2e.clients.flavour import Flavour
    from tests.e2e.clients.questions import SIZES, batches, unpack

    asked = np.load(questions)
    texts = np.array(unpack(asked), np.object_)
    routes = {"json": ("http", rest), "binary": ("http", rest), "grpc": ("grpc", grpc)}
    said: dict[str, np.ndarray] = {}
    for route, (flavour, address) in routes.items():
        client = Flavour(flavour, address)
        binary = route == "binary"

        async def ask(
            model: str,
            name: str,
            array: np.ndarray,
            *outputs: str,
            client: Flavour = client,
            binary: bool = binary,
        ) -> list[np.ndarray]:
            wanted = [client.output(output, binary=binary) for output in outputs]
            given = client.input(name, array, binary=binary)
            result = await client.infer(model, given, outputs=wanted)
            return [result.as_numpy(output) for output in outputs]

        for model in DIGITS:
            for size in SIZES:
                parts = [
                    (await ask(model, "image", batch, "probabilities"))[0]
                    for batch in batches(asked["images"], size)
                ]
                said[f"{route}/{model}/{size}"] = np.concatenate(parts)
        labels, said[f"{route}/score"] = await ask("language", "text", texts, "label", "score")
        said[f"{route}/label"] = np.array(
            [label.decode() if isinstance(label, bytes) else label for label in labels]
        )
        await client.close()
    np.savez(answers, **said)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
