"""An image that was built serves the demo models, locked up as tightly as it is meant to run.

`make image-test` builds one and names it in UNDERWAY_TEST_IMAGE; elsewhere this is skipped.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from tests.harness import stores
from tests.images.container import MEMORY, PIDS, Container, started
from tests.images.engine import MODELS, RUNTIMES, SERVERS, engine, over_grpc, over_rest, takes

UID = 10001

pytestmark = takes(*SERVERS)


@pytest.fixture(scope="module")
def container(models) -> Iterator[Container]:
    with started(f"--volume={models}:/models:ro") as running:
        yield running


@pytest.fixture
def volume() -> Iterator[str]:
    """A new one, by name."""
    name = f"underway-test-{uuid.uuid4().hex[:8]}"
    engine("volume", "create", name)
    yield name
    engine("volume", "rm", "--force", name)


@pytest.mark.parametrize("model", MODELS)
def test_rest_and_grpc_give_the_same_answer(container, model):
    rest, by_grpc = over_rest(container.http, model), over_grpc(container.grpc, model)

    assert np.sum(rest) == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(rest, by_grpc, rtol=1e-5)


def test_metrics_count_what_was_asked(container):
    page = httpx.get(f"http://127.0.0.1:{container.metrics}/metrics", timeout=60).text

    assert [name for name in MODELS if f'underway_requests_total{{model="{name}"' not in page] == []


def test_every_process_runs_without_rights(container):
    processes = json.loads(
        container.python(
            "import json, pathlib\n"
            "found = []\n"
            "for path in pathlib.Path('/proc').glob('[0-9]*'):\n"
            "    status = dict(line.split(':\\t', 1) for line in"
            " (path / 'status').read_text().splitlines() if ':\\t' in line)\n"
            "    found.append([status['Name'], status['Uid'].split()[0],"
            " int(status['CapEff'], 16), status['NoNewPrivs']])\n"
            "print(json.dumps(found))"
        )
    )

    assert len(processes) > len(RUNTIMES) * 2  # tini, gateway, a zygote and a worker of each
    assert [one for one in processes if one[1:] != [str(UID), 0, "1"]] == []


def test_tini_is_the_first_process(container):
    assert "tini" in container.python("print(open('/proc/1/cmdline').read())")


def test_nothing_but_tmp_can_be_written(container):
    code = (
        "import errno, pathlib\n"
        "for place in ('/opt/underway/x', '/models/x', '/etc/x', '/tmp/x'):\n"
        "    try:\n"
        "        pathlib.Path(place).write_text('x')\n"
        "        print(place, 'written')\n"
        "    except OSError as error:\n"
        "        print(place, errno.errorcode[error.errno])\n"
    )

    assert container.python(code).split("\n")[:4] == [
        "/opt/underway/x EROFS", "/models/x EROFS", "/etc/x EROFS", "/tmp/x written",
    ]  # fmt: skip


def test_the_limits_are_in_force(container):
    code = (
        "import pathlib\n"
        "root = pathlib.Path('/sys/fs/cgroup')\n"
        "places = [('memory.max', 'pids.max'),"
        " ('memory/memory.limit_in_bytes', 'pids/pids.max')]\n"
        "print(*[(root / name).read_text().strip() for pair in places for name in pair"
        " if (root / name).exists()])"
    )

    assert container.python(code).split() == [str(MEMORY), str(PIDS)]


def test_the_image_has_no_framework_in_the_gateways_environment(container):
    code = (
        "import importlib.util as u\n"
        "print([name for name in ('torch', 'tensorflow', 'onnxruntime') if u.find_spec(name)])"
    )

    assert container.python(code).strip() == "[]"


def test_its_own_health_check_passes(container):
    kind, *command = container.inspect()["Config"]["Healthcheck"]["Test"]

    assert kind == "CMD"  # without a shell
    engine("exec", container.name, *command)


@pytest.mark.skipif(not stores.RCLONE.exists(), reason="rclone is not installed")
def test_models_may_lie_in_an_object_store_and_what_is_fetched_in_a_volume(models, volume):
    mounted = f"--volume={volume}:/var/cache/underway"
    command = ("--model-repository", f"s3://{models.name}", "--model-cache", "/var/cache/underway")
    with stores.running(stores.s3(models.parent)) as store:
        given = [f"--env={name}={text}" for name, text in stores.s3_environment(store).items()]
        with started(mounted, *given, command=("serve", *command)) as running:
            assert np.sum(over_rest(running.http, MODELS[0])) == pytest.approx(1, abs=1e-4)
            code = "import pathlib; print(*pathlib.Path('/var/cache/underway').rglob('1'))"
            assert running.python(code).count(f"/{MODELS[0]}/1") == 1


def test_the_gateway_has_what_each_kind_of_store_needs(container):
    code = (
        "import fsspec\n"
        "kinds = [fsspec.get_filesystem_class(one) for one in ('s3', 'gs', 'az', 'abfs')]\n"
        "print(*[kind.__module__.split('.')[0] for kind in kinds])\n"
        "import huggingface_hub"
    )

    assert container.python(code).split() == ["s3fs", "gcsfs", "adlfs", "adlfs"]


def test_after_sigterm_it_ends_with_zero(container):
    """The last one: it stops the container that the others ask."""
    engine("stop", "--time=60", container.name)

    assert container.inspect()["State"]["ExitCode"] == 0
