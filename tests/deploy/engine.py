"""The Helm engine and the schemas, in a process of its own that takes one JSON request a line.

Runs in `.venvs/deploy`, whose packages must not meet those of the server.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import helm_python
import promql_parser
import yaml

from tests.deploy.schemas.check import problems_of

RELEASE = {"name": "demo", "namespace": "ml"}
KUBERNETES = "v1.31.0"


def read(text: str) -> list[dict[str, Any]]:
    """The YAML documents in `text`, by libyaml: dashboards are long."""
    return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]


def render(chart: str, values: dict[str, Any]) -> dict[str, Any]:
    """All objects of the chart, by the template that made them."""
    with helm_python.Chart.load(chart) as loaded:
        texts = loaded.render(values, **RELEASE)
    objects = {}
    for path, text in texts.items():
        if path.endswith((".yaml", ".tpl")):
            objects[path.partition("/templates/")[2]] = read(text)
        else:
            objects[path.rpartition("/")[2]] = [text]
    return {"objects": objects}


def lint(chart: str, values: dict[str, Any]) -> dict[str, Any]:
    """Helm's own complaints, warnings included."""
    report = helm_python.lint(
        chart, values, strict=True, namespace=RELEASE["namespace"], kube_version=KUBERNETES
    )
    return {"complaints": [*report["errors"], *(item["error"] for item in report["messages"])]}


def validate(documents: list[dict[str, Any]], version: str) -> dict[str, Any]:
    """What the schemas say against the documents."""
    return {"problems": [text for document in documents for text in problems_of(document, version)]}


def install(chart: str, values: dict[str, Any]) -> dict[str, Any]:
    """What would be installed, short of asking a cluster: hooks are left out."""
    nowhere = helm_python.Config(
        kube_apiserver="http://127.0.0.1:1", namespace=RELEASE["namespace"]
    )
    with nowhere as config:
        release = config.install(chart, RELEASE["name"], values, dry_run="client")
    return {"objects": read(release["manifest"]), "notes": release["notes"]}


def parse(query: str) -> dict[str, Any]:
    """What Prometheus' grammar says against a query."""
    try:
        promql_parser.parse(query)
    except ValueError as error:
        return {"problems": [str(error)]}
    return {"problems": []}


OPERATIONS = {
    "render": render,
    "lint": lint,
    "install": install,
    "validate": validate,
    "parse": parse,
}


def main() -> None:
    """Answer until the requests end."""
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = OPERATIONS[request.pop("do")](**request)
        except helm_python.HelmError as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
