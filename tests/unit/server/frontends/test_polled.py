"""Waiting for a client to leave neither spins nor hangs."""

from server.frontends.polled import LONGEST_PAUSE, PolledReceive


async def test_a_body_is_read_without_a_pause_and_the_end_is_looked_for_with_growing_ones(
    monkeypatch,
):
    events = [
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.request", "body": b"b", "more_body": False},
        *[{"type": "http.request", "body": b"", "more_body": False}] * 12,
        {"type": "http.disconnect"},
    ]
    told, pauses = iter(events), []

    async def receive():
        return next(told)

    async def sleep(seconds):
        pauses.append(seconds)

    monkeypatch.setattr("server.frontends.polled.asyncio.sleep", sleep)
    polled = PolledReceive(receive)
    got = [await polled() for _ in events]

    assert got == events
    assert len(pauses) == 13
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE
