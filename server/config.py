"""The server's settings: one frozen object, built once from flags, environment and file.

Precedence: command line, then `UNDERWAY_*` environment, then the `--config` file, then defaults.
Nothing else in the project reads the environment or a settings file.
"""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path

from server.repository.names import NAME_RULE, is_model_name
from server.repository.plain_yaml import PlainYamlError, load
from server.repository.store_url import StoreUrl
from server.telemetry.compat import MetricsCompat
from server.tls.files import TlsFiles

MIB = 2**20
MAX_CONFIG_BYTES = MIB
_ABOVE_ZERO = (
    "max_in_flight", "max_in_flight_rows", "max_in_flight_bytes", "max_model_in_flight_rows",
    "max_model_in_flight_bytes", "poll_interval", "load_timeout", "load_retry_delay",
    "drain_timeout", "silence_timeout", "busy_timeout",
)  # fmt: skip
_NOT_BELOW_ZERO = ("quiet_period", "drain_delay", "max_connection_age")
MAX_FRONTENDS = 32
RUNTIMES = ("torchscript", "savedmodel", "onnx", "echo")


class ConfigError(Exception):
    """A setting is wrong; the text names it and says what is expected."""


class ModelControl(StrEnum):
    """Who decides what is loaded: the repository once, the repository always, or clients."""

    NONE = "none"
    POLL = "poll"
    EXPLICIT = "explicit"


class FrontendKind(StrEnum):
    """What carries requests: servers in Python, or Envoy with Python in it."""

    PYTHON = "python"
    ENVOY = "envoy"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything `underway serve` can be told. Times are seconds, sizes bytes. `tracing` says that
    OpenTelemetry's own variables, which its library reads, tell where traces go.
    """

    model_repositories: tuple[Path | StoreUrl, ...]
    host: str = "127.0.0.1"
    http_port: int = 8000
    grpc_port: int = 8001
    metrics_port: int = 8002
    max_message_bytes: int = 64 * MIB
    frontend: FrontendKind = FrontendKind.PYTHON
    frontends: int = 0
    max_in_flight: int = 1024
    max_in_flight_rows: int = 65_536
    max_in_flight_bytes: int = 1024 * MIB
    max_model_in_flight_rows: int = 16_384
    max_model_in_flight_bytes: int = 512 * MIB
    model_control: ModelControl = ModelControl.POLL
    load_models: tuple[str, ...] = ()
    poll_interval: float = 2.0
    quiet_period: float = 2.0
    load_timeout: float = 300.0
    load_retries: int = 5
    load_retry_delay: float = 5.0
    drain_timeout: float = 30.0
    drain_delay: float = 0.0
    max_connection_age: float = 0.0
    required_models: tuple[str, ...] = ()
    silence_timeout: float = 10.0
    busy_timeout: float = 300.0
    log_level: str = "info"
    log_format: str = "auto"
    access_log_rate: float = 0.0
    tracing: bool = False
    server_timing: bool = True
    metrics_compat: tuple[MetricsCompat, ...] = ()
    runtime_pythons: Mapping[str, str] = field(default_factory=dict)
    model_config_file: Path | None = None
    model_name: str = "default"
    model_base_path: Path | StoreUrl | None = None
    reload_folders: tuple[Path | StoreUrl, ...] = ()
    allow_labels_of_unavailable_versions: bool = False
    enable_batching: bool = False
    batching_parameters_file: Path | None = None
    access_file: Path | None = None
    model_cache: Path | None = None
    model_cache_bytes: int = 50 * 1024 * MIB
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None

    @property
    def has_model_config(self) -> bool:
        """Whether models are named one by one, beside those of model repositories."""
        return self.model_config_file is not None or self.model_base_path is not None

    @property
    def model_cache_folder(self) -> Path:
        """Where versions from object stores are kept: as given, else in the user's cache folder."""
        if self.model_cache is not None:
            return self.model_cache
        given = os.environ.get("XDG_CACHE_HOME", "")
        cache = Path(given) if given.startswith("/") else Path.home() / ".cache"
        return cache / "underway" / "models"

    @property
    def tls(self) -> TlsFiles | None:
        """The files of the server's certificate; None where it speaks no TLS."""
        if self.tls_certificate is None or self.tls_key is None:
            return None
        client_ca = str(self.tls_client_ca.absolute()) if self.tls_client_ca else ""
        return TlsFiles(
            str(self.tls_certificate.absolute()), str(self.tls_key.absolute()), client_ca
        )

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the setting."""
        if not self.model_repositories and not self.has_model_config:
            raise ConfigError(
                "model-repository: expected at least one folder, or --model-config-file; "
                "try `underway demo DIR` and then --model-repository DIR"
            )
        self._check_model_config()
        for folder in self.model_repositories:
            if isinstance(folder, Path) and not folder.is_dir():
                raise ConfigError(f"model-repository: '{folder}' is not a folder")
        if not self.host:
            # To a socket, no address is every address.
            raise ConfigError("host: expected an address; 0.0.0.0 for all")
        self._check_ports()
        self._check_tls()
        if self.max_message_bytes < 1024:
            raise ConfigError("max-message-bytes: expected 1024 or more")
        if self.max_message_bytes > 2**31 - 17 * MIB:
            raise ConfigError("max-message-bytes: expected less than 2 GiB, gRPC's own limit")
        if self.load_models and self.model_control is not ModelControl.EXPLICIT:
            raise ConfigError("load-model: only with --model-control explicit")
        if not 0 <= self.frontends <= MAX_FRONTENDS:
            raise ConfigError(
                f"frontends: expected 1 to {MAX_FRONTENDS}, or 0 to go by the number of CPUs"
            )
        if self.model_cache_bytes < MIB:
            raise ConfigError(f"model-cache-bytes: expected {MIB} or more")
        if self.load_retries < 0:
            raise ConfigError("load-retries: expected 0 or more")
        for name in _NOT_BELOW_ZERO:
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0:
                raise ConfigError(f"{name.replace('_', '-')}: expected 0 or more seconds")
        for model in self.required_models:
            if not is_model_name(model):
                raise ConfigError(
                    f"required-model: '{model}' is no model's name; expected {NAME_RULE}"
                )
        for name in _ABOVE_ZERO:
            value = getattr(self, name)
            if not math.isfinite(value) or value <= 0:
                raise ConfigError(f"{name.replace('_', '-')}: expected a number above 0")
        if not 0 <= self.access_log_rate <= 1:
            raise ConfigError("access-log-rate: expected a number from 0 (off) to 1 (all requests)")
        for runtime in self.runtime_pythons:
            if runtime not in RUNTIMES:
                raise ConfigError(
                    f"runtimes.{runtime}: no such runtime; expected one of {', '.join(RUNTIMES)}"
                )

    def _check_model_config(self) -> None:
        if self.model_config_file is not None and self.model_base_path is not None:
            raise ConfigError("model-base-path: not together with --model-config-file")
        if self.model_name != "default" and self.model_base_path is None:
            raise ConfigError("model-name: only with --model-base-path")
        if self.has_model_config and self.model_control is ModelControl.EXPLICIT:
            raise ConfigError(
                "model-control: not explicit with a model config, which says what is loaded; "
                "it can be replaced as a whole while the server runs"
            )
        if self.reload_folders and not self.has_model_config:
            raise ConfigError("reload-folder: only with --model-config-file or --model-base-path")
        for folder in self.reload_folders:
            if isinstance(folder, Path) and not folder.is_dir():
                raise ConfigError(f"reload-folder: '{folder}' is not a folder")
        if self.batching_parameters_file is not None and not self.enable_batching:
            raise ConfigError("batching-parameters-file: only with --enable-batching")

    def _check_tls(self) -> None:
        if self.tls_certificate is not None and self.tls_key is None:
            raise ConfigError("tls-key: expected with --tls-certificate, a file with its key")
        if self.tls_certificate is None and self.tls_key is not None:
            raise ConfigError("tls-certificate: expected with --tls-key, a file with the chain")
        if self.tls_client_ca is not None and self.tls is None:
            raise ConfigError("tls-client-ca: only with --tls-certificate and --tls-key")

    def _check_ports(self) -> None:
        ports = {
            "http-port": self.http_port,
            "grpc-port": self.grpc_port,
            "metrics-port": self.metrics_port,
        }
        for name, port in ports.items():
            if not 0 <= port <= 65535:
                raise ConfigError(f"{name}: {port} is no port; expected 0 (any free) to 65535")
        fixed = [port for port in ports.values() if port]
        if len(set(fixed)) != len(fixed):
            raise ConfigError(f"http-port, grpc-port and metrics-port must differ, got {fixed}")


def read_config_file(path: Path, known: tuple[str, ...]) -> dict[str, object]:
    """The settings in a YAML file, by flag name with underscores.

    `known` are the settings' names. `runtimes: {onnx: {python: PATH}}` becomes `runtime_python`,
    as the flag gives it. Raises ConfigError naming the key that is wrong.
    """
    settings = _content(path)
    if "runtimes" in settings:
        settings["runtime_python"] = _pythons(settings.pop("runtimes"))
    for key, value in settings.items():
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ConfigError(f"config: '{key}' is no setting{hint}")
        settings[key] = _checked(key, value)
    return settings


def _content(path: Path) -> dict[str, object]:
    """The file's settings with underscores in their names, their values as they stand there."""
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ConfigError(f"config: the file is over {MAX_CONFIG_BYTES} bytes")
        content = load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config: '{path}' cannot be read: {error}") from None
    except PlainYamlError as error:
        raise ConfigError(f"config: '{path}' is not valid YAML: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"config: '{path}' must hold `setting: value` lines")
    settings: dict[str, object] = {}
    for key, value in content.items():
        name = str(key).replace("-", "_")
        if name in settings:
            raise ConfigError(f"config: '{name}' is given twice")
        settings[name] = value
    return settings


def _checked(key: str, value: object) -> object:
    """`value` in the form its flag gives it; nothing is converted silently."""
    if key in _LISTS:
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(item, str) for item in values):
            raise ConfigError(f"config: {key}: expected a text or a list of texts")
        return values
    if key == "metrics_compat":
        values = value if isinstance(value, list) else [value]
        if any(item not in list(MetricsCompat) for item in values):
            raise ConfigError(
                f"config: {key}: expected one or a list of {', '.join(MetricsCompat)}"
            )
        return values
    if key in _PATHS and value == "":
        raise ConfigError(f"config: {key}: expected a path")
    kind = str if key in _PATHS else _KINDS[key]
    if issubclass(kind, StrEnum):
        if value not in list(kind):
            raise ConfigError(f"config: {key}: expected one of {', '.join(kind)}")
    elif type(value) is not kind and not (kind is float and type(value) is int):
        raise ConfigError(f"config: {key}: expected {_WORDS[kind]}")
    return value


def _pythons(runtimes: object) -> list[str]:
    if not isinstance(runtimes, dict):
        raise ConfigError("config: runtimes: expected `runtimes: {NAME: {python: PATH}}`")
    pythons = []
    for name, options in runtimes.items():
        if not isinstance(options, dict) or set(options) != {"python"}:
            raise ConfigError(f"config: runtimes.{name}: expected `python: PATH` and nothing else")
        if not isinstance(options["python"], str):
            raise ConfigError(f"config: runtimes.{name}.python: expected a path")
        pythons.append(f"{name}={options['python']}")
    return pythons


_KINDS: Mapping[str, type] = {item.name: type(item.default) for item in fields(Settings)}
_LISTS = ("model_repository", "load_model", "required_model", "runtime_python", "reload_folder")
_PATHS = (
    "model_config_file", "model_base_path", "batching_parameters_file", "model_cache",
    "access_file", "tls_certificate", "tls_key", "tls_client_ca",
)  # fmt: skip
_WORDS: Mapping[type, str] = {
    str: "a text", int: "a whole number", float: "a number", bool: "true or false",
}  # fmt: skip
