"""The JSON Schema of model.yaml agrees with its reader."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from server.repository import complaints, model_file, schema
from tests.unit.server.repository.test_model_yaml import EXAMPLES, parse, refusal


def test_the_shipped_schema_is_fresh():
    shipped = schema.SCHEMA_FILE.read_text(encoding="utf-8")
    assert shipped == schema.schema_text(), "run: python -m server.repository.schema"


REPOSITORY = Path(__file__).parents[4]
SHIPPED = [
    path.read_text(encoding="utf-8")
    for folder in ("server", "docs", "deploy", "tests")
    for path in sorted((REPOSITORY / folder).rglob("model.yaml"))
]


def validator():
    shape = json.loads(schema.SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(shape)
    return jsonschema.Draft202012Validator(shape)


@pytest.mark.parametrize("text", [*EXAMPLES, *SHIPPED], ids=range(len(EXAMPLES + SHIPPED)))
def test_examples_fit_both_the_schema_and_the_reader(text):
    parse(text)
    validator().validate(yaml.safe_load(text) or {})


@pytest.mark.parametrize(
    "text",
    [
        "foo: 1",
        "workers: two",
        "version_policy: {}",
        "inputs: [{name: x}]",
        "device: gpu",
        "labels: {1a: 3}",
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(text):
    refusal(text)
    assert not validator().is_valid(yaml.safe_load(text))


def entries():
    return {
        item
        for item in vars(model_file).values()
        if isinstance(item, type) and issubclass(item, BaseModel)
    } - {BaseModel, model_file.Entry}


def test_every_field_is_described():
    for entry in entries():
        for name, field in entry.model_fields.items():
            assert field.description, f"{entry.__name__}.{name}"


def test_close_matches_are_known_for_every_part_of_the_file():
    assert set(complaints._PARTS.values()) == entries()
