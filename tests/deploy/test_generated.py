"""What the chart says twice agrees: schema and flags, values and README, files and sources."""

from __future__ import annotations

import json
import re

import click
import pytest
import yaml

import server.cli
from deploy.helm import generate
from tests.deploy.chart import CHART, only
from tests.harness.server_process import ROOT

SCHEMA = json.loads((CHART / "values.schema.json").read_text("utf-8"))
VALUES = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
# Said by the chart's own values, or for serving a single folder.
CHARTS_OWN = {
    "config", "host", "http_port", "grpc_port", "metrics_port", "model_repository",
    "model_base_path", "model_name", "access_file", "tls_certificate", "tls_key", "tls_client_ca",
}  # fmt: skip
KINDS = {"integer": "integer", "float": "number", "boolean": "boolean"}


def settings():
    """The options of `underway serve` that the chart hands on, as the chart spells them."""
    options = [item for item in server.cli.serve.params if isinstance(item, click.Option)]
    return {
        re.sub(r"_(.)", lambda found: found[1].upper(), option.name): option
        for option in options
        if option.name not in CHARTS_OWN
    }


def test_the_schema_knows_every_setting_of_the_server_and_no_other():
    assert set(SCHEMA["properties"]["server"]["properties"]) == set(settings())


def test_the_schema_has_the_type_and_the_choices_of_each_setting():
    for name, schema in SCHEMA["properties"]["server"]["properties"].items():
        option = settings()[name]
        if option.multiple:
            assert schema["type"] == "array", name
            choices = getattr(option.type, "choices", None)
            assert set(schema["items"].get("enum", ())) == set(choices or ()), name
        elif isinstance(option.type, click.Choice):
            assert set(schema["enum"]) == set(option.type.choices), name
        else:
            assert schema["type"] == KINDS.get(option.type.name, "string"), name


@pytest.mark.parametrize("value", [True, False])
def test_what_is_on_or_off_reaches_the_server(helm, value):
    names = [name for name, option in settings().items() if option.type.name == "boolean"]
    objects = helm.render({"server": dict.fromkeys(names, value)})
    (container,) = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"]

    arguments = container["args"]
    parent = server.cli.main.make_context("underway", [*arguments])
    with server.cli.serve.make_context("serve", arguments[1:], parent=parent) as context:
        given = {name: context.params[settings()[name].name] for name in names}

    assert len(names) >= 3
    assert given == dict.fromkeys(names, value)


def test_every_value_has_a_line_in_the_readme():
    paths = [
        value.path for value in generate.documented((CHART / "values.yaml").read_text("utf-8"))
    ]

    def unsaid(value, path):
        if path in paths:
            return []
        if isinstance(value, dict):
            return [text for key, item in value.items() for text in unsaid(item, f"{path}.{key}")]
        return [path]

    assert [text for key, value in VALUES.items() for text in unsaid(value, key)] == []
    assert len(paths) > 90


def test_readme_rules_and_dashboards_are_fresh():
    assert generate.stale(generate.outputs()) == []


def test_a_stale_readme_and_a_file_from_nowhere_are_seen(tmp_path, monkeypatch):
    (tmp_path / "helm/underway/files/prometheus").mkdir(parents=True)
    (tmp_path / "prometheus").mkdir()
    (tmp_path / "grafana").mkdir()
    chart = tmp_path / "helm/underway"
    (chart / "values.yaml").write_text(
        "# -- How many.\nreplicas: 1\nother:\n  # -- A\n  # b.\n  c: x\n"
    )
    (chart / "README.md").write_text(f"Head\n{generate.START}\n{generate.END}\nFoot\n")
    (tmp_path / "prometheus/alerts.yml").write_text("groups: []\n")
    (tmp_path / "prometheus/prometheus.yml").write_text("scrape_configs: []\n")
    (tmp_path / "grafana/overview.json").write_text("{}\n")
    (chart / "files/prometheus/old.yaml").write_text("groups: []\n")
    monkeypatch.setattr(generate, "DEPLOY", tmp_path)
    monkeypatch.setattr(generate, "CHART", chart)
    monkeypatch.setattr("sys.argv", ["generate"])

    before = {path.name for path in generate.stale(generate.outputs())}
    generate.main()

    assert before == {"README.md", "alerts.yaml", "overview.json", "old.yaml"}
    assert generate.stale(generate.outputs()) == []
    assert (chart / "README.md").read_text() == (
        f"Head\n{generate.START}\n| Value | Default | Meaning |\n|---|---|---|\n"
        f'| `replicas` | `1` | How many. |\n| `other.c` | `"x"` | A b. |\n{generate.END}\nFoot\n'
    )


def test_queries_that_pods_are_scaled_by_are_queries(helm):
    adapter = (ROOT / "docs/deploy/kubernetes.md").read_text("utf-8")
    (block,) = re.findall(r"```yaml\n(rules:.*?)```", adapter, re.DOTALL)
    filled = {"<<.Series>>": "s", "<<.LabelMatchers>>": 'pod="a"', "<<.GroupBy>>": "pod"}
    queries = []
    for rule in yaml.safe_load(block)["rules"]:
        query = rule["metricsQuery"]
        for mark, text in filled.items():
            query = query.replace(mark, text)
        queries += [query, rule["seriesQuery"]]
    keda = {"kind": "keda", "keda": {"prometheusAddress": "http://p"}}
    scaled = only(helm.render({"autoscaling": keda}), "ScaledObject")
    queries += [trigger["metadata"]["query"] for trigger in scaled["spec"]["triggers"]]

    assert len(queries) == 6
    assert [text for query in queries for text in helm.query_problems(query)] == []
    assert helm.query_problems("sum(") != []


def test_metrics_that_pods_are_scaled_by_are_there_or_the_adapters():
    text = "".join(path.read_text("utf-8") for path in CHART.glob("templates/*.*"))
    text += (CHART / "values.yaml").read_text("utf-8")
    documented = (ROOT / "docs/metrics.md").read_text("utf-8")
    adapter = (ROOT / "docs/deploy/kubernetes.md").read_text("utf-8")
    names = {name.removesuffix("_bucket") for name in re.findall(r"underway_[a-z0-9_]+", text)}

    assert len(names) == 3
    for name in names:
        assert f"`{name}`" in documented or f"as: {name}" in adapter
