"""What is to be compared and how: the file that `underway compare` reads, checked as a whole."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml

from loadtests.generator.plan import Moments
from loadtests.generator.target import TargetProtocol
from loadtests.generator.trust import is_tls

MAX_CANDIDATES = 12
MAX_SPEC_BYTES = 256 * 1024

TERMS = ("protocol", "rows", "threads", "workers", "device", "precision", "batching", "frontends")
"""What has to be the same for every candidate, unless a difference is asked for."""

Positive = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
Count = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
Scalar = str | int | float | bool

KEPT_FLAGS = ("model_repository", "model_config_file", "model_base_path", "model_name", "config",
              "http_port", "grpc_port", "metrics_port", "host", "log_format", "log_level",
              "frontends")  # fmt: skip
"""Settings of a server that the comparison makes itself; `frontends` is one of the terms."""


URL = re.compile(r"^((https?|grpcs?)://)?[^/\s@?#]+:\d{1,5}/?$")
"""What the generator can reach."""


class SpecError(Exception):
    """The spec can't be used; the message names the field and what was expected."""


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of the spec: unknown fields are refused."""


class Terms(_Part, frozen=True, kw_only=True):
    """The same for every candidate: fields of model.yaml, and how many frontends serve."""

    threads: Count = 1
    workers: Count = 1
    device: Name = "cpu"
    precision: Literal["fp32", "tf32", "fp16"] = "fp32"
    batching: dict[str, Any] | None = None
    frontends: Count = 1


class Parity(_Part, frozen=True, kw_only=True):
    """When answers count as the same: within `atol + rtol * |reference|`, and top-1 alike."""

    reference: str = ""
    rtol: Annotated[float, msgspec.Meta(ge=0)] = 1e-3
    atol: Annotated[float, msgspec.Meta(ge=0)] = 1e-4
    top1: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0


class Candidate(_Part, frozen=True, kw_only=True):
    """A model's folder to be served by an Underway, or with `url` a model of another server.

    `settings` are fields of model.yaml and `server` flags of `underway serve`, over the terms.
    Of another server `terms` are what is known of it, `pid` its process on this machine, `rest`
    where it gives statistics if `url` does not. `names` are its names for the reference's tensors.
    `ca_file` has the authorities that vouch for it over TLS, instead of the system's; with
    `insecure` nobody need do so. `token_file` has the token that it is shown.
    """

    name: Name
    model: Name
    settings: dict[str, Any] = {}
    server: dict[str, Scalar] = {}
    url: str = ""
    rest: str = ""
    pid: Annotated[int, msgspec.Meta(ge=0)] = 0
    ca_file: str = ""
    insecure: bool = False
    token_file: str = ""
    protocol: TargetProtocol | None = None
    terms: dict[str, Any] = {}
    names: dict[str, str] = {}


class Spec(_Part, frozen=True, kw_only=True):
    """Rates are requests per second; without any they are shares of what the best can do."""

    title: Name = "Comparison"
    candidates: Annotated[list[Candidate], msgspec.Meta(min_length=1, max_length=MAX_CANDIDATES)]
    protocol: TargetProtocol = "rest"
    rows: Count = 1
    rates: Annotated[list[Positive], msgspec.Meta(max_length=20)] = []
    rounds: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5
    seconds: Positive = 5.0
    warm_up_seconds: Positive = 2.0
    moments: Moments = "poisson"
    clients: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 8
    in_flight: Annotated[int, msgspec.Meta(ge=1, le=5000)] = 100
    target_p99_ms: Positive = 20.0
    saturation: bool = True
    swap: bool = True
    together: bool = False
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 1
    terms: Terms = Terms()
    allow_differences: list[Literal["protocol", "rows", "threads", "workers", "device",
                                    "precision", "batching", "frontends"]] = []  # fmt: skip
    parity: Parity = Parity()

    @property
    def reference(self) -> Candidate:
        """Whose answers the others are held against."""
        wanted = self.parity.reference or self.candidates[0].name
        return next(candidate for candidate in self.candidates if candidate.name == wanted)

    def protocol_of(self, candidate: Candidate) -> TargetProtocol:
        """How it is asked."""
        return candidate.protocol or self.protocol


def read_spec(path: Path) -> tuple[Spec, str]:
    """The spec in a file, and the file's text. Raises SpecError."""
    try:
        if path.stat().st_size > MAX_SPEC_BYTES:
            raise SpecError(f"{path}: larger than {MAX_SPEC_BYTES} bytes")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SpecError(f"{path}: can't be read ({reason})") from None
    return parse_spec(text), text


def parse_spec(text: str) -> Spec:
    """The spec in a YAML text. Raises SpecError."""
    try:
        spec = msgspec.convert(yaml.safe_load(text), Spec)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise SpecError(f"not YAML: {getattr(error, 'problem', 'unreadable')}{where}") from None
    except (msgspec.ValidationError, RecursionError) as error:
        raise SpecError(str(error)) from None
    complaints = [*_of_names(spec), *(text for one in spec.candidates for text in _of(one))]
    if complaints:
        raise SpecError("\n".join(complaints))
    return spec


def _of_names(spec: Spec) -> list[str]:
    counts = Counter(candidate.name for candidate in spec.candidates)
    found = [
        f"candidates: the name '{name}' is there {count} times, expected once"
        for name, count in counts.items()
        if count > 1
    ]
    reference = spec.parity.reference
    if reference and reference not in counts:
        found.append(f"parity.reference: expected one of {', '.join(counts)}, got '{reference}'")
    return found


def _of(candidate: Candidate) -> list[str]:
    at = f"candidate '{candidate.name}'"
    found = [
        f"{at}: server.{flag}: the comparison sets this itself"
        for flag in candidate.server
        if flag.replace("-", "_") in KEPT_FLAGS[:-1]
    ]
    found += [
        f"{at}: terms.{term}: expected one of {', '.join(TERMS)}"
        for term in candidate.terms
        if term not in TERMS
    ]
    if candidate.url and (candidate.settings or candidate.server):
        found.append(f"{at}: settings and server are for models that an Underway is started for, "
                     "not for one at a url; say terms instead")  # fmt: skip
    for field, url in (("url", candidate.url), ("rest", candidate.rest)):
        if url and not URL.match(url):
            found.append(f"{at}: {field}: expected http://HOST:PORT or https://HOST:PORT, for gRPC "
                         f"HOST:PORT or grpcs://HOST:PORT, got '{url}'")  # fmt: skip
    if not candidate.url and (candidate.terms or candidate.pid or candidate.rest):
        found.append(f"{at}: terms, pid and rest are for another server by url; say settings")
    if not candidate.url and candidate.token_file:
        found.append(f"{at}: token_file is for another server by url")
    if "\0" in candidate.token_file:
        found.append(f"{at}: token_file: expected a path")
    if not candidate.url and candidate.protocol == "torchserve":
        found.append(f"{at}: protocol torchserve is for another server by url")
    over_tls = is_tls(candidate.url) or is_tls(candidate.rest)
    if (candidate.ca_file or candidate.insecure) and not over_tls:
        found.append(f"{at}: ca_file and insecure are for a url with https:// or grpcs://")
    if candidate.insecure and candidate.url.startswith("grpcs://"):
        found.append(f"{at}: insecure: gRPC always checks certificates; say ca_file instead")
    return found
