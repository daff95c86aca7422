"""What the generators say is read, and what they do not see is seen."""

from __future__ import annotations

import pytest

from loadtests.bench.load import Load, LoadError, missing, read_h2load, read_wrk

H2LOAD = """
finished in 2.00s, 2.00 req/s, 1.00KB/s
requests: 4 total, 8 started, 4 done, 4 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 4 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 1.00KB (1024) total, 100B (100) headers (space savings 90.00%), {data}B ({data}) data
"""
LOG = ["1\t200\t1000\n", "2\t200\t2000\n", "3\t-1\t9000\n", "4\t200\t3000\n"]


def test_wrk_ends_with_what_the_script_counted():
    said = (
        "Running 2s test\n  99 requests\n"
        '{"requests": 20, "microseconds": 2000000, "status": 3, "broken": 1, "p50": 500, '
        '"p99": 1500}\n'
    )

    assert read_wrk(said) == Load(20, 2.0, 0.5, 1.5, failed=4)


@pytest.mark.parametrize("said", ["", "unable to connect", '{"requests": 1}', "[]"])
def test_what_is_no_result_of_wrk_is_said(said):
    with pytest.raises(LoadError, match="wrk said"):
        read_wrk(said)


def test_h2load_gives_counts_and_its_log_latencies():
    load = read_h2load(H2LOAD.format(data=400), LOG, 2.0, 100)

    assert (load.requests, load.seconds, load.p50, load.failed) == (4, 2.0, 2.0, 0)


def test_grpc_errors_are_answers_without_a_message():
    assert read_h2load(H2LOAD.format(data=200), LOG, 2.0, 100).failed == 2


def test_parts_of_answers_under_way_at_the_end_are_no_fault():
    assert read_h2load(H2LOAD.format(data=450), LOG, 2.0, 100).failed == 0


@pytest.mark.parametrize(
    ("protocol", "package"), [("rest-json", "wrk"), ("grpc", "nghttp2-client")]
)
def test_a_tool_that_lacks_is_said_with_its_package(monkeypatch, tmp_path, protocol, package):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert f"install {package}" in missing(protocol)


@pytest.mark.parametrize("said", ["", "could not connect to host"])
def test_what_is_no_result_of_h2load_is_said(said):
    with pytest.raises(LoadError, match="h2load said"):
        read_h2load(said, LOG, 2.0, 100)
