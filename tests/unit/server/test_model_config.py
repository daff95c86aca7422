"""What the settings say of a model config and of batching is read at the start, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.config import ConfigError, Settings
from server.model_config import batching_defaults, reload_folders, served_set
from server.repository.served import ServedModel
from server.repository.store_url import StoreUrl


def test_without_a_model_config_there_is_none(tmp_path):
    assert served_set(Settings((tmp_path,))) is None


def test_one_model_may_lie_at_a_relative_path(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    found = served_set(Settings((), model_base_path=Path("../models/a"), model_name="a"))

    assert found.models == (ServedModel("a", f"{tmp_path}/models/a"),)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"model_base_path": Path("/a"), "model_name": "a/b"}, "model-base-path: model-name: exp"),
        ({"model_config_file": Path("/nowhere.config")}, "model-config-file: nowhere.config does"),
    ],
)
def test_what_cannot_be_read_stops_the_start(settings, reason):
    with pytest.raises(ConfigError, match=reason):
        served_set(Settings((), **settings))


def test_batching_is_off_unless_it_is_enabled(tmp_path):
    assert batching_defaults(Settings((tmp_path,))) is None
    assert batching_defaults(Settings((tmp_path,), enable_batching=True)).max_queue_rows == 0


def test_a_batching_file_is_read_and_what_has_no_effect_is_logged(tmp_path):
    file = tmp_path / "batching.config"
    file.write_text("max_batch_size { value: 8 } num_batch_threads { value: 2 }")

    found = batching_defaults(
        Settings((tmp_path,), enable_batching=True, batching_parameters_file=file)
    )

    assert found.batching.usual_rows == 8


@pytest.mark.parametrize("content", [None, "max_batch_size: 8"])
def test_a_batching_file_that_is_missing_or_wrong_stops_the_start(tmp_path, content):
    file = tmp_path / "batching.config"
    if content is not None:
        file.write_text(content)

    with pytest.raises(ConfigError, match=r"batching-parameters-file: .*batching\.config"):
        batching_defaults(
            Settings((tmp_path,), enable_batching=True, batching_parameters_file=file)
        )


def test_calls_may_name_folders_beside_those_of_the_start_or_those_that_are_set(tmp_path):
    beside = [ServedModel("a", "/srv/models/a"), ServedModel("b", "/srv/models/b")]
    settings = Settings((), model_base_path=Path("/srv/models/a"))

    assert reload_folders(settings, beside) == (Path("/srv/models"),)
    assert reload_folders(settings, [ServedModel("a", "/a")]) == ()
    stored = [ServedModel("a", "s3://box/prod/a"), ServedModel("b", "s3://box/b")]
    assert reload_folders(settings, stored) == (StoreUrl("s3", "box", "prod"),)
    chosen = Settings((), model_base_path=Path("/a"), reload_folders=(tmp_path,))
    assert reload_folders(chosen, beside) == (tmp_path,)
