"""All checks for one set of settings, in the order in which a person would go through them."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from server import envoy_process
from server.config import ConfigError, FrontendKind, Settings
from server.doctor import interpreters, repository
from server.doctor.access import check_access
from server.doctor.finding import Finding, Grade
from server.doctor.interpreters import Need
from server.doctor.machine import check_machine, read_machine
from server.doctor.ports import check_port
from server.doctor.repository import Health, Served
from server.doctor.store import check_base, check_store
from server.lifecycle.footprint import MIB
from server.model_config import batching_defaults, served_set
from server.repository.errors import RepositoryError
from server.repository.served import ServedModel
from server.repository.store_url import StoreUrl

FRAMEWORKS = ("torchscript", "savedmodel", "onnx")
"""The runtimes that need a framework."""


def diagnose(settings: Settings, *, verify: bool, all_runtimes: bool) -> list[Finding]:
    """Everything there is to say; reads, and changes nothing.

    `verify` has all files with a manifest read, `all_runtimes` also those that no model needs.
    """
    machine = read_machine()
    findings = [*check_machine(machine), *check_frontend(settings.frontend), *_ports(settings)]
    findings.append(check_access(settings.access_file, settings.host))
    if settings.tls is not None:
        from server.doctor.certificate import check_certificate

        findings += check_certificate(settings.tls, time.time())
    health = _repositories(settings, verify=verify)
    findings += health.findings
    findings += check_room(health.served, machine.memory_free)
    needs = interpreters.needs_of([(one.model, one.runtime, one.devices) for one in health.served])
    findings += _runtimes(settings.runtime_pythons, needs, all_runtimes=all_runtimes)
    return findings


def refused(error: ConfigError) -> list[Finding]:
    """What is left to say where the settings cannot work."""
    advice = "the server would not start; `underway serve --help` has every setting"
    return [
        *check_machine(read_machine()),
        Finding("settings", "settings", Grade.PROBLEM, str(error), advice),
    ]


def check_frontend(kind: FrontendKind) -> list[Finding]:
    """Whether the frontend that is asked for can be had."""
    if kind is not FrontendKind.ENVOY:
        return []
    if missing := envoy_process.missing():
        return [Finding("machine", "frontend", Grade.PROBLEM, "Envoy cannot be used", missing)]
    return [Finding("machine", "frontend", Grade.OK, "Envoy can be used")]


def check_room(served: Iterable[Served], free: int | None) -> list[Finding]:
    """Whether all that would be served fits into memory; `free` is in bytes, None if unknown."""
    need = sum(one.footprint for one in served)
    details = {"need_bytes": need, "free_bytes": free}
    if free is None or not need:
        return []
    text = f"all models together need about {need / MIB:.0f} MiB, {free / MIB:.0f} MiB are free"
    if need <= free:
        return [Finding("models", "memory", Grade.OK, text, details=details)]
    advice = "give more memory, or serve fewer; models on a GPU need less of the host than this"
    return [Finding("models", "memory", Grade.WARNING, text, advice, details)]


def to_ask(
    needed: Collection[str], configured: Collection[str], *, all_runtimes: bool
) -> list[str]:
    """The runtimes whose interpreters are asked: those that matter, or all where nothing is known
    of what will.
    """
    matter = {*needed, *configured}
    return [name for name in FRAMEWORKS if all_runtimes or not matter or name in matter]


def _ports(settings: Settings) -> list[Finding]:
    ports = (("http-port", settings.http_port), ("grpc-port", settings.grpc_port),
             ("metrics-port", settings.metrics_port))  # fmt: skip
    return [check_port(name, settings.host, port) for name, port in ports]


def _repositories(settings: Settings, *, verify: bool) -> Health:
    findings: list[Finding] = []
    readable: list[Path] = []
    in_stores: set[str] = set()
    for number, given in enumerate(settings.model_repositories, start=1):
        if isinstance(given, StoreUrl):
            finding, names = check_store(number, given)
            in_stores.update(names)
        else:
            finding = repository.check_folder(number, given)
            if finding.grade is not Grade.PROBLEM:
                readable.append(given)
        findings.append(finding)
    try:
        named, batching = _named(settings, findings), batching_defaults(settings)
    except ConfigError as error:
        findings.append(Finding("repositories", "model-config", Grade.PROBLEM, str(error)))
        named, batching = (), None
    for model in named:
        if isinstance(where := model.location, StoreUrl):
            findings.append(check_base(model, where))
            in_stores.add(model.name)
    named = [model for model in named if isinstance(model.location, Path)]
    try:
        listing = repository.look(readable, named, batching, settings.quiet_period)
    except RepositoryError as error:  # gone since a moment ago
        findings.append(Finding("repositories", "repository", Grade.PROBLEM, error.reason))
        return Health(findings, [])
    required = [name for name in settings.required_models if name not in in_stores]
    health = repository.examine(listing, required, verify=verify, elsewhere=bool(in_stores))
    return Health([*findings, *health.findings], health.served)


def _named(settings: Settings, findings: list[Finding]) -> Sequence[ServedModel]:
    """The models of the model config; what has no effect in it is added to `findings`."""
    models = served_set(settings)
    if models is None:
        return ()
    now = models.look(time.time(), settings.quiet_period)
    findings += [Finding("repositories", "model-config", Grade.WARNING, note) for note in now.notes]
    return now.models


def _runtimes(
    pythons: Mapping[str, str], needs: Mapping[str, Need], *, all_runtimes: bool
) -> list[Finding]:
    names = to_ask(needs, pythons, all_runtimes=all_runtimes)
    used = {name: pythons.get(name, interpreters.default_python()) for name in names}
    driver = interpreters.has_driver()
    with ThreadPoolExecutor(len(FRAMEWORKS)) as threads:
        told = list(threads.map(interpreters.ask, used, used.values()))
    return [
        finding
        for (name, python), one in zip(used.items(), told, strict=True)
        for finding in interpreters.judge(name, python, one, needs.get(name, Need()), driver=driver)
    ]
