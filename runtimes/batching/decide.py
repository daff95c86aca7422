"""Which waiting requests run together, and when: decisions only, no clock and no threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runtimes.contract.messages import Infer

BatchKey = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request in the queue: `rows` it adds to a batch, `key` it must share with its batch."""

    request: Infer
    rows: int
    key: BatchKey
    arrived_ns: int


@dataclass(frozen=True, slots=True)
class Limits:
    """How far joining may go; `max_rows` of 0 means every request runs alone."""

    max_rows: int = 0
    max_delay_ns: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """Run the requests at `take` (indices, oldest first), or wait until `wait_until_ns`."""

    take: tuple[int, ...] = ()
    wait_until_ns: int = 0


def waiting(request: Infer, now_ns: int, batched: bool) -> Waiting:
    """Describe `request` for the queue; where `batched`, its rows are the first dimension."""
    shapes = [tensor.shape for tensor in request.inputs]
    if not batched or not shapes or not all(shapes):
        return Waiting(request, 1, (), now_ns)
    key = (
        request.outputs,
        *((tensor.name, tensor.datatype, tensor.shape[1:]) for tensor in request.inputs),
    )
    return Waiting(request, shapes[0][0], key, now_ns)


def next_batch(queue: Sequence[Waiting], limits: Limits, now_ns: int) -> Decision:
    """Choose from a non-empty `queue`, oldest first.

    The oldest request always leads. Others join while they share its key and the rows fit; the
    first that shares the key and does not fit ends the batch, so that no one is overtaken within
    a key. A batch that is not full waits for company at most `max_delay_ns` after its leader came.
    """
    leader = queue[0]
    if limits.max_rows == 0 or not leader.key:
        return Decision((0,))
    take, rows, full = [0], leader.rows, leader.rows >= limits.max_rows
    for index in range(1, len(queue)):
        if full:
            break
        other = queue[index]
        if other.key != leader.key:
            continue
        if rows + other.rows > limits.max_rows:
            full = True
            break
        take.append(index)
        rows += other.rows
        full = rows >= limits.max_rows
    due_ns = leader.arrived_ns + limits.max_delay_ns
    if not full and now_ns < due_ns:
        return Decision(wait_until_ns=due_ns)
    return Decision(tuple(take))


def expired(request: Infer, now_ns: int) -> bool:
    """True where nobody waits for `request` any more."""
    return 0 < request.deadline_ns <= now_ns
