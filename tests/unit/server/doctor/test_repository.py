"""What would be served is told, and what would not be, with the reason and what to do."""

from __future__ import annotations

import json
import os

import pytest

from server.doctor import repository
from server.doctor.diagnosis import check_room, to_ask
from server.doctor.finding import Finding, Grade
from server.doctor.repository import Served, check_folder, examine, look
from server.repository.publish import publish
from tests.harness.echo_repository import add_echo


def found(root, *, required=(), verify=False, quiet=0.0) -> dict[str, list[Finding]]:
    health = examine(look([root], (), None, quiet), required, verify=verify)
    by_name: dict[str, list[Finding]] = {}
    for finding in health.findings:
        by_name.setdefault(finding.name, []).append(finding)
    return by_name


def grades(findings: list[Finding]) -> list[Grade]:
    return [finding.grade for finding in findings]


def test_what_would_be_served_goes_by_the_version_policy(tmp_path):
    add_echo(tmp_path, "latest", versions=(1, 2))
    add_echo(tmp_path, "every", versions=(1, 2), version_policy="all")

    findings = found(tmp_path)

    assert findings["latest"][0].text == "serves version 2 (echo)"
    assert findings["every"][0].text == "serves version 1 (echo), version 2 (echo)"
    assert grades(findings["latest"]) == [Grade.OK]


def test_settings_that_are_wrong_are_a_problem(tmp_path):
    add_echo(tmp_path, "m", max_batch_size="many")

    (finding,) = found(tmp_path)["m"]

    assert finding.grade is Grade.PROBLEM
    assert "max_batch_size" in finding.text


def test_a_version_without_an_artifact_is_a_problem(tmp_path):
    (tmp_path / "m/1").mkdir(parents=True)
    (tmp_path / "m/1/readme.txt").write_text("soon")

    findings = found(tmp_path)

    assert findings["m"][0].text == "nothing of it would be served"
    assert findings["m/1"][0].grade is Grade.PROBLEM
    assert "holds no artifact" in findings["m/1"][0].text


def test_a_version_that_is_still_written_is_a_warning_with_the_quiet_period(tmp_path):
    (tmp_path / "m/1").mkdir(parents=True)
    (tmp_path / "m/1/model.onnx").write_bytes(b"half")

    findings = found(tmp_path, quiet=60.0)

    assert grades(findings["m"]) == [Grade.WARNING]
    assert findings["m/1"][0].text == "not loaded yet: it changed less than 60 s ago"
    assert "--quiet-period" in findings["m/1"][0].advice


def test_labels_of_versions_that_are_not_there_are_a_warning(tmp_path):
    add_echo(tmp_path, "m", labels={"stable": 7})

    assert grades(found(tmp_path)["m"]) == [Grade.OK, Grade.WARNING]


def test_a_policy_that_asks_for_nothing_is_a_warning(tmp_path):
    add_echo(tmp_path, "m", version_policy={"specific": [9]})

    (finding,) = found(tmp_path)["m"]

    assert finding.grade is Grade.WARNING
    assert "version policy" in finding.text


def test_a_required_model_that_is_absent_is_a_problem(tmp_path):
    add_echo(tmp_path, "there")

    findings = found(tmp_path, required=("there", "absent"))

    assert grades(findings["absent"]) == [Grade.PROBLEM]
    assert grades(findings["there"]) == [Grade.OK]


def test_an_empty_repository_is_a_warning(tmp_path):
    assert grades(found(tmp_path)["none"]) == [Grade.WARNING]


def test_manifests_are_verified_when_asked_to(tmp_path):
    source = tmp_path / "model.onnx"
    source.write_bytes(b"weights")
    root = tmp_path / "root"
    root.mkdir()
    publish(source, root / "m")
    assert grades(found(root, verify=True)["m"]) == [Grade.OK]

    (root / "m/1/model.onnx").write_bytes(b"WEIGHTS")

    assert grades(found(root)["m"]) == [Grade.OK]
    (problem,) = found(root, verify=True)["m/1"]
    assert "SHA-256" in problem.text


# ---- folders -------------------------------------------------------------------------------------


def test_a_folder_that_any_user_may_change_is_a_warning(tmp_path):
    assert check_folder(1, tmp_path).grade is Grade.OK
    tmp_path.chmod(0o777)

    assert check_folder(1, tmp_path).grade is Grade.WARNING


def test_a_folder_that_is_not_there_is_a_problem(tmp_path):
    finding = check_folder(2, tmp_path / "absent")

    assert finding.grade is Grade.PROBLEM
    assert finding.text == "model repository 2 does not exist"


def test_a_folder_that_cannot_be_read_is_a_problem(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)  # root may read everything

    finding = check_folder(1, tmp_path)

    assert finding.grade is Grade.PROBLEM
    assert "Permission denied" in finding.text
    assert str(tmp_path) in finding.advice


# ---- what follows --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "expected"), [(None, []), (100, [Grade.OK]), (99, [Grade.WARNING])]
)
def test_room_is_needed_for_all_models_together(free, expected):
    served = [Served("a", 1, "onnx", ("auto",), 10, 60), Served("b", 1, "onnx", ("auto",), 10, 40)]

    assert grades(check_room(served, free)) == expected


@pytest.mark.parametrize(
    ("needed", "configured", "all_runtimes", "asked"),
    [
        ({"onnx", "echo"}, (), False, ["onnx"]),
        ({"echo"}, (), False, []),
        ({"onnx"}, ("torchscript",), False, ["torchscript", "onnx"]),
        ((), (), False, ["torchscript", "savedmodel", "onnx"]),
        ({"onnx"}, (), True, ["torchscript", "savedmodel", "onnx"]),
    ],
)
def test_the_interpreters_that_matter_are_asked(needed, configured, all_runtimes, asked):
    assert to_ask(needed, configured, all_runtimes=all_runtimes) == asked


def test_what_is_found_fits_into_json(tmp_path):
    add_echo(tmp_path, "m")
    details = [dict(one.details) for found_ in found(tmp_path).values() for one in found_]

    assert json.loads(json.dumps(details)) == details
    assert repository.AREA == "models"
