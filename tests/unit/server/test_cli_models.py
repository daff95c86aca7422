"""`underway models` on the command line, against a server that knows a few answers by heart."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from click.testing import Result

from tests.unit.server.test_cli import underway

INDEX = [
    {"name": "good", "version": "1", "state": "READY"},
    {"name": "bad", "state": "UNAVAILABLE", "reason": "no version folder"},
]
HISTORY = [
    {"time": 1.0, "model": "digits", "version": 3, "source": "LOADING", "target": "FAILED",
     "seconds": 0.256, "reason": "the weights are torn", "cause": "repository"},
]  # fmt: skip
ANSWERS = {
    "POST /v2/repository/index": (200, INDEX),
    "POST /v2/repository/models/digits/load": (200, None),
    "POST /v2/repository/models/digits/unload": (501, {"error": "control is off"}),
    "GET /v2/admin/models/digits/labels": (200, {"labels": {"stable": 3}}),
    "POST /v2/admin/models/digits/labels": (200, {"labels": {"stable": 4, "canary": 5}}),
    "POST /v2/admin/models/digits/rollback": (200, {"model": "digits", "version": 2}),
    "GET /v2/admin/models/digits/history?limit=5": (200, {"history": HISTORY}),
    "GET /v2/admin/history?limit=50": (200, {"history": []}),
}


class RunningServer:
    """A server that knows a few answers by heart and takes note of what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.shown: list[str] = []
        self.redirect = ""
        self.bodies: list[object] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer("GET")

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.bodies.append(json.loads(body) if body else None)
                self.answer("POST")

            def answer(self, method):
                outer.asked.append(f"{method} {self.path}")
                outer.shown.append(self.headers.get("Authorization", ""))
                if outer.redirect and len(outer.asked) == 1:
                    self.send_response(302)
                    self.send_header("Location", outer.redirect)
                    self.end_headers()
                    return
                status, document = ANSWERS.get(outer.asked[-1], (404, {"error": "not found"}))
                self.send_response(status)
                self.end_headers()
                if document is not None:
                    self.wfile.write(json.dumps(document).encode())

            def log_message(self, *_):
                pass

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def running_server():
    running = RunningServer()
    with running.http as http:
        thread = Thread(target=http.serve_forever)
        thread.start()
        yield running
        http.shutdown()
        thread.join()


def models(running: RunningServer, *arguments: object, env: dict[str, str] | None = None) -> Result:
    """`underway models` against the server, as client and as operator."""
    places = ("--url", running.url, "--admin-url", running.url)
    return underway("models", *places, *arguments, env={"UNDERWAY_TOKEN": None, **(env or {})})


def test_models_shows_every_model_with_its_state_and_reason(running_server):
    done = models(running_server)

    assert done.exit_code == 0
    assert "good" in done.output
    assert "READY" in done.output
    assert "no version folder" in done.output


def test_models_prints_the_index_as_json(running_server):
    done = underway("models", "--json", env={"UNDERWAY_URL": f"{running_server.url}/"})

    assert json.loads(done.output)[1]["reason"] == "no version folder"


def test_a_model_is_loaded_by_name(running_server):
    done = models(running_server, "load", "digits")

    assert (done.exit_code, done.output) == (0, "digits is loaded\n")
    assert running_server.asked == ["POST /v2/repository/models/digits/load"]


def test_a_refusal_is_shown_in_the_servers_words(running_server):
    done = models(running_server, "unload", "digits")

    assert (done.exit_code, done.output) == (1, "Error: control is off\n")


def test_labels_are_listed_where_none_is_given(running_server):
    done = models(running_server, "label", "digits")

    assert running_server.asked == ["GET /v2/admin/models/digits/labels"]
    assert "stable" in done.output


def test_labels_are_moved_and_removed_in_one_call(running_server):
    done = models(running_server, "label", "digits", "stable=4", "canary=5", "old=")

    assert running_server.asked == ["POST /v2/admin/models/digits/labels"]
    assert running_server.bodies == [{"labels": {"stable": 4, "canary": 5, "old": None}}]
    assert "canary" in done.output


@pytest.mark.parametrize("pair", ["stable", "stable=three", "stable=-1"])
def test_what_is_no_label_with_a_version_is_refused(running_server, pair):
    done = models(running_server, "label", "digits", pair)

    assert done.exit_code == 2
    assert f"expected LABEL=VERSION or LABEL=, got '{pair}'" in done.output
    assert running_server.asked == []


def test_a_rollback_says_where_it_ended(running_server):
    done = models(running_server, "rollback", "digits")

    assert (done.exit_code, done.output) == (0, "digits is back at version 2\n")


def test_the_history_of_one_model_is_shown(running_server, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    done = models(running_server, "history", "digits", "--limit", "5")

    for word in ("LOADING", "FAILED", "0.26", "repository", "the weights are torn"):
        assert word in done.output


def test_the_history_of_all_models_is_asked_for_where_none_is_named(running_server):
    assert models(running_server, "history").exit_code == 0
    assert running_server.asked == ["GET /v2/admin/history?limit=50"]


def test_a_name_is_quoted_in_the_address(running_server):
    models(running_server, "load", "a/../b?c")

    assert running_server.asked == ["POST /v2/repository/models/a%2F..%2Fb%3Fc/load"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://[::1", "no-url"])
def test_models_says_plainly_that_nobody_answers(url):
    done = underway("models", "--url", url)

    assert done.exit_code == 1
    assert "no Underway server answers at" in done.output
    assert "Traceback" not in done.output


def test_a_token_is_shown_that_the_environment_or_a_file_has(running_server, tmp_path):
    models(running_server)
    models(running_server, env={"UNDERWAY_TOKEN": "uw_one\n"})
    path = tmp_path / "token"
    path.write_text("uw_two\n")
    models(running_server, "--token-file", path, env={"UNDERWAY_TOKEN": "uw_one"})
    assert running_server.shown == ["", "Bearer uw_one", "Bearer uw_two"]


@pytest.mark.parametrize("text", ["two words", "uw_é", "uw_1\nuw_2", "x" * 600])
def test_what_is_no_token_is_refused_and_not_repeated(running_server, text):
    done = models(running_server, env={"UNDERWAY_TOKEN": text})
    assert done.exit_code == 2
    assert "UNDERWAY_TOKEN: holds no token" in done.output
    assert text not in done.output
    assert running_server.asked == []


def test_an_empty_file_is_no_token(running_server, tmp_path):
    (tmp_path / "token").touch()
    done = models(running_server, "--token-file", tmp_path / "token")
    assert (done.exit_code, running_server.asked) == (2, [])
    assert "--token-file: holds no token" in done.output


def test_a_token_does_not_follow_where_a_server_sends_its_clients(running_server):
    elsewhere = running_server.url.replace("127.0.0.1", "localhost")
    running_server.redirect = f"{elsewhere}/v2/repository/models/digits/load"
    models(running_server, "label", "digits", env={"UNDERWAY_TOKEN": "uw_one"})
    assert len(running_server.shown) == 2
    assert running_server.shown == ["Bearer uw_one", ""]
