"""What a spec may say, what is refused in which words, and who is on the same terms."""

from __future__ import annotations

import re
import textwrap

import msgspec
import pytest
import yaml

from loadtests.compare.__main__ import main
from loadtests.compare.places import places
from loadtests.compare.spec import Candidate, Parity, Spec, SpecError, Terms, parse_spec, read_spec
from loadtests.compare.terms import UNKNOWN, differences, model_settings, refusal, terms_of
from loadtests.compare.underway import ServerError
from tests.harness.server_process import ROOT


def spec(*candidates: dict, **fields: object) -> Spec:
    given = candidates or ({"name": "a", "model": "m/a"}, {"name": "b", "model": "m/b"})
    return parse_spec(yaml.safe_dump({"candidates": list(given), **fields}))


def refused(text: str) -> str:
    with pytest.raises(SpecError) as error:
        parse_spec(text)
    return str(error.value)


def test_the_spec_of_the_digits_is_one():
    found, text = read_spec(ROOT / "loadtests/compare/digits.yaml")

    assert [candidate.name for candidate in found.candidates] == [
        "TorchScript", "SavedModel", "ONNX",
    ]  # fmt: skip
    assert "make compare" in text


A = "candidates: [{name: a, model: m}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Expected `object`"),
        ("a: [", "not YAML"),
        ("!!python/object:os.system x", "not YAML"),
        ("candidates: []", "candidates"),
        (f"{A}]\nround: 3", "unknown field `round`"),
        (f"{A}]\nrounds: 0", "$.rounds"),
        (f"{A}]\nrates: [-1]", "$.rates"),
        (f"{A}]\nprotocol: soap", "$.protocol"),
        (f"{A}, {{name: a, model: n}}]", "the name 'a' is there 2 times"),
        (f"{A}]\nparity: {{reference: z}}", "expected one of a, got 'z'"),
        (f"{A}]\nallow_differences: [colour]", "$.allow_differences"),
        ("candidates: [{name: a, model: m, server: {http-port: 1}}]", "server.http-port"),
        ("candidates: [{name: a, model: m, terms: {threads: 1}}]", "say settings"),
        ("candidates: [{name: a, model: m, url: 'http://h:1', settings: {}, server: {x: 1}}]",
         "say terms instead"),
        ("candidates: [{name: a, model: m, url: 'http://h:1', terms: {colour: 1}}]",
         "terms.colour: expected one of protocol"),
        ("candidates: [{name: a, model: m, url: 'soap://h:1'}]", "url: expected http://HOST:PORT"),
        ("candidates: [{name: a, model: m, url: 'http://h:1', insecure: true}]", "with https://"),
        ("candidates: [{name: a, model: m, ca_file: ca.pem}]", "are for a url with https://"),
        ("candidates: [{name: a, model: m, url: 'grpcs://h:1', insecure: true}]",
         "gRPC always checks certificates"),
        ("candidates: [{name: a, model: m, url: 'http://h:1', rest: 'h/x'}]", "rest: expected"),
        ("candidates: [{name: a, model: m, protocol: torchserve}]", "by url"),
        ("candidates: [{name: a, model: m, token_file: t}]", "token_file is for another server"),
        ('candidates: [{name: a, model: m, url: "h:1", token_file: "t\\0"}]', "expected a path"),
    ],
)  # fmt: skip
def test_a_wrong_spec_is_refused_with_the_field(text, said):
    assert said in refused(text)


def test_a_spec_that_is_not_there_or_too_large_is_said(tmp_path):
    with pytest.raises(SpecError, match="can't be read"):
        read_spec(tmp_path / "none.yaml")
    large = tmp_path / "large.yaml"
    large.write_text("#" * 300_000)
    with pytest.raises(SpecError, match="larger than"):
        read_spec(large)


def terms(made: Spec) -> dict[str, dict[str, str]]:
    return {
        each.name: terms_of(made, each, model_settings(made, each, {})) for each in made.candidates
    }


def test_candidates_without_settings_are_on_the_same_terms():
    made = spec()

    assert differences(terms(made)) == {}
    assert refusal(made, terms(made)) == ""


@pytest.mark.parametrize(
    ("change", "term"),
    [
        ({"settings": {"threads": 2}}, "threads"),
        ({"settings": {"batching": {}}}, "batching"),
        ({"settings": {"workers": 2}}, "workers"),
        ({"settings": {"precision": "tf32"}}, "precision"),
        ({"settings": {"device": "cuda:0"}}, "device"),
        ({"server": {"frontends": 2}}, "frontends"),
        ({"protocol": "grpc"}, "protocol"),
    ],
)
def test_a_difference_is_refused_until_it_is_asked_for(change, term):
    candidates = ({"name": "a", "model": "m"}, {"name": "b", "model": "m", **change})

    said = refusal(spec(*candidates), terms(spec(*candidates)))
    asked = spec(*candidates, allow_differences=[term])

    assert f"allow_differences: [{term}]" in said
    assert "(a)" in said
    assert "(b)" in said
    assert refusal(asked, terms(asked)) == ""
    assert list(differences(terms(asked))) == [term]


def test_what_is_not_known_of_another_server_is_no_difference_and_no_sameness():
    made = spec(
        {"name": "a", "model": "m"},
        {"name": "b", "model": "m", "url": "http://h:1", "terms": {"threads": 1}},
    )

    found = terms(made)

    assert found["b"]["workers"] == UNKNOWN
    assert found["b"]["threads"] == "1"
    assert differences(found) == {}


def test_tls_is_a_difference_of_terms():
    made = spec(
        {"name": "a", "model": "m", "url": "http://h:1"},
        {"name": "b", "model": "m", "url": "https://h:1"},
    )

    assert "protocol: rest (a); rest over TLS (b)" in refusal(made, terms(made))


def test_what_is_stated_of_another_server_counts():
    made = spec(
        {"name": "a", "model": "m"},
        {"name": "b", "model": "m", "url": "http://h:1", "terms": {"threads": 8}},
    )

    assert "threads: 1 (a); 8 (b)" in refusal(made, terms(made))


def test_the_spec_goes_over_a_models_own_settings_and_a_candidates_over_the_specs():
    made = spec(
        {"name": "a", "model": "m", "settings": {"threads": 3}}, terms={"threads": 2, "workers": 2}
    )

    found = model_settings(made, made.candidates[0], {"threads": 9, "max_batch_size": 4})

    assert found == {
        "threads": 3, "workers": 2, "device": "cpu", "precision": "fp32", "max_batch_size": 4,
    }  # fmt: skip


def test_devices_of_workers_stand_in_for_the_device():
    made = spec({"name": "a", "model": "m", "settings": {"workers": {"devices": ["cuda:0"]}}})

    assert "device" not in model_settings(made, made.candidates[0], {})


@pytest.mark.parametrize(
    ("name", "reason"), [("none.pem", "No such file"), ("text.pem", "no certificates in it")]
)
def test_a_file_of_authorities_that_holds_none_is_said(tmp_path, name, reason):
    (tmp_path / "text.pem").write_text("no certificate")
    made = spec({"name": "a", "model": "m", "url": "https://h:1", "ca_file": name})

    with (
        pytest.raises(ServerError, match=rf"'a': ca_file: expected .*{name} \({reason}"),
        places(made, tmp_path, tmp_path),
    ):
        pass


# ---- docs/comparing.md --------------------------------------------------------------------------

PAGE = (ROOT / "docs/comparing.md").read_text("utf-8")


def rows(heading: str) -> dict[str, list[str]]:
    """The rows of the first table after a heading, by what is in their first cell."""
    table = re.search(r"(?:^\|.*\n)+", PAGE[PAGE.index(heading) :], re.MULTILINE)[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {name: line for line in cells[2:] for name in re.findall(r"`([\w-]+)`", line[0])}


def test_every_field_of_a_spec_is_documented_with_its_default():
    table = rows("## A spec")
    defaults = {
        field.name: field.default
        for field in msgspec.structs.fields(Spec)
        if isinstance(field.default, str | int | float)
    }

    assert set(table) == {field.name for field in msgspec.structs.fields(Spec)}
    assert {name: yaml.safe_load(table[name][1].strip("`")) for name in defaults} == defaults
    for name, part in (("terms", Terms), ("parity", Parity)):
        for field in part.__struct_fields__:
            assert f"`{field}`" in table[name][2]


def test_every_field_of_a_candidate_and_every_option_is_documented():
    assert set(rows("### Candidates")) == set(Candidate.__struct_fields__)
    options = {option.opts[0] for option in main.params if option.opts[0].startswith("--")}

    assert set(rows("## Options")) == options


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("## A spec", ["alone", "joined", "triton"]),
        ("### Other servers", ["underway", "triton", "triton-grpc", "torchserve"]),
    ],
)
def test_the_specs_in_the_docs_are_some(heading, names):
    blocks = re.findall(r"(?:^    .*\n)+", PAGE[PAGE.index(heading) :], re.MULTILINE)

    found = parse_spec(textwrap.dedent(blocks[0]))

    assert [candidate.name for candidate in found.candidates] == names
    assert refusal(found, terms(found)) == ""
