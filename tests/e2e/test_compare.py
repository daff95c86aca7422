"""Comparisons from the command to the report: real models, planted differences, other servers."""

from __future__ import annotations

import functools
import http.server
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
import yaml
from matplotlib import image
from onnx import numpy_helper

from loadtests.compare.ask import ask, samples_for, signature_at
from loadtests.compare.places import Place
from loadtests.compare.result import Result, read_result, to_json
from loadtests.compare.spec import Candidate
from loadtests.compare.underway import ServerError
from loadtests.generator.process import GeneratorError, run
from loadtests.generator.target import plan_for
from loadtests.generator.trust import Trust
from loadtests.samples.sample import Sample
from tests.harness.children import ended
from tests.harness.echo_repository import add_echo
from tests.harness.server_process import ROOT, ServerProcess, serving
from tests.harness.tls_proxy import TlsProxy, tls_before
from tests.unit.loadtests.compare.results import gamma
from tests.unit.loadtests.compare.results import result as made_up

# The first test of a fixture waits for a whole comparison, on a busy machine for minutes.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(450)]

BROKEN_OFF = 130
DELAY_MS = 100
DIGITS = ("digits-torchscript", "digits-savedmodel", "digits-onnx")
CHROMIUM = shutil.which("chromium")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--hide-scrollbars"]  # fmt: skip


def started(folder: Path, spec: dict, *arguments: str) -> subprocess.Popen[str]:
    """`underway compare` over a spec, with its reports in `folder/out`."""
    path = folder / "spec.yaml"
    path.write_text(yaml.safe_dump(spec))
    return subprocess.Popen(
        [sys.executable, "-m", "server.cli", "compare", str(path), "--out", str(folder / "out"),
         *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip


def finished(folder: Path, spec: dict, *arguments: str) -> tuple[Result, str]:
    """The same to its end, which must be a good one: the result, and what it said."""
    running = started(folder, spec, *arguments)
    output, log = ended(running, 400)
    assert running.returncode == 0, log
    return read_result(folder / "out/result.json"), output


def other_weights(source: Path, target: Path) -> None:
    """A copy of an ONNX model whose answers are others."""
    shutil.copytree(source, target)
    path = target / "1/model.onnx"
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            changed = -numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))
    onnx.save(model, path)


# ---- the three digits models, and one that is wrong ----


@pytest.fixture(scope="module")
def digits_folder(demo_repository, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("compare-digits")
    other_weights(demo_repository / "digits-onnx", folder / "wrong")
    return folder


@pytest.fixture(scope="module")
def digits(digits_folder, demo_repository) -> Result:
    """One server for all: each runtime is imported once."""
    candidates = [{"name": name, "model": str(demo_repository / name)} for name in DIGITS]
    spec = {
        "title": "Three digits", "rounds": 2, "seconds": 0.4, "warm_up_seconds": 0.3,
        "rates": [40], "in_flight": 20, "saturation": False, "together": True,
        "candidates": [*candidates, {"name": "wrong", "model": "wrong"}],
    }  # fmt: skip
    old = made_up({"digits-onnx": gamma(1000.0)}, rates=(40.0,))
    (digits_folder / "old.json").write_bytes(to_json(old))
    result, _ = finished(
        digits_folder, spec, "--tensorboard", str(digits_folder / "tensorboard"),
        "--against", str(digits_folder / "old.json"),
    )  # fmt: skip
    return result


def test_three_runtimes_give_the_same_answers_and_are_ranked(digits):
    ranked = {candidate.name: candidate for candidate in digits.ranked}

    assert set(ranked) == set(DIGITS)
    assert {candidate.runtime for candidate in ranked.values()} == {
        "torchscript", "savedmodel", "onnx",
    }  # fmt: skip
    assert all(candidate.right > 0.9 for candidate in ranked.values())
    assert all(one.top1 == 1.0 for candidate in ranked.values() for one in candidate.parity)


def test_a_model_with_other_weights_fails_parity_and_is_shown_but_not_ranked(digits):
    (wrong,) = [candidate for candidate in digits.candidates if not candidate.ranked]

    assert wrong.name == "wrong"
    assert wrong.why_not == "parity: probabilities differs"
    assert wrong.parity[0].top1 < 0.9
    assert wrong.right < 0.9
    assert digits.point("wrong", 40.0).answered > 0
    assert all("wrong" not in verdict.figures for verdict in digits.verdicts)


def test_the_numbers_add_up_to_what_the_server_counted(digits):
    for candidate in digits.candidates:
        assert candidate.requests.measured > 0
        assert candidate.requests.sent == candidate.requests.counted
    assert [cell.counted for cell in digits.cells] == [cell.answered for cell in digits.cells]
    assert [sum(cell.batches.values()) for cell in digits.cells] == [
        cell.answered for cell in digits.cells
    ]
    assert sum(cell.failed for cell in digits.cells) == 0


def test_rounds_are_interleaved(digits):
    order = [cell.candidate for cell in digits.cells]

    assert order == [*DIGITS, "wrong", *DIGITS[1:], "wrong", DIGITS[0]]


def test_what_it_costs_is_told(digits):
    for candidate in digits.candidates:
        assert candidate.load_s > 0
        assert candidate.first_ms > 0
        assert candidate.memory > 50_000_000
        assert candidate.artifact_bytes > 10_000
        assert digits.point(candidate.name, 40.0).cpu_seconds_per_1000.value > 0
        stages = digits.point(candidate.name, 40.0).stages_ms
        assert stages["compute"] > 0
        assert stages["client and network"] > 0


def test_a_swap_of_each_is_measured_and_loses_nothing(digits):
    assert {swap.candidate for swap in digits.swaps} == {*DIGITS, "wrong"}
    for swap in digits.swaps:
        assert swap.failed == 0
        assert swap.requests > 0
        assert 0 < swap.published < swap.ready <= swap.ended


def test_against_an_older_comparison_it_is_said_what_changed(digits, digits_folder):
    found = {(change.candidate, change.what): change for change in digits.changes}

    p50 = found["digits-onnx", "p50 at 40/s, ms"]
    assert p50.old > 1000
    assert p50.new == digits.point("digits-onnx", 40.0).latency_ms["p50"].value
    assert {candidate for candidate, _ in found} == {"digits-onnx"}
    assert any("another machine" in note for note in digits.notes)
    assert "What changed" in (digits_folder / "out/report.html").read_text()


def test_all_reports_are_there(digits, digits_folder):
    written = {path.name for path in (digits_folder / "out").iterdir()}

    assert written == {
        "report.html", "report.md", "measurements.csv", "result.json", "spec.yaml",
    }  # fmt: skip
    assert {path.name for path in (digits_folder / "tensorboard").iterdir()} == {*DIGITS, "wrong"}


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_the_page_is_shown_by_a_browser(digits, digits_folder, tmp_path):
    page = (digits_folder / "out/report.html").as_uri()
    picture = tmp_path / "page.png"

    subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}",
         "--window-size=1000,2200", page],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip

    pixels = (image.imread(picture)[..., :3] * 255).round().astype(int)
    colours = {tuple(colour) for colour in pixels[::1, ::1].reshape(-1, 3)[::3].tolist()}
    for candidate in ((0x24, 0x56, 0xB8), (0xC8, 0x60, 0x0A), (0x0D, 0x7F, 0x63)):
        assert candidate in colours
    assert pixels.shape == (2200, 1000, 3)


# ---- planted delays, other servers, and Ctrl-C ----


class Predictions(http.server.BaseHTTPRequestHandler):
    """What TorchServe is to a client, for a handler that gives back what it gets."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if self.path == "/predictions/echo" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def torchserve() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Predictions) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def echo_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("compare-echo")
    add_echo(folder, "echo")
    return folder


@pytest.fixture(scope="module")
def other(echo_folder) -> Iterator[ServerProcess]:
    with serving(echo_folder, arguments=("--frontends", "1")) as server:
        yield server


@pytest.fixture(scope="module")
def tls(other, tmp_path_factory) -> Iterator[TlsProxy]:
    """The same server behind one that speaks TLS."""
    with tls_before(other, tmp_path_factory.mktemp("tls")) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def echo(echo_folder, other, tls, torchserve) -> tuple[Result, Path, int]:
    """Broken off in the third round: what was measured until then, its folder, the exit code."""
    folder = echo_folder
    secure = {"ca_file": str(tls.ca_file), "model": "echo"}
    spec = {
        "rounds": 50, "seconds": 1, "warm_up_seconds": 0.3, "rates": [4], "in_flight": 10,
        "clients": 2, "moments": "constant", "saturation": False, "target_p99_ms": 5000,
        "allow_differences": ["protocol", "device"],
        "candidates": [
            {"name": "plain", "model": "echo"},
            {"name": "slow", "model": "echo", "settings": {"options": {"delay_ms": DELAY_MS}}},
            {"name": "elsewhere", "model": "echo", "protocol": "grpc",
             "url": other.grpc_address, "rest": other.url, "pid": other.process.pid},
            {"name": "torchserve", "model": "echo", "url": torchserve,
             "protocol": "torchserve"},
            {"name": "https", "url": tls.rest, **secure},
            {"name": "grpcs", "url": tls.grpc, "protocol": "grpc", **secure},
        ],
    }  # fmt: skip
    running = started(folder, spec)
    for line in running.stderr:
        if "round 3" in line:
            running.send_signal(signal.SIGINT)
            break
    ended(running, 100)
    return read_result(folder / "out/result.json"), folder, running.returncode


def test_ctrl_c_keeps_what_is_measured(echo):
    result, folder, code = echo

    assert code == BROKEN_OFF
    assert result.interrupted
    assert {cell.round for cell in result.cells} >= {1, 2}
    assert "was broken off" in (folder / "out/report.html").read_text()


def test_a_planted_delay_is_found(echo):
    result, _, _ = echo
    plain, slow = (result.point(name, 4.0) for name in ("plain", "slow"))

    found = slow.stages_ms["compute"] - plain.stages_ms["compute"]
    assert DELAY_MS * 0.9 < found < DELAY_MS * 3
    assert slow.latency_ms["p50"].value > DELAY_MS
    assert slow.latency_ms["p50"].value > plain.latency_ms["p50"].value


def test_other_servers_are_measured_and_what_they_do_not_tell_is_blank(echo):
    result, _, _ = echo
    candidates = {candidate.name: candidate for candidate in result.candidates}
    elsewhere, torchserve = candidates["elsewhere"], candidates["torchserve"]

    assert elsewhere.ranked, elsewhere.why_not
    assert torchserve.ranked, torchserve.why_not
    assert elsewhere.requests.counted >= elsewhere.requests.sent > 0
    assert elsewhere.memory > 10_000_000
    assert result.point("elsewhere", 4.0).cpu_seconds_per_1000.value >= 0
    assert torchserve.requests.measured > 0
    assert torchserve.requests.counted is None
    assert torchserve.memory is None
    assert torchserve.load_s is None
    assert result.point("torchserve", 4.0).cpu_seconds_per_1000 is None
    assert result.point("torchserve", 4.0).stages_ms == {}
    assert any("torchserve is another server" in note for note in result.notes)


def test_servers_are_asked_over_tls_and_that_is_a_difference_of_terms(echo):
    result, _, _ = echo
    candidates = {candidate.name: candidate for candidate in result.candidates}

    for name, protocol in (("https", "rest over TLS"), ("grpcs", "grpc over TLS")):
        assert candidates[name].ranked
        assert candidates[name].terms["protocol"] == protocol
        assert candidates[name].requests.measured > 0
        assert result.point(name, 4.0).answered > 0
    assert {cell.failed for cell in result.cells if cell.candidate in ("https", "grpcs")} == {0}
    # Its statistics are read over TLS, too.
    assert candidates["https"].requests.counted > 0
    assert result.point("https", 4.0).stages_ms["queue"] >= 0


@pytest.mark.parametrize("trust", [Trust(), Trust(insecure=True)], ids=["system", "insecure"])
def test_who_vouches_for_a_server_is_the_system_unless_it_is_told(tls, trust):
    candidate = Candidate(name="c", model="echo", url=tls.rest)
    place = Place(candidate, "rest", tls.rest, "echo", tls.rest, 0, {}, trust=trust)
    plan = functools.partial(plan_for, tls.rest, "rest", "echo", seconds=1, trust=trust)

    if trust.insecure:
        signature = signature_at(place)
        samples = samples_for(signature, 1)
        assert len(ask(place, samples, signature)[0]) == len(samples)
        records = run(plan(samples))
        assert len(records.table) > 0
        assert records.failures == ()
    else:
        with pytest.raises(ServerError, match="say ca_file"):
            signature_at(place)
        with pytest.raises(GeneratorError, match="certificate"):
            run(plan([Sample((), lambda _: "")]))
