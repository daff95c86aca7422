"""The Open Inference Protocol's routes, and what the OpenAPI page says of them."""

from __future__ import annotations

from fastapi import FastAPI

from server.frontends.limits import FrontendLimits
from server.frontends.open_inference.infer_docs import INFER
from server.frontends.open_inference.infer_door import InferDoor
from server.frontends.open_inference.openapi import (
    MODEL,
    MODEL_VERSION,
    Operation,
    add,
    json_request,
)
from server.frontends.open_inference.rest_models import ModelEndpoints
from server.frontends.open_inference.rest_repository import RepositoryEndpoints
from server.frontends.open_inference.rest_settings import SettingsEndpoints
from server.frontends.open_inference.rest_shared_memory import SharedMemoryEndpoints
from server.frontends.open_inference.schemas import ref
from server.planes import ControlPlane, DataPlane

_BOTH = (MODEL, MODEL_VERSION)
_CONTROL_ERRORS = (400, 404, 413, 500, 501, 503)


def add_routes(
    app: FastAPI,
    data: DataPlane,
    control: ControlPlane,
    limits: FrontendLimits,
    infer: InferDoor,
) -> None:
    """Serve the whole protocol from `app`, inference by `infer` where it comes this way."""
    # Routes are tried in order: those with fixed words before those with a model's name in the
    # same place.
    add(app, "POST", [f"{path}/infer" for path in _BOTH], infer.by_the_framework, INFER)
    models = ModelEndpoints(data, control, limits)
    _add_health(app, models)
    _add_models(app, models)
    _add_repository(app, RepositoryEndpoints(control, limits))
    _add_settings(app, SettingsEndpoints(data, control, limits))
    for kind in ("system", "cuda"):
        _add_shared_memory(app, kind, SharedMemoryEndpoints(kind))


def _add_health(app: FastAPI, models: ModelEndpoints) -> None:
    live = Operation("Liveness", "200 while the server runs.", errors=(503,), bare=True)
    add(app, "GET", ["/v2/health/live"], models.live, live)
    ready = Operation(
        "Readiness",
        "200 once the models found at the start are served, until the server stops.",
        errors=(503,),
        bare=True,
    )
    add(app, "GET", ["/v2/health/ready"], models.ready, ready)
    model = Operation(
        "Model readiness",
        "200 when the version, or the default one, can answer.",
        errors=(404, 503),
    )
    add(app, "GET", [f"{path}/ready" for path in _BOTH], models.model_ready, model)


def _add_models(app: FastAPI, models: ModelEndpoints) -> None:
    server = Operation("Server metadata", "Name, version, extensions.", ref("ServerMetadata"))
    add(app, "GET", ["/v2"], models.server_metadata, server)
    every = Operation("Statistics", "Totals of every model version.", ref("Statistics"))
    add(app, "GET", ["/v2/models/stats"], models.statistics, every)
    one = Operation(
        "Model statistics",
        "Totals of one version, or of all of one model.",
        ref("Statistics"),
        errors=(404, 503),
    )
    add(app, "GET", [f"{path}/stats" for path in _BOTH], models.model_statistics, one)
    metadata = Operation(
        "Model metadata",
        "Ready versions, platform, inputs and outputs.",
        ref("ModelMetadata"),
        errors=(404, 503),
    )
    add(app, "GET", _BOTH, models.model_metadata, metadata)
    config = Operation(
        "Model configuration",
        "What is configured for the model, and what its artifact told.",
        ref("ModelConfig"),
        errors=(404, 503),
    )
    add(app, "GET", [f"{path}/config" for path in _BOTH], models.config, config)


def _add_repository(app: FastAPI, repository: RepositoryEndpoints) -> None:
    index = Operation(
        "Repository index",
        "Every known model version with its state, and the reason where it is not ready.",
        ref("Index"),
        json_request("IndexRequest"),
        errors=(400, 413),
    )
    add(app, "POST", ["/v2/repository/index"], repository.index, index)
    models = "/v2/repository/models/{model}"
    load = Operation(
        "Load a model",
        "Load or reload it from the repository; answered once it serves.",
        body=json_request("LoadRequest"),
        errors=_CONTROL_ERRORS,
    )
    add(app, "POST", [f"{models}/load"], repository.load, load)
    unload = Operation(
        "Unload a model",
        "Stop serving it.",
        body=json_request("UnloadRequest"),
        errors=_CONTROL_ERRORS,
    )
    add(app, "POST", [f"{models}/unload"], repository.unload, unload)
    named = Operation(
        "A named repository", "Not offered: a model is known by its name alone.", errors=(501,)
    )
    repositories = "/v2/repository/{repository}"
    paths = ["/index", "/models/{model}/load", "/models/{model}/unload"]
    add(app, "POST", [repositories + path for path in paths], repository.named_repository, named)


def _add_settings(app: FastAPI, settings: SettingsEndpoints) -> None:
    trace = Operation("Trace settings", "Which requests are traced.", ref("Settings"))
    log = Operation("Log settings", "What is logged.", ref("Settings"))
    change = Operation(
        "Change settings",
        "Answers with all settings as they are then; null asks for what holds by default.",
        ref("Settings"),
        json_request("Settings"),
        errors=(400, 404, 413, 501),
    )
    for method, trace_is, log_is in (("GET", trace, log), ("POST", change, change)):
        add(app, method, ["/v2/trace/setting"], settings.trace, trace_is)
        add(app, method, [f"{MODEL}/trace/setting"], settings.model_trace, trace_is)
        add(app, method, ["/v2/logging"], settings.log, log_is)


def _add_shared_memory(app: FastAPI, kind: str, regions: SharedMemoryEndpoints) -> None:
    root = f"/v2/{kind}sharedmemory"
    one = f"{root}/region/{{region}}"
    status = Operation("Shared memory", "None: it is not offered.", ref("Regions"), errors=(404,))
    add(app, "GET", [f"{root}/status", f"{one}/status"], regions.status, status)
    register = Operation("Register shared memory", "Not offered.", errors=(501,))
    add(app, "POST", [f"{one}/register"], regions.register, register)
    unregister = Operation("Unregister shared memory", "Nothing to do.")
    add(app, "POST", [f"{root}/unregister", f"{one}/unregister"], regions.unregister, unregister)
