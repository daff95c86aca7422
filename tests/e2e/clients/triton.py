"""Runs every check of one flavour of tritonclient and prints {check: "ok" or what went wrong}.

Usage: python triton.py FLAVOUR HOST:PORT
"""

import asyncio
import faulthandler
import json
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

LONGEST_S = 100


async def main(flavour: str, address: str) -> dict[str, str]:
    from tests.e2e.clients.every_check import checks_of
    from tests.e2e.clients.flavour import Flavour

    said: dict[str, str] = {}
    # One REST connection would let no second request be under way.
    options = {"concurrency": 8} if flavour == "http" else {}
    client = Flavour(flavour, address, **options)
    for check in checks_of(flavour):
        print(check.name, file=sys.stderr, flush=True)
        try:
            await check.body(client)
            said[check.name] = "ok"
        except Exception:
            said[check.name] = traceback.format_exc()
    await client.close()
    return said


if __name__ == "__main__":
    # Whatever hangs is then seen where it hangs.
    faulthandler.dump_traceback_later(LONGEST_S, exit=True)
    print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
