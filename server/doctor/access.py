"""Who would be answered: by the access file, or by the address alone."""

from __future__ import annotations

from pathlib import Path

from server.access.file import AccessFileError, read_access_file, rules_in
from server.doctor.finding import Finding, Grade
from server.frontends.operator_guard import is_local

AREA = "access"


def check_access(path: Path | None, host: str) -> Finding:
    """What the access file at `path` says, or that there is none."""
    if path is None:
        who = "on this machine" if is_local(host) else f"who can reach {host}"
        text = f"everybody {who} may do everything; --access-file gives rights to tokens"
        return Finding(AREA, "access-file", Grade.OK, text)
    try:
        rules = rules_in(read_access_file(path))
    except AccessFileError as error:
        return Finding(
            AREA, "access-file", Grade.PROBLEM, str(error), "docs/access.md has the form"
        )
    anonymous = sorted(rules.anonymous)
    details = {"tokens": len(rules.holders), "anonymous": anonymous}
    if not rules.holders and not anonymous:
        text, advice = "nobody may do anything", "add tokens; `underway token` makes them"
        return Finding(AREA, "access-file", Grade.WARNING, text, advice, details)
    text = f"{len(rules.holders)} tokens; without one: {', '.join(anonymous) or 'nothing'}"
    return Finding(AREA, "access-file", Grade.OK, text, details=details)
