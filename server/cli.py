"""The `underway` command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from server.cli_compare import compare
from server.cli_doctor import doctor_command
from server.cli_models import models
from server.cli_publish import publish
from server.cli_token import token
from server.config import MIB, ConfigError, FrontendKind, ModelControl, Settings, read_config_file
from server.repository.errors import RepositoryError
from server.repository.store_url import StoreUrl, parse_location
from server.telemetry.compat import MetricsCompat
from server.telemetry.logs import FORMATS, LEVELS
from server.telemetry.observers import can_trace, endpoint_variable

if TYPE_CHECKING:
    from server.gateway import Addresses

SERVE_SETTINGS = (
    "model_repository", "host", "http_port", "grpc_port", "metrics_port", "max_message_bytes",
    "frontend", "frontends", "max_in_flight", "max_in_flight_rows", "max_in_flight_bytes",
    "max_model_in_flight_rows", "max_model_in_flight_bytes", "model_control", "load_model",
    "poll_interval", "quiet_period", "load_timeout", "load_retries", "load_retry_delay",
    "drain_timeout", "drain_delay", "max_connection_age", "required_model", "silence_timeout",
    "busy_timeout", "server_timing", "metrics_compat",
    "log_level", "log_format", "access_log_rate", "runtime_python", "model_config_file",
    "model_name", "model_base_path", "reload_folder", "allow_labels_of_unavailable_versions",
    "enable_batching", "batching_parameters_file", "model_cache",
    "model_cache_bytes", "access_file", "tls_certificate", "tls_key", "tls_client_ca",
)  # fmt: skip

SWITCH_INTERVAL = 0.0005
"""Seconds after which a thread lets others run; Python's own are ten times as many."""


Command = TypeVar("Command", bound=Callable[..., None])


class _Location(click.types.StringParamType):
    """A folder, or the URL of an object store; both in a list that `:` separates."""

    name = "dir or url"

    def split_envvar_value(self, rv: str) -> list[str]:
        """The parts of an environment variable: the colon of `s3://` separates nothing."""
        return re.split(r":(?!//)", rv)


def _setting(name: str, help_text: str, **extra: Any) -> Callable[[Command], Command]:
    """One `serve` option that is also an environment variable and a key of the config file."""
    return click.option(
        f"--{name}",
        envvar=f"UNDERWAY_{name.replace('-', '_').upper()}",
        show_envvar=True,
        show_default=True,
        help=help_text,
        **extra,
    )


def _use_config(context: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    if path is None:
        return
    try:
        context.default_map = read_config_file(path, SERVE_SETTINGS)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="underway")
def main() -> None:
    """Serve TorchScript, TensorFlow SavedModel and ONNX models side by side.

    \b
    Try it:
      underway demo models                       build four small real models
      underway serve --model-repository models   serve them over REST and gRPC
      underway models                            see what is being served
      underway doctor --model-repository models  see what would keep it from serving
    """


@main.command()
@_setting("model-repository", "Folder of models, DIR/MODEL/VERSION/artifact, or an object store: "
          "s3://BUCKET/PREFIX, gs://, az:// or hf://. May be repeated.",
          multiple=True, type=_Location())  # fmt: skip
@_setting("model-cache", "Folder for versions from object stores, this server's alone; unless "
          "given, in the user's cache folder.", type=click.Path(path_type=Path))  # fmt: skip
@_setting("model-cache-bytes", "What may lie in it; the versions longest out of use make room.",
          default=50 * 1024 * MIB, type=int)  # fmt: skip
@_setting("model-config-file", "TensorFlow Serving's file of models, each with its base path; "
          "followed while the server runs.", type=click.Path(path_type=Path))  # fmt: skip
@_setting("model-base-path", "Folder of the versions of one model, or such a prefix of an object "
          "store, in place of such a file.", type=_Location())  # fmt: skip
@_setting("model-name", "The name of that one model.", default="default")
@_setting("reload-folder", "Folder, or prefix of an object store, in which a call that replaces "
          "the models may name base paths; unless given, where those of the start lie. May be "
          "repeated.", multiple=True, type=_Location())  # fmt: skip
@_setting("allow-labels-of-unavailable-versions", "Such a call may label versions that are not "
          "READY; a label then waits for its version.", is_flag=True, default=False)  # fmt: skip
@_setting("enable-batching", "Join waiting requests, also of models whose settings do not say.",
          is_flag=True, default=False)  # fmt: skip
@_setting("batching-parameters-file", "TensorFlow Serving's file that says how.",
          type=click.Path(path_type=Path))  # fmt: skip
@_setting("access-file", "YAML file that says who may do what, by tokens (`underway token`); "
          "else everybody may do everything.", type=click.Path(path_type=Path))  # fmt: skip
@_setting("host", "Address to listen on; 0.0.0.0 for all.", default="127.0.0.1")
@_setting("http-port", "REST port; 0 for any free one.", default=8000, type=int)
@_setting("grpc-port", "gRPC port; 0 for any free one.", default=8001, type=int)
@_setting("metrics-port", "Prometheus port; 0 for any free one.", default=8002, type=int)
@_setting("tls-certificate", "PEM file with the server's certificate and those that vouch for it: "
          "all ports speak TLS. Followed while the server runs, so that it can be renewed.",
          type=click.Path(path_type=Path))  # fmt: skip
@_setting("tls-key", "PEM file with its key, not encrypted.", type=click.Path(path_type=Path))
@_setting("tls-client-ca", "PEM file with the authorities of clients: those of REST and gRPC must "
          "show a certificate.", type=click.Path(path_type=Path))  # fmt: skip
@_setting("max-message-bytes", "Largest request and answer, for REST and gRPC alike.",
          default=64 * MIB, type=int)  # fmt: skip
@_setting("frontend", "What carries REST and gRPC: servers in Python, or Envoy with Python in it, "
          "which takes less of the CPU for gRPC and needs the extra `envoy`.",
          default="python", type=click.Choice([kind.value for kind in FrontendKind]))  # fmt: skip
@_setting("frontends", "Processes that share the REST and gRPC ports; 0: by the number of "
          "CPUs.", default=0, type=int)  # fmt: skip
@_setting("max-in-flight", "Requests in one worker before more are refused.",
          default=1024, type=int)  # fmt: skip
@_setting("max-in-flight-rows", "Rows in flight in all before more are refused.",
          default=65_536, type=int)  # fmt: skip
@_setting("max-in-flight-bytes", "Bytes of inputs in flight in all before more are refused.",
          default=1024 * MIB, type=int)  # fmt: skip
@_setting("max-model-in-flight-rows", "The same of one model.", default=16_384, type=int)
@_setting("max-model-in-flight-bytes", "The same of one model.",
          default=512 * MIB, type=int)  # fmt: skip
@_setting("model-control", "Who decides what is loaded: the repository once (none), the "
          "repository whenever it changes (poll), or load and unload calls (explicit).",
          default="poll", type=click.Choice([kind.value for kind in ModelControl]))  # fmt: skip
@_setting("load-model", "Model to load at the start under explicit control; * for all. May be "
          "repeated.", multiple=True)  # fmt: skip
@_setting("poll-interval", "Seconds between looks at the repositories; changes the file system "
          "reports are seen at once.", default=2.0, type=float)  # fmt: skip
@_setting("quiet-period", "Seconds without a change before a version without a manifest counts as "
          "completely copied.", default=2.0, type=float)  # fmt: skip
@_setting("load-timeout", "Seconds a model may take to load.", default=300.0, type=float)
@_setting("load-retries", "How often a failed load is tried again.", default=5, type=int)
@_setting("load-retry-delay", "Seconds before the first retry; doubled for each further one.",
          default=5.0, type=float)  # fmt: skip
@_setting("silence-timeout", "Seconds without a sign of life before a worker is replaced.",
          default=10.0, type=float)  # fmt: skip
@_setting("busy-timeout", "Seconds one batch may take before its worker is replaced.",
          default=300.0, type=float)  # fmt: skip
@_setting("drain-timeout", "Seconds for requests in flight when stopping.",
          default=30.0, type=float)  # fmt: skip
@_setting("drain-delay", "Seconds to serve on after SIGTERM, not ready any more, so that load "
          "balancers turn away first; 10 in Kubernetes.", default=0.0, type=float)  # fmt: skip
@_setting("max-connection-age", "Seconds after which clients are asked to connect anew, a tenth "
          "more or less; 0 for never.", default=0.0, type=float)  # fmt: skip
@_setting("required-model", "Model without which the server is not ready. May be repeated.",
          multiple=True)  # fmt: skip
@_setting("runtime-python", "NAME=PATH: interpreter of the environment that has runtime NAME's "
          "framework. May be repeated.", multiple=True)  # fmt: skip
@_setting("server-timing", "Tell with every answer where its time went: the header Server-Timing, "
          "and trailing metadata over gRPC.", default=True, type=bool)  # fmt: skip
@_setting("metrics-compat", "Also give metrics under the names of another server. May be "
          "repeated.", multiple=True,
          type=click.Choice([kind.value for kind in MetricsCompat]))  # fmt: skip
@_setting("log-level", "How much to log.", default="info", type=click.Choice(LEVELS))
@_setting("log-format", "Log lines as text or JSON; auto: text on a terminal.",
          default="auto", type=click.Choice(FORMATS))  # fmt: skip
@_setting("access-log-rate", "Part of the requests to log, 0 (none) to 1 (all).", default=0.0)
@click.option("--config", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              is_eager=True, expose_value=False, callback=_use_config, envvar="UNDERWAY_CONFIG",
              show_envvar=True, help="YAML file with any of these settings; `runtimes: "
              "{onnx: {python: PATH}}` stands for --runtime-python.")  # fmt: skip
def serve(**options: Any) -> None:
    """Serve every model in the given repositories until stopped.

    A setting comes from the command line, else from its environment variable, else from the
    config file, else it is the default. Ctrl-C or SIGTERM finishes what is in flight and exits.
    """
    try:
        _run(_settings(options))
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


@main.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--serve", "then_serve", is_flag=True, help="Serve it at once and print an example.")
@click.option("--bench", is_flag=True,
              help="Bigger models instead, to measure with: ResNet-50 and BERT-base shapes with "
              "seeded weights, in three formats each.")  # fmt: skip
@click.option("--bench-scale", type=click.Choice(["full", "tiny"]), default="full",
              show_default=True, help="tiny: the same code in seconds.")  # fmt: skip
@click.option("--http-port", default=8000, show_default=True, help="REST port when serving.")
@click.option("--grpc-port", default=8001, show_default=True, help="gRPC port when serving.")
@click.option("--metrics-port", default=8002, show_default=True, help="Prometheus port.")
def demo(directory: Path, then_serve: bool, bench: bool, bench_scale: str, http_port: int,
         grpc_port: int, metrics_port: int) -> None:  # fmt: skip
    """Build a model repository of real, small models in DIRECTORY.

    One CNN for handwritten digits, trained here and exported as TorchScript, SavedModel and ONNX,
    and a text classifier that takes strings. Needs the frameworks; takes about a minute, and
    nothing at all when DIRECTORY already holds them.
    """
    # A process of its own: the gateway never imports a framework.
    flags = ["--bench", "--bench-scale", bench_scale] if bench else []
    command = [sys.executable, "-m", "server.demo", str(directory), *flags]
    built = subprocess.run(command, check=False)
    if built.returncode:
        raise SystemExit(built.returncode)
    if then_serve:
        try:
            _run(
                Settings((directory,), http_port=http_port, grpc_port=grpc_port,
                         metrics_port=metrics_port), None if bench else directory,
            )  # fmt: skip
        except ConfigError as error:
            raise click.UsageError(str(error)) from None


_GUARDS = ("ACCESS_FILE", "TLS_CERTIFICATE", "TLS_KEY", "TLS_CLIENT_CA")


def _check_guards() -> None:
    """An empty variable counts as none, which would leave open what was meant to be shut."""
    for name in _GUARDS:
        if os.environ.get(f"UNDERWAY_{name}") == "":
            raise ConfigError(f"UNDERWAY_{name} is set and empty; name a file, or unset it")


def _settings(options: dict[str, Any]) -> Settings:
    _check_guards()
    pythons = {}
    for pair in options.pop("runtime_python"):
        name, separator, path = pair.partition("=")
        if not separator or not path:
            raise ConfigError(f"runtime-python: expected NAME=PATH, got '{pair}'")
        pythons[name] = path
    repositories = _locations("model-repository", options.pop("model_repository"))
    base_path = options.pop("model_base_path")
    return Settings(
        repositories,
        runtime_pythons=pythons,
        frontend=FrontendKind(options.pop("frontend")),
        model_control=ModelControl(options.pop("model_control")),
        load_models=tuple(options.pop("load_model")),
        required_models=tuple(options.pop("required_model")),
        metrics_compat=tuple(
            MetricsCompat(name) for name in dict.fromkeys(options.pop("metrics_compat"))
        ),
        model_base_path=_location("model-base-path", base_path) if base_path else None,
        reload_folders=_locations("reload-folder", options.pop("reload_folder")),
        tracing=_traces_are_wanted(),
        **options,
    )


def _locations(setting: str, texts: Sequence[str]) -> tuple[Path | StoreUrl, ...]:
    return tuple(_location(setting, text) for text in texts)


def _location(setting: str, text: str) -> Path | StoreUrl:
    try:
        return parse_location(text)
    except RepositoryError as error:
        raise ConfigError(f"{setting}: {error.reason}") from None


def _traces_are_wanted() -> bool:
    """Whether OpenTelemetry's variables say where traces go. Raises ConfigError."""
    variable = endpoint_variable()
    if variable and not can_trace():
        raise ConfigError(
            f"{variable}: traces need OpenTelemetry: pip install 'underway[tracing]', or set "
            "OTEL_SDK_DISABLED=true"
        )
    return bool(variable)


main.add_command(compare)
main.add_command(models)
main.add_command(publish)
main.add_command(token)
main.add_command(doctor_command(serve.params, _settings))


def _run(settings: Settings, demo_repository: Path | None = None) -> None:
    # gRPC's fork handlers are for processes that fork and go on; ours start programs instead.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    if settings.tls is not None:
        # It would write a line for each client that cannot say TLS. Frontends inherit it.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Imported here, so that --help and `models` answer at once.
    import uvloop

    from server.app import serve
    from server.demo_hint import print_hint
    from server.memory import keep_freed_memory
    from server.telemetry.logs import configure_logs

    configure_logs(settings.log_level, settings.log_format)
    keep_freed_memory()

    def on_settled(addresses: Addresses) -> None:
        if demo_repository is not None:
            print_hint(demo_repository, addresses.host, addresses.http_port)

    # A thread that looks at the repository must not hold up the event loop for long.
    sys.setswitchinterval(SWITCH_INTERVAL)
    uvloop.run(serve(settings, on_settled))


if __name__ == "__main__":
    main()
