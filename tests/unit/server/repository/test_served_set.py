"""The models of a config file are followed; a call takes their place until the file changes."""

from __future__ import annotations

import os

import pytest

from server.repository.errors import RepositoryError
from server.repository.served import ServedModel
from server.repository.served_set import ServedSet

NOW = 1_000_000.0


@pytest.fixture
def file(tmp_path):
    return tmp_path / "models.config"


def write(file, *names: str, text: str = "", at: float = NOW - 100) -> None:
    entries = "".join(f'config {{ name: "{one}" base_path: "/{one}" }} ' for one in names)
    file.write_text(text or f"model_config_list {{ {entries} }}")
    os.utime(file, (at, at))


def names(served: ServedSet, now: float = NOW) -> list[str]:
    return [model.name for model in served.look(now, 0).models]


def test_a_file_is_read_at_once_or_refused(file):
    with pytest.raises(RepositoryError, match=r"models.config does not exist or cannot be opened"):
        ServedSet(file=file)
    write(file, text="model_config_list { config { nome: 'a' } }")
    with pytest.raises(RepositoryError, match=r"models.config: line 1"):
        ServedSet(file=file)
    write(file, "a", "b")

    assert [model.name for model in ServedSet(file=file).models] == ["a", "b"]


def test_a_folder_and_a_file_that_is_too_large_are_refused(tmp_path, file):
    with pytest.raises(RepositoryError, match="not a regular file"):
        ServedSet(file=tmp_path)
    write(file, text="#" * (1 << 20) + "\n")
    with pytest.raises(RepositoryError, match="larger than"):
        ServedSet(file=file)


def test_a_change_is_taken_up(file):
    write(file, "a")
    served = ServedSet(file=file)
    assert names(served) == ["a"]

    write(file, "a", "b")

    assert names(served) == ["a", "b"]


def test_a_link_that_is_turned_to_another_file_is_a_change(tmp_path, file):
    write(tmp_path / "one", "a")
    write(tmp_path / "two", "b")
    file.symlink_to("one")
    served = ServedSet(file=file)
    assert names(served) == ["a"]

    file.unlink()
    file.symlink_to("two")

    assert names(served) == ["b"]


def test_a_file_that_changed_a_moment_ago_is_read_once_it_stays_as_it_is(file):
    write(file, "a")
    served = ServedSet(file=file)
    write(file, text="model_config_list {")
    changed = file.stat().st_ctime

    early = served.look(changed + 0.1, settle=2.0)
    assert [model.name for model in early.models] == ["a"]
    assert early.due == pytest.approx(changed + 0.5)

    write(file, "b")
    late = served.look(file.stat().st_ctime + 0.51, settle=2.0)
    assert ([model.name for model in late.models], late.due) == (["b"], None)


@pytest.mark.parametrize("damage", ["gone", "torn"])
def test_a_file_that_is_gone_or_torn_leaves_the_models_and_is_told(file, damage):
    write(file, "a")
    served = ServedSet(file=file)
    if damage == "gone":
        file.unlink()
    else:
        write(file, text="model_config_list {")

    found = served.look(NOW, 0)
    assert [model.name for model in found.models] == ["a"]
    assert found.trouble.startswith("models.config")

    write(file, "a", "c")
    found = served.look(NOW, 0)
    assert ([model.name for model in found.models], found.trouble) == (["a", "c"], "")


def test_what_a_call_says_stays_until_the_file_says_something_new(file):
    write(file, "a")
    served = ServedSet(file=file)
    served.replace([ServedModel("called", "/called")])
    assert names(served) == ["called"]

    write(file, "a", at=NOW - 50)  # written again, with the same content
    assert names(served) == ["called"]

    write(file, "b")
    assert names(served) == ["b"]


def test_without_a_file_the_models_are_those_that_are_given(file):
    served = ServedSet([ServedModel("a", "/a")])

    assert served.look(NOW, 0).models == (ServedModel("a", "/a"),)


def test_what_has_no_effect_in_the_file_is_handed_on(file):
    write(file, text='model_config_list{config{name:"a" base_path:"/a" logging_config{}}}')

    (note,) = ServedSet(file=file).look(NOW, 0).notes
    assert "logging_config" in note
