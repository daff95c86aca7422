"""A request's parameters by their meaning, whichever protocol carried them."""

from __future__ import annotations

import pytest

from server.errors import InvalidArgument, Unsupported
from server.frontends.open_inference.parameters import (
    MAX_PARAMETERS,
    check_id,
    output_classes,
    request_parameters,
)


def test_known_parameters_are_told_from_the_rest():
    given = {"priority": 2, "timeout": 7, "binary_data_output": True, "mode": "fast"}
    given["signature_name"] = "embed"
    parameters = request_parameters(given)
    assert (parameters.priority, parameters.timeout_us) == (2, 7)
    assert parameters.signature == "embed"
    assert parameters.binary_data_output
    assert parameters.custom == {"mode": "fast"}


@pytest.mark.parametrize(("timeout", "deadline"), [(0, 0), (1, 1_001_000), (2**64 - 1, 2**63 - 1)])
def test_a_timeout_becomes_a_deadline_that_fits_64_bits(timeout, deadline):
    assert request_parameters({"timeout": timeout}).deadline_ns(1_000_000) == deadline


@pytest.mark.parametrize("timeout", [-1, 2**64, 1.5, "1", True])
def test_a_timeout_that_is_no_whole_number_is_refused(timeout):
    with pytest.raises(InvalidArgument, match="parameter 'timeout' must be a whole number"):
        request_parameters({"timeout": timeout})


@pytest.mark.parametrize("value", [1, True, "x" * 513])
def test_what_can_be_no_signature_is_refused(value):
    with pytest.raises(InvalidArgument, match="parameter 'signature_name' must be the name of one"):
        request_parameters({"signature_name": value})


@pytest.mark.parametrize("value", [0, "", False])
def test_a_sequence_that_is_none_is_let_pass_and_dropped(value):
    assert request_parameters({"sequence_id": value}).custom == {}


@pytest.mark.parametrize("name", ["sequence_id", "sequence_start", "sequence_end"])
def test_a_sequence_is_not_offered(name):
    with pytest.raises(Unsupported, match=name):
        request_parameters({name: 1})


@pytest.mark.parametrize("name", ["triton_", "triton_x", "headers"])
def test_reserved_names_are_refused(name):
    with pytest.raises(InvalidArgument, match="is reserved"):
        request_parameters({name: 1})


def test_parameters_are_bounded_in_number():
    with pytest.raises(InvalidArgument, match="expected at most 256"):
        request_parameters({f"p{i}": i for i in range(MAX_PARAMETERS + 1)})


@pytest.mark.parametrize(("given", "classes"), [({}, 0), ({"classification": 3}, 3)])
def test_classes_are_read(given, classes):
    assert output_classes("y", given) == classes


@pytest.mark.parametrize("value", ["", "a b-c", "é", "x" * 1024, "日本"])
def test_an_id_of_printable_text_is_kept(value):
    assert check_id(value) == value


@pytest.mark.parametrize("value", ["a\nb", "\x00", "\x1b[31m", "x" * 1025, 7, ["a"]])
def test_an_id_that_could_do_harm_in_a_log_is_refused(value):
    with pytest.raises(InvalidArgument, match="'id'"):
        check_id(value)
