"""Models that cannot be served, each for another sin: shown with the reason; the others serve.

One server over all of them at once, beside one good model.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.harness.echo_repository import add_echo
from tests.harness.hostile import INPUT, MODEL, check_discreet, exchange, infer, request
from tests.harness.server_process import ROOT, ServerProcess, serving


@dataclass(frozen=True)
class Repository:
    """A repository being written, and the demo models whose artifacts are spoiled."""

    root: Path
    demo: Path

    def version(self, name: str) -> Path:
        """The new, empty folder of version 1 of a new model."""
        folder = self.root / name / "1"
        folder.mkdir(parents=True)
        return folder

    def copy(self, model: str, name: str) -> Path:
        """The version folder of a copy of a demo model."""
        shutil.copytree(self.demo / model, self.root / name)
        return self.root / name / "1"


def onnx_corrupt(repository: Repository, name: str) -> None:
    file = repository.copy("digits-onnx", name) / "model.onnx"
    file.write_bytes(b"\xff" * 10 + file.read_bytes()[10:])


def onnx_truncated(repository: Repository, name: str) -> None:
    file = repository.copy("digits-onnx", name) / "model.onnx"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def onnx_empty(repository: Repository, name: str) -> None:
    (repository.version(name) / "model.onnx").touch()


def onnx_unknown_op(repository: Repository, name: str) -> None:
    save_onnx(repository.version(name), "FlyToTheMoon")


def onnx_external_data_missing(repository: Repository, name: str) -> None:
    save_onnx(repository.version(name), "Add", external="weights.bin")


def onnx_external_data_outside(repository: Repository, name: str) -> None:
    (repository.root / name).mkdir()
    (repository.root / name / "outside").write_bytes(bytes(8))
    save_onnx(repository.version(name), "Add", external="../outside")


def onnx_external_data_absolute(repository: Repository, name: str) -> None:
    save_onnx(repository.version(name), "Add", external="/etc/hostname")


def onnx_external_data_linked(repository: Repository, name: str) -> None:
    folder = repository.version(name)
    (folder / "weights.bin").symlink_to("/etc/hostname")
    save_onnx(folder, "Add", external="weights.bin")


def save_onnx(folder: Path, operator: str, external: str = "") -> None:
    """A model that joins its input to a weight by `operator`; the weight may lie elsewhere."""
    from onnx import TensorProto, helper

    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2])
    if external:
        weight.data_location = TensorProto.EXTERNAL
        for key, value in (("location", external), ("length", "8")):
            weight.external_data.add(key=key, value=value)
    else:
        weight.raw_data = bytes(8)
    tensors = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 2]) for n in ("x", "y")]
    node = helper.make_node(operator, ["x", "w"], ["y"])
    graph = helper.make_graph([node], "graph", tensors[:1], tensors[1:], [weight])
    opsets = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def torchscript_corrupt(repository: Repository, name: str) -> None:
    file = repository.copy("digits-torchscript", name) / "model.pt"
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    del content[middle : middle + 1000]
    file.write_bytes(content)


def torchscript_no_zip(repository: Repository, name: str) -> None:
    (repository.version(name) / "model.pt").write_text("import os; os.abort()\n" * 100)


def torchscript_pickle(repository: Repository, name: str) -> None:
    """A pickle that would make a file if anything ever unpickled it."""
    proof = repository.root / name / "unpickled"
    code = f"cposix\nsystem\n(S'touch {proof}'\ntR."
    (repository.version(name) / "model.pt").write_bytes(code.encode())


def torchscript_without_signature(repository: Repository, name: str) -> None:
    rewrite_archive(repository, name, lambda inner, data: data, without="extra/signature.json")


def torchscript_bad_signature(repository: Repository, name: str) -> None:
    def spoil(inner: str, data: bytes) -> bytes:
        return data.replace(b"FP32", b"FP31") if inner.endswith("signature.json") else data

    rewrite_archive(repository, name, spoil)


def rewrite_archive(
    repository: Repository, name: str, change: Callable[[str, bytes], bytes], without: str = "-"
) -> None:
    source = repository.demo / "digits-torchscript/1/model.pt"
    target = repository.version(name) / "model.pt"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for inner in old.namelist():
            if not inner.endswith(without):
                new.writestr(inner, change(inner, old.read(inner)))


def savedmodel_folder(repository: Repository, name: str) -> Path:
    """The folder of a copied SavedModel, wherever in the version it lies."""
    (file,) = repository.copy("digits-savedmodel", name).rglob("saved_model.pb")
    return file.parent


def savedmodel_without_variables(repository: Repository, name: str) -> None:
    shutil.rmtree(savedmodel_folder(repository, name) / "variables")


def savedmodel_truncated(repository: Repository, name: str) -> None:
    file = savedmodel_folder(repository, name) / "saved_model.pb"
    file.write_bytes(file.read_bytes()[:1000])


def savedmodel_empty(repository: Repository, name: str) -> None:
    (repository.version(name) / "saved_model.pb").touch()


def savedmodel_without_that_signature(repository: Repository, name: str) -> None:
    savedmodel_folder(repository, name)
    settings = "runtime: savedmodel\noptions: {signature: no_such}\n"
    (repository.root / name / "model.yaml").write_text(settings)


def no_artifact(repository: Repository, name: str) -> None:
    (repository.version(name) / "readme.txt").write_text("nothing here")


def no_version(repository: Repository, name: str) -> None:
    (repository.root / name).mkdir()


def two_artifacts(repository: Repository, name: str) -> None:
    folder = repository.copy("digits-onnx", name)
    (folder / "model.pt").touch()


def yaml_typo(repository: Repository, name: str) -> None:
    repository.copy("digits-onnx", name)
    (repository.root / name / "model.yaml").write_text("max_bach_size: 8\n")


def yaml_not_yaml(repository: Repository, name: str) -> None:
    repository.copy("digits-onnx", name)
    (repository.root / name / "model.yaml").write_text("inputs: [\n")


def yaml_contradicts_the_artifact(repository: Repository, name: str) -> None:
    repository.copy("digits-onnx", name)
    inputs = [{"name": "image", "datatype": "INT64", "shape": [-1, 1, 8, 8]}]
    (repository.root / name / "model.yaml").write_text(json.dumps({"inputs": inputs}))


def pbtxt_unsupported_field(repository: Repository, name: str) -> None:
    repository.copy("digits-onnx", name)
    text = f'name: "{name}"\nplatform: "onnxruntime_onnx"\nensemble_scheduling {{ step [] }}\n'
    (repository.root / name / "config.pbtxt").write_text(text)


def version_linked_outside(repository: Repository, name: str) -> None:
    folder = repository.copy("digits-onnx", name)
    (folder / "extra").symlink_to("/etc")


def exits_on_load(repository: Repository, name: str) -> None:
    add_echo(repository.root, name, options={"exit_on_load": True})


def refuses_to_load(repository: Repository, name: str) -> None:
    add_echo(repository.root, name, options={"fail_load": "told to [/] [red]stop[/red]"})


def unknown_option(repository: Repository, name: str) -> None:
    add_echo(repository.root, name, options={"deley_ms": 1})


def device_that_is_not_there(repository: Repository, name: str) -> None:
    add_echo(repository.root, name, device="cuda:63")


Sin = Callable[[Repository, str], None]

FAILED: dict[Sin, tuple[str, ...]] = {
    onnx_corrupt: ("Protobuf parsing failed",),
    onnx_truncated: ("Protobuf parsing failed",),
    onnx_empty: ("the ONNX file is empty",),
    onnx_unknown_op: ("ONNX Runtime cannot load it", "FlyToTheMoon"),
    onnx_external_data_missing: ("external data 'weights.bin' is missing",),
    onnx_external_data_outside: ("external data '../outside' lies outside",),
    onnx_external_data_absolute: ("external data '/etc/hostname' lies outside",),
    onnx_external_data_linked: ("weights.bin leads outside the model repository",),
    torchscript_corrupt: ("PyTorch cannot load it",),
    torchscript_no_zip: ("PyTorch cannot load it",),
    torchscript_pickle: ("PyTorch cannot load it",),
    torchscript_without_signature: (
        "Add to the model's model.yaml",
        "inputs:\n  - {name: image, datatype: FP32, shape: [-1, -1]}\n",
        "outputs:\n  - {name: output, datatype: FP32, shape: [-1, -1]}",
    ),
    torchscript_bad_signature: ("signature.json: inputs[0].datatype must be one of BOOL",),
    savedmodel_without_variables: ("TensorFlow cannot load it", "variables"),
    savedmodel_truncated: ("TensorFlow cannot load it", "saved_model.pb"),
    savedmodel_empty: ("TensorFlow cannot load it", "0 MetaGraphs"),
    savedmodel_without_that_signature: ("no_such", "serving_default"),
    no_artifact: ("holds no artifact; looked for model.onnx",),
    two_artifacts: ("model.onnx", "model.pt"),
    yaml_contradicts_the_artifact: ("'image'", "INT64", "FP32"),
    version_linked_outside: ("extra leads outside the model repository",),
    exits_on_load: ("the worker died while loading (exit 1)",),
    refuses_to_load: ("told to [/] [red]stop[/red]",),
    unknown_option: ("deley_ms",),
    device_that_is_not_there: ("cuda:63",),
}
"""What has a version that failed, and what its reason must say."""

REJECTED: dict[Sin, tuple[str, ...]] = {
    yaml_typo: ("max_bach_size", "max_batch_size"),
    yaml_not_yaml: ("model.yaml",),
    pbtxt_unsupported_field: ("ensemble_scheduling",),
    no_version: ("no version folder; expected a folder named by a number",),
}
"""What has no version that could even be tried."""

BAD_NAMES = ("bad name", "-dash", "ümlaut", "n" * 200)


@pytest.fixture(scope="module")
def repository(tmp_path_factory, demo_repository: Path) -> Repository:
    found = Repository(tmp_path_factory.mktemp("models"), demo_repository)
    found.copy(MODEL, MODEL)
    for sin in (*FAILED, *REJECTED):
        sin(found, sin.__name__)
    for name in BAD_NAMES:
        found.copy(MODEL, name)
    return found


@pytest.fixture(scope="module")
def server(repository: Repository):
    # No retries: they would change the reasons while they are compared.
    with serving(repository.root, arguments=("--load-retries", "0")) as found:
        yield found


@pytest.fixture(scope="module")
def index(server: ServerProcess) -> dict[str, dict[str, str]]:
    """The repository index over REST, by model."""
    answer = exchange(server.http_port, request("POST", "/v2/repository/index"))
    assert answer.status == 200
    return {entry["name"]: entry for entry in json.loads(answer.body)}


def names(sins) -> list[str]:
    return [sin.__name__ for sin in sins]


@pytest.mark.parametrize("sin", FAILED, ids=names(FAILED))
def test_a_version_that_cannot_be_loaded_is_failed_with_the_reason(server, index, sin):
    entry = index[sin.__name__]
    assert (entry["version"], entry["state"]) == ("1", "UNAVAILABLE")
    logged = server.wait_for("failed to load", model=sin.__name__, version=1)
    check_reason(entry["reason"], logged, FAILED[sin])


@pytest.mark.parametrize("sin", REJECTED, ids=names(REJECTED))
def test_a_model_that_cannot_be_tried_is_unavailable_with_the_reason(server, index, sin):
    entry = index[sin.__name__]
    assert "version" not in entry
    assert entry["state"] == "UNAVAILABLE"
    logged = server.wait_for("model cannot be served", model=sin.__name__)
    check_reason(entry["reason"], logged, REJECTED[sin])


def check_reason(reason: str, logged: dict, texts: tuple[str, ...]) -> None:
    assert logged["reason"] == reason
    for text in texts:
        assert text in reason
    # What the publisher wrote may be repeated; what the machine has must not be told.
    check_discreet(reason.replace("'/etc/hostname'", ""))


@pytest.mark.parametrize("sin", [*FAILED, *REJECTED], ids=names([*FAILED, *REJECTED]))
def test_what_is_known_but_failed_is_unavailable_to_clients(server, sin):
    name = sin.__name__
    for data in (
        infer({"inputs": [INPUT]}, name),
        request("GET", f"/v2/models/{name}"),
        request("GET", f"/v2/models/{name}/config"),
        request("GET", f"/v2/models/{name}/ready"),
    ):
        answer = exchange(server.http_port, data)
        assert answer.status == 503, answer.body
        check_discreet(answer.error)
    said = exchange(server.http_port, infer({"inputs": [INPUT]}, name)).error
    assert said == f"'{name}' has no available versions"


@pytest.mark.parametrize("sin", FAILED, ids=names(FAILED))
def test_a_failed_version_asked_for_by_number_is_not_ready(server, sin):
    name = f"{sin.__name__}/versions/1"
    answer = exchange(server.http_port, infer({"inputs": [INPUT]}, name))
    assert answer.status == 503
    assert answer.error == f"'{sin.__name__}' version 1 is not at ready state"


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_folder_whose_name_is_no_models_name_is_passed_over_and_logged(server, index, name):
    assert name not in index
    server.wait_for("all models settled")
    reasons = [e["what"] for e in server.events if e["event"].startswith("passed over")]
    (reason,) = [reason for reason in reasons if repr(name[:61])[:-1] in reason]
    assert "not a model name; expected 1 to 128 of A-Z" in reason
    check_discreet(reason)


def test_the_good_model_serves_and_the_server_is_ready(server, index):
    assert index[MODEL] == {"name": MODEL, "version": "1", "state": "READY"}
    answer = exchange(server.http_port, infer({"inputs": [INPUT]}))
    assert answer.status == 200
    (output,) = json.loads(answer.body)["outputs"]
    assert abs(sum(output["data"]) - 1) < 1e-5
    for path in ("/v2/health/ready", "/v2/health/live", f"/v2/models/{MODEL}/ready"):
        assert exchange(server.http_port, request("GET", path)).status == 200


def test_failed_loads_leave_no_process_behind(server):
    gateway = psutil.Process(server.process.pid)
    workers = [worker for zygote in gateway.children() for worker in zygote.children()]
    assert [worker.name()[: len(MODEL)] for worker in workers] == [MODEL]


def test_an_artifact_that_is_a_pickle_is_never_unpickled(server, repository):
    assert not (repository.root / torchscript_pickle.__name__ / "unpickled").exists()


def test_the_models_command_shows_them_all(server, index):
    command = [str(Path(sys.executable).parent / "underway"), "models", "--url", server.url]
    shown = subprocess.run(
        [*command, "--json"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert {entry["name"]: entry for entry in json.loads(shown.stdout)} == index
    wide = {**os.environ, "COLUMNS": "1000"}
    table = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60, env=wide
    )
    for name, entry in index.items():
        assert name in table.stdout
        assert entry.get("reason", "").split("\n")[0] in table.stdout
