"""Which waiting requests run together, and when: decisions only, no clock and no threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runtimes.batching.padding import Stretch, up_to
from runtimes.contract.messages import HIGH_PRIORITY, Infer
from runtimes.contract.record import record
from runtimes.contract.tensor import Tensor

BatchKey = tuple[object, ...]

HEAD_START_NS = 100_000_000
"""A request of high priority goes before those that came up to this long before it. So it waits for
none of them, and none of them waits for ever, however many of high priority come."""


@record
class Waiting:
    """A request in the queue: `rows` it adds to a batch, `key` it must share with its batch.

    The queue is in the order of `turn_ns`: when it came, less its head start. `client` is who
    asked; ids are of its choosing.
    """

    request: Infer
    rows: int
    key: BatchKey
    arrived_ns: int
    turn_ns: int
    size: int
    client: object = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How far joining may go; `max_rows` of 0 means every request runs alone.

    `allowed_rows` are the sizes that a batch may be filled up to, none where any size will do.
    Where `batched`, the first dimension of every input is rows, joined or not.
    """

    max_rows: int = 0
    max_delay_ns: int = 0
    allowed_rows: tuple[int, ...] = ()
    stretch: Stretch | None = None
    batched: bool = True


@record
class Decision:
    """Run the requests at `take` (indices, in order), or wait until `wait_until_ns`."""

    take: tuple[int, ...] = ()
    wait_until_ns: int = 0


def waiting(
    request: Infer,
    now_ns: int,
    batched: bool,
    stretch: Stretch | None = None,
    client: object = None,
) -> Waiting:
    """Describe `request` for the queue; where `batched`, its rows are the first dimension."""
    turn_ns = now_ns - HEAD_START_NS if request.priority == HIGH_PRIORITY else now_ns
    inputs = request.inputs
    size = sum([len(tensor.data) for tensor in inputs])
    shapes = [tensor.shape for tensor in inputs]
    if not batched or not shapes or not all(shapes):
        return Waiting(request, 1, (), now_ns, turn_ns, size, client)
    if stretch is None:
        described = [(tensor.name, tensor.datatype, tensor.shape[1:]) for tensor in inputs]
    else:
        described = [(one.name, one.datatype, _stretched(one, stretch)) for one in inputs]
    key = (request.outputs, *described, request.signature)
    return Waiting(request, shapes[0][0], key, now_ns, turn_ns, size, client)


def _stretched(tensor: Tensor, stretch: Stretch) -> tuple[int, ...]:
    """The dimensions all in one batch must share: open ones by their bucket, or not at all."""
    axes = stretch.axes.get(tensor.name, ())
    if not axes and tensor.name == stretch.padding.mask:
        axes = (1,)
    buckets = stretch.padding.buckets
    return tuple(
        dim if axis not in axes else up_to(dim, buckets) if buckets else -1
        for axis, dim in enumerate(tensor.shape)
        if axis > 0
    )


def next_batch(queue: Sequence[Waiting], limits: Limits, now_ns: int) -> Decision:
    """Choose from a non-empty `queue`, which is in the order of turns.

    The first always leads. Others join while they share its key and the rows fit; the first that
    shares the key and does not fit ends the batch, so that no one is overtaken within a key. A
    batch that is not full waits for company at most `max_delay_ns` after its leader came.
    """
    leader = queue[0]
    if limits.max_rows == 0 or not leader.key:
        return Decision((0,))
    key, most = leader.key, limits.max_rows
    take, rows, full = [0], leader.rows, leader.rows >= most
    for index in range(1, len(queue)):
        if full:
            break
        other = queue[index]
        if other.key != key:
            continue
        if rows + other.rows > most:
            full = True
            break
        take.append(index)
        rows += other.rows
        full = rows >= most
    due_ns = leader.arrived_ns + limits.max_delay_ns
    if not full and now_ns < due_ns:
        return Decision(wait_until_ns=due_ns)
    return Decision(tuple(take))


def expired(request: Infer, now_ns: int) -> bool:
    """True where nobody waits for `request` any more."""
    return 0 < request.deadline_ns <= now_ns


def too_full(rows: int, size: int, entry: Waiting, max_rows: int, max_bytes: int) -> str:
    """Why `entry` cannot wait behind `rows` rows of `size` bytes, "" where it can.

    Bounds of 0 are none, and an empty queue takes whatever comes.
    """
    if max_rows and rows and rows + entry.rows > max_rows:
        return f"{rows} rows wait already, max_queue_rows is {max_rows}"
    if max_bytes and size and size + entry.size > max_bytes:
        return f"{size} bytes wait already, max_queue_bytes is {max_bytes}"
    return ""
