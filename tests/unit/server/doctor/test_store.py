"""The doctor lists an object store, and says why where it cannot."""

from __future__ import annotations

import pytest

from server.doctor.finding import Grade
from server.doctor.store import check_base, check_store
from server.repository import store_connection as module
from server.repository.served import ServedModel
from server.repository.store_url import StoreUrl
from tests.unit.server.repository.test_mirror import Bucket

URL = StoreUrl("s3", "bucket", "models")


@pytest.fixture
def bucket(monkeypatch):
    bucket = Bucket()
    monkeypatch.setattr(module, "open_filesystem", lambda scheme: bucket)
    return bucket


def test_a_store_with_models_is_well(bucket):
    bucket.put("a/1/model.onnx", b"weights")
    finding, names = check_store(1, URL)
    assert (finding.grade, list(names)) == (Grade.OK, ["a"])
    assert "has 1 models" in finding.text


def test_an_empty_one_is_worth_a_word(bucket):
    finding, names = check_store(1, URL)
    assert (finding.grade, list(names)) == (Grade.WARNING, [])


def test_one_that_refuses_is_a_problem(bucket):
    bucket.down = PermissionError()
    finding, _ = check_store(2, URL)
    assert (finding.grade, finding.name) == (Grade.PROBLEM, "repository-2")
    assert "refuses the credentials" in finding.text


def test_a_base_path_in_a_store_is_listed_for_its_versions(bucket):
    bucket.put("a/3/model.onnx", b"weights")
    bucket.put("a/12/model.onnx", b"weights")
    url = StoreUrl("s3", "bucket", "models/a")

    finding = check_base(ServedModel("m", str(url)), url)
    assert (finding.grade, finding.name) == (Grade.OK, "m")
    assert "has versions [3, 12]" in finding.text

    nowhere = StoreUrl("s3", "bucket", "models/b")
    assert check_base(ServedModel("m", str(nowhere)), nowhere).grade is Grade.WARNING

    bucket.down = PermissionError()
    finding = check_base(ServedModel("m", str(url)), url)
    assert finding.grade is Grade.PROBLEM
    assert "refuses the credentials" in finding.text
