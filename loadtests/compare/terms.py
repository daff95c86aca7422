"""The terms each candidate is measured on, and whether they may be compared (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from loadtests.compare.spec import TERMS, Candidate, Spec
from loadtests.generator.trust import is_tls

UNKNOWN = "not stated"
"""Of another server whose terms the spec does not tell."""

TermValues = dict[str, str]
"""A candidate's terms by their names, as they are shown."""


def model_settings(spec: Spec, candidate: Candidate, own: Mapping[str, Any]) -> dict[str, Any]:
    """The model.yaml it is served with: its own, with the terms, with its settings over them."""
    common = {
        "threads": spec.terms.threads,
        "workers": spec.terms.workers,
        "device": spec.terms.device,
        "precision": spec.terms.precision,
        "batching": spec.terms.batching,
    }
    merged = {**own, **common, **candidate.settings}
    if isinstance(merged.get("workers"), dict) and "devices" in merged["workers"]:
        del merged["device"]  # model.yaml takes only one of them
    if merged["batching"] is None:
        del merged["batching"]
    return merged


def frontends(spec: Spec, candidate: Candidate) -> int:
    """How many frontend processes its server has."""
    return int(candidate.server.get("frontends", spec.terms.frontends))


def terms_of(
    spec: Spec, candidate: Candidate, settings: Mapping[str, Any], devices: str = ""
) -> TermValues:
    """`settings` is what `model_settings` gave; `devices` is where it was found to run."""
    protocol = spec.protocol_of(candidate)
    if candidate.url:
        stated = {name: _shown(value) for name, value in candidate.terms.items()}
        over_tls = " over TLS" if is_tls(candidate.url) else ""
        common = {"protocol": protocol + over_tls, "rows": str(spec.rows)}
        return dict.fromkeys(TERMS, UNKNOWN) | stated | common
    return {
        "protocol": protocol,
        "rows": str(spec.rows),
        "threads": _shown(settings.get("threads")),
        "workers": _shown(settings.get("workers")),
        "device": devices or _shown(settings.get("device", "see workers")),
        "precision": _shown(settings.get("precision")),
        "batching": _shown(settings.get("batching", "off")),
        "frontends": str(frontends(spec, candidate)),
    }


def differences(terms: Mapping[str, TermValues]) -> dict[str, dict[str, list[str]]]:
    """By term that is not the same for all: its values, each with the candidates that have it."""
    found: dict[str, dict[str, list[str]]] = {}
    for term in TERMS:
        values: dict[str, list[str]] = {}
        for name, own in terms.items():
            if own[term] != UNKNOWN:
                values.setdefault(own[term], []).append(name)
        if len(values) > 1:
            found[term] = values
    return found


def refusal(spec: Spec, terms: Mapping[str, TermValues]) -> str:
    """Why these candidates are not compared; nothing where they may be."""
    lines = [
        f"{term}: " + "; ".join(f"{value} ({', '.join(who)})" for value, who in values.items())
        for term, values in differences(terms).items()
        if term not in spec.allow_differences
    ]
    if not lines:
        return ""
    wanted = ", ".join(line.partition(":")[0] for line in lines)
    return (
        "the candidates are not on the same terms:\n  "
        + "\n  ".join(lines)
        + f"\nMake them the same, or say that it is meant: allow_differences: [{wanted}]"
    )


def _shown(value: object) -> str:
    if value is None:
        return "off"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
