"""A device is chosen from its word and the GPUs that are there."""

from __future__ import annotations

import pytest

from runtimes.device import choose, device_name
from runtimes.runtime import LoadError


@pytest.mark.parametrize(
    ("device", "visible", "name"),
    [
        ("auto", 0, "cpu"),
        ("auto", 2, "cuda:0"),
        ("cpu", 2, "cpu"),
        ("cuda:0", 1, "cuda:0"),
        ("cuda:1", 2, "cuda:1"),
    ],
)
def test_the_device_is_the_one_asked_for(device, visible, name):
    assert device_name(choose(device, visible, "X", cuda=True)) == name


@pytest.mark.parametrize(
    ("device", "visible", "message"),
    [
        ("cuda:0", 0, "but X sees no GPU: "),
        ("cuda:1", 1, "but X sees only cuda:0$"),
        ("cuda:4", 4, "but X sees only cuda:0 to cuda:3"),
        ("tpu", 4, "expected 'auto', 'cpu' or 'cuda:N'"),
        ("cuda:1\n", 4, "expected 'auto', 'cpu' or 'cuda:N'"),
    ],
)
def test_a_device_that_is_not_there_is_refused(device, visible, message):
    with pytest.raises(LoadError, match=message):
        choose(device, visible, "X", cuda=True)


@pytest.mark.parametrize(
    ("cuda", "driver", "reason"),
    [
        (False, True, "it is built without CUDA"),
        (True, False, r"NVIDIA's driver \(libcuda.so.1\) is not there"),
        (True, True, "is one hidden"),
    ],
)
def test_no_gpu_at_all_is_explained(cuda, driver, reason, monkeypatch):
    monkeypatch.setattr("runtimes.device.has_driver", lambda: driver)

    with pytest.raises(LoadError, match=f"'cuda:0' is asked for, but X sees no GPU: {reason}"):
        choose("cuda:0", 0, "X", cuda=cuda)
