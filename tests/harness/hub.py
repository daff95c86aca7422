"""A model hub over a folder, on loopback: what huggingface_hub asks of one to list and read a
repository, with tokens, pages, Git's object ids, and large files that a redirect leads to.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = 1000
"""Bytes from which a file counts as large, and is kept apart from the repository."""
PAGE = 3
"""Entries of one page of a listing; the real hub's are bigger."""


class Hub:
    """Serves `folder`/OWNER/REPO, each at the revision `main`, to who has `token`. `asked` are the
    paths of the requests so far; `fails` is a status that each is answered with, 0 for none.
    """

    def __init__(self, folder: Path, token: str = "") -> None:
        self.folder = folder
        self.token = token
        self.asked: list[str] = []
        self.fails = 0
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def environment(self, token: str = "") -> dict[str, str]:
        """What tells a client where the hub is and who asks."""
        return {"HF_ENDPOINT": self.url, "HF_TOKEN": token, "HF_HOME": str(self.folder / ".none")}

    @contextlib.contextmanager
    def running(self) -> Iterator[Hub]:
        """Answer until the end of the block."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()


def git_id(data: bytes) -> str:
    """The id that Git gives to a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def pointer(data: bytes) -> bytes:
    """What the repository has in place of a large file."""
    digest = hashlib.sha256(data).hexdigest()
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(data)}\n"
    ).encode()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: object) -> None:
        pass

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        path = unquote(url.path)
        self.hub.asked.append(path)
        if self.hub.fails:
            self._say(self.hub.fails, {"error": "out of order"})
        elif path.startswith("/large/"):
            self._send_file(self.hub.folder / path.removeprefix("/large/"))  # signed by its URL
        elif self._is_known():
            self._answer(path, {key: value[0] for key, value in parse_qs(url.query).items()})

    def _is_known(self) -> bool:
        given = self.headers.get("Authorization", "")
        if not self.hub.token or given == f"Bearer {self.hub.token}":
            return True
        if given:
            self._say(401, {"error": "Invalid credentials in Authorization header"})
        else:  # whether there is such a repository is nobody's business
            self._say(401, {"error": "Repository not found"}, ("X-Error-Code", "RepoNotFound"))
        return False

    def _answer(self, path: str, query: dict[str, str]) -> None:
        api = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+)(/.*)?)?", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        found = api or file
        repository = self.hub.folder / found[1] if found else None
        if repository is None or not repository.is_dir():
            self._say(404, {"error": "Repository not found"}, ("X-Error-Code", "RepoNotFound"))
        elif (api[3] if api else file[2] if file else None) not in (None, "main"):
            self._say(404, {"error": "Revision not found"}, ("X-Error-Code", "RevisionNotFound"))
        elif api and api[2] == "tree":
            self._list(repository, (api[4] or "").strip("/"), query)
        elif api:
            self._say(200, {"id": api[1], "sha": "0" * 40, "siblings": [], "tags": []})
        elif file:
            self._resolve(repository / file[3])

    def _list(self, repository: Path, below: str, query: dict[str, str]) -> None:
        top = repository / below
        if not top.is_dir():
            self._say(404, {"error": f"{below} does not exist"}, ("X-Error-Code", "EntryNotFound"))
            return
        found = sorted(top.rglob("*") if query.get("recursive") == "true" else top.glob("*"))
        start = int(query.get("cursor", "0"))
        entries = [_entry(path, repository) for path in found[start : start + PAGE]]
        link = f"{self.hub.url}{urlsplit(self.path).path}?recursive=true&cursor={start + PAGE}"
        more = [("Link", f'<{link}>; rel="next"')] if start + PAGE < len(found) else []
        self._say(200, entries, *more)

    def _resolve(self, path: Path) -> None:
        if not path.is_file():
            self._say(404, {"error": "Entry not found"}, ("X-Error-Code", "EntryNotFound"))
        elif path.stat().st_size >= LARGE:
            where = f"/large/{path.relative_to(self.hub.folder)}"
            self._say(302, {}, ("Location", where))
        else:
            self._send_file(path)

    def _send_file(self, path: Path) -> None:
        data = path.read_bytes()
        given = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        part = data[int(given[1]) : int(given[2]) + 1] if given else data
        self.send_response(206 if given else 200)
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def _say(self, status: int, document: object, *headers: tuple[str, str]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in (("Content-Length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _entry(path: Path, repository: Path) -> dict[str, Any]:
    name = path.relative_to(repository).as_posix()
    if path.is_dir():
        return {"type": "directory", "oid": "0" * 40, "size": 0, "path": name}
    data = path.read_bytes()
    if len(data) < LARGE:
        return {"type": "file", "oid": git_id(data), "size": len(data), "path": name}
    kept = pointer(data)
    large = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": len(kept)}
    return {"type": "file", "oid": git_id(kept), "size": len(data), "lfs": large, "path": name}
