"""What a framework's process is given of the gateway's environment."""

from server.cpus import available_cpus
from server.workers.zygote import runtime_environment

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def test_libraries_start_as_many_threads_as_there_are_cpus_by_quota(monkeypatch):
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)

    environment = runtime_environment()

    assert [environment[name] for name in THREADS] == [str(available_cpus())] * 3


def test_what_is_set_by_hand_stays_and_python_s_own_variables_do_not(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")

    environment = runtime_environment()

    assert environment["OMP_NUM_THREADS"] == "7"
    assert "PYTHONPATH" not in environment
