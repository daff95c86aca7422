"""The protocol extensions this server implements, as server metadata lists them.

Trace and log settings are readable but fixed, so neither is listed.
"""

from __future__ import annotations

EXTENSIONS: tuple[str, ...] = (
    "classification",
    "model_repository",
    "model_repository(unload_dependents)",
    "model_configuration",
    "binary_tensor_data",
    "parameters",
    "statistics",
)
