"""The JSON Schema of model.yaml; `python -m server.repository.schema` writes the shipped copy."""

from __future__ import annotations

import json
from pathlib import Path

from server.repository.model_file import ModelFile

SCHEMA_FILE = Path(__file__).with_name("model.schema.json")


def schema_text() -> str:
    """The schema as it must stand in `model.schema.json`."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **ModelFile.model_json_schema(),
    }
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
