"""A request is held against the signature it names, and goes to the worker by that name."""

import pytest

from runtimes.contract.messages import Result
from runtimes.contract.tensor import Datatype, NamedSignature, Signature, Tensor, TensorSpec
from server.admission import Admission, AdmissionBounds
from server.dataplane import ServingDataPlane
from server.errors import InvalidArgument
from server.inference import InferenceRequest
from server.repository.settings import ModelSettings
from server.routing.messages import LoadAdded, Routes
from server.routing.table import RoutingTable

CLASSIFY = "tensorflow/serving/classify"


def signature(name):
    return Signature((TensorSpec(name, Datatype.UINT8, (-1, 2)),), ())


SIGNATURES = (
    NamedSignature(signature("x"), 1, "main"),
    NamedSignature(signature("text"), 0, "pets", CLASSIFY),
)


class Workers:
    is_ready = True
    trouble = ""

    def __init__(self):
        self.asked = []

    async def infer(self, inputs, outputs, deadline_ns, priority=0, signature=""):
        self.asked.append(signature)
        return Result(1, ())


@pytest.fixture
def workers():
    return Workers()


@pytest.fixture
def plane(workers):
    table = RoutingTable(lambda added: workers, lambda message: None)
    table.apply(LoadAdded(1, 3, "savedmodel", SIGNATURES, ModelSettings("m")))
    table.apply(Routes(1, "m", {"": 1}, (1,), (), wanted=True))
    return ServingDataPlane(table, Admission(AdmissionBounds(99, 9999, 99, 9999)))


def request(name, rows=1, signature=""):
    tensor = Tensor(name, Datatype.UINT8, (rows, 2), bytes(2 * rows))
    return InferenceRequest("m", (tensor,), signature=signature)


async def infer(plane, asked):
    with plane.exchange("rest") as exchange:
        return await plane.infer(asked, exchange)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (request("x"), ""),
        (request("x", signature="main"), ""),
        (request("text", rows=9, signature="pets"), "pets"),
    ],
)
async def test_the_default_goes_by_one_name_and_others_by_theirs(plane, workers, asked, told):
    await infer(plane, asked)

    assert workers.asked == [told]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (request("x", signature="pets"), "unexpected inference input 'x'"),
        (request("text"), "unexpected inference input 'text'"),
        (request("x", rows=2, signature="main"), "batch-size must be <= 1"),
        (request("x", signature="cats"), "has no signature 'cats'; it has 'main', 'pets'"),
    ],
)
async def test_what_does_not_fit_the_signature_it_names_is_refused(plane, workers, asked, words):
    with pytest.raises(InvalidArgument, match=words):
        await infer(plane, asked)

    assert workers.asked == []


def test_metadata_tells_every_signature_the_default_first(plane):
    told = plane.metadata("m", "")

    assert (told.default_signature, told.signature, told.max_batch_size) == (
        "main",
        signature("x"),
        1,
    )
    assert list(told.signatures) == ["main", "pets"]
    assert told.max_batch_sizes == {"main": 1, "pets": 0}
    assert told.method_names["pets"] == CLASSIFY
