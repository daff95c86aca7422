"""Who would be answered: by the access file, or by the address alone."""

from __future__ import annotations

import stat
from pathlib import Path

from server.access.file import AccessFileError, read_access_file, rules_in
from server.doctor.finding import Finding, Grade
from server.frontends.operator_guard import is_local

AREA = "access"


def check_access(path: Path | None, host: str) -> Finding:
    """What the access file at `path` says, or that there is none."""
    if path is None:
        return _without(host)
    try:
        rules = rules_in(read_access_file(path))
        mode = path.stat().st_mode
    except OSError as error:  # gone since a moment ago
        return Finding(AREA, "access-file", Grade.PROBLEM, f"'{path}': {error.strerror}")
    except AccessFileError as error:
        return Finding(
            AREA, "access-file", Grade.PROBLEM, str(error), "docs/access.md has the form"
        )
    anonymous = sorted(rules.anonymous)
    details = {"tokens": len(rules.holders), "anonymous": anonymous}
    if not rules.holders and not anonymous:
        text, advice = "nobody may do anything", "add tokens; `underway token` makes them"
        return Finding(AREA, "access-file", Grade.WARNING, text, advice, details)
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        text = "others than its owner may write to it, and so give themselves every right"
        return Finding(AREA, "access-file", Grade.WARNING, text, f"`chmod go-w {path}`", details)
    text = f"{len(rules.holders)} tokens; without one: {', '.join(anonymous) or 'nothing'}"
    return Finding(AREA, "access-file", Grade.OK, text, details=details)


def _without(host: str) -> Finding:
    if is_local(host):
        text = "everybody on this machine may do everything; --access-file would say who"
        return Finding(AREA, "access-file", Grade.OK, text)
    advice = (
        "give rights to tokens with --access-file; where all may do everything on purpose, "
        "`anonymous: [infer, control, metrics, operate]` in it says so"
    )
    text = f"everybody who can reach {host} may do everything"
    return Finding(AREA, "access-file", Grade.WARNING, text, advice)
