"""Writes the dashboards' JSON; `--check` only says whether what is there is fresh."""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.grafana.boards import gpus, one_model, overview, runtimes, swaps

BOARDS = (overview.BOARD, one_model.BOARD, swaps.BOARD, runtimes.BOARD, gpus.BOARD)
FOLDER = Path(__file__).parents[1] / "dashboards"


def texts() -> dict[Path, str]:
    """What is to be in each file."""
    return {FOLDER / f"{board.uid}.json": board.text() for board in BOARDS}


def stale() -> list[str]:
    """The files that are missing, differ, or belong to no dashboard."""
    wanted = texts()
    others = set(FOLDER.glob("*.json")) - wanted.keys()
    differ = {
        path for path, text in wanted.items() if not path.exists() or path.read_text() != text
    }
    return sorted(path.name for path in others | differ)


def main(arguments: list[str]) -> int:
    """The exit code."""
    if arguments == ["--check"]:
        if found := stale():
            print(f"not fresh: {', '.join(found)}; run make dashboards", file=sys.stderr)
        return int(bool(found))
    for path, text in texts().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
