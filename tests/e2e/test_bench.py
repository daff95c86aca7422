"""The bench measures a real server beside the bare ones, with the real load generators."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtests.bench.__main__ import main
from loadtests.bench.load import missing

pytestmark = pytest.mark.slow

LACKING = [lack for protocol in ("rest-binary", "grpc") if (lack := missing(protocol))]


@pytest.mark.skipif(bool(LACKING), reason="; ".join(LACKING))
def test_echo_is_measured_over_both_protocols(tmp_path: Path):
    wanted = ("--only", "small/echo/python/rest-binary/64", "--only", "small/echo/python/grpc/64")

    code = main(["--quick", *wanted, "--out", str(tmp_path)])

    document = json.loads((tmp_path / "result.json").read_text())
    assert (code, document["problems"]) == (0, [])
    subjects = [(one["subject"], one["protocol"]) for one in document["samples"]]
    assert subjects == [
        ("bare", "rest-binary"), ("echo", "rest-binary"), ("bare", "grpc"), ("echo", "grpc")
    ]  # fmt: skip
    for sample in document["samples"]:
        assert sample["requests"] > 0
        assert sample["failed"] == 0
        assert sample["cpu"] > 0
    served = [one for one in document["samples"] if one["subject"] == "echo"]
    assert all(one["worker_cpu"] > 0 and one["batch"] >= 1 for one in served)
    assert document["memory"][0]["once"] > 10 * 2**20
    assert "| echo | python | gRPC | 64 |" in (tmp_path / "result.md").read_text()
