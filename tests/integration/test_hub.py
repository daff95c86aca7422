"""A repository on a model hub is listed and read through huggingface_hub, which waits for none."""

from __future__ import annotations

import importlib.util

import pytest

from server.repository.errors import RepositoryError
from server.repository.store import Store
from server.repository.store_errors import Unanswered
from server.repository.store_url import parse_location
from tests.harness.hub import LARGE, Hub, git_id, pointer

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("huggingface_hub") is None, reason="huggingface_hub is not installed"
)

WEIGHTS = bytes(range(250)) * 8
YAML = b"runtime: echo"


def use_endpoint(monkeypatch, url: str) -> None:
    """As HF_ENDPOINT does where it is set before the library is imported."""
    constants = "huggingface_hub.constants"
    monkeypatch.setattr(f"{constants}.ENDPOINT", url)
    template = f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(f"{constants}.HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    version = tmp_path / "acme" / "models" / "prod" / "a" / "1"
    version.mkdir(parents=True)
    (version / "weights.bin").write_bytes(WEIGHTS)
    (version.parent / "model.yaml").write_bytes(YAML)
    (tmp_path / "acme" / "models" / "production").mkdir()
    (tmp_path / "acme" / "models" / "production" / "x").write_bytes(b"x")
    assert len(WEIGHTS) > LARGE > len(YAML)
    with Hub(tmp_path, token="right").running() as hub:
        use_endpoint(monkeypatch, hub.url)
        monkeypatch.setenv("HF_TOKEN", "right")
        yield hub


def store(url: str = "hf://acme/models/prod") -> Store:
    return Store(parse_location(url))


@pytest.mark.parametrize("url", ["hf://acme/models/prod", "hf://acme/models@main/prod"])
def test_objects_have_the_ids_that_git_gives_them_and_are_read_in_ranges(hub, url):
    found = {item.key: item for item in store(url).list()}

    assert {key: item.size for key, item in found.items()} == {
        "a/1/weights.bin": len(WEIGHTS), "a/model.yaml": len(YAML),
    }  # fmt: skip
    assert found["a/model.yaml"].tag == git_id(YAML)
    assert found["a/1/weights.bin"].tag == git_id(pointer(WEIGHTS))
    assert store(url).read("a/1/weights.bin", 3, 1999) == WEIGHTS[3:1999]
    assert store(url).read("a/model.yaml", 0, len(YAML)) == YAML


def test_each_look_asks_the_hub(hub):
    looked = store()
    looked.list()
    (hub.folder / "acme/models/prod/a/1/weights.bin").write_bytes(WEIGHTS[::-1])
    (hub.folder / "acme/models/prod/a/2").mkdir()
    (hub.folder / "acme/models/prod/a/2/weights.bin").write_bytes(b"new")

    found = {item.key: item.tag for item in looked.list()}

    assert found["a/1/weights.bin"] == git_id(pointer(WEIGHTS[::-1]))
    assert looked.read("a/2/weights.bin", 0, 3) == b"new"
    assert sorted(item.key for item in looked.list("a/2")) == ["a/2/weights.bin"]


@pytest.mark.parametrize("url", ["hf://acme/models/none", "hf://acme/models/a"])
def test_a_prefix_that_is_not_there_holds_nothing(hub, url):
    assert store(url).list() == []


@pytest.mark.parametrize("url", ["hf://acme/others", "hf://acme/models@other"])
def test_a_repository_or_revision_that_is_not_there_is_said(hub, url):
    with pytest.raises(RepositoryError, match="no such bucket or object"):
        store(url).list()


@pytest.mark.parametrize("token", ["wrong", ""])
def test_who_is_not_known_is_told(hub, monkeypatch, token):
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(hub.folder / "none"))
    with pytest.raises(RepositoryError, match="refuses the credentials") as refused:
        store().list()
    assert "wrong" not in refused.value.reason


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_hub_that_is_out_of_order_is_not_asked_again_and_again(hub, status):
    looked = store()
    looked.list()
    hub.asked.clear()
    hub.fails = status
    with pytest.raises(Unanswered):
        looked.list()
    assert len(hub.asked) == 1


def test_a_hub_that_is_gone_is_said_at_once(hub, monkeypatch):
    use_endpoint(monkeypatch, "http://127.0.0.1:9")
    with pytest.raises(Unanswered, match=r"cannot be reached.*ConnectionError"):
        store().list()
