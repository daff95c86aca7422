"""Locust's shape: the number of users by the table that was chosen, and the end of the ramp."""

from __future__ import annotations

import logging
import time

from locust import LoadTestShape

from loadtests.users.schedule import DEFAULT_SECONDS, Moment, saturation, users_at

WARM_UP = 5.0
"""Seconds before the ramp's first look: connections are made in them."""

log = logging.getLogger(__name__)


class Shape(LoadTestShape):
    """Reads --shape, -u (the most users), -r and -t on every tick, so they may change on the page.

    Locust makes one object per run of the program, not per test.
    """

    use_common_options = True

    def reset_time(self) -> None:
        """A test begins."""
        super().reset_time()
        self._first: Moment | None = None
        self._seen = (time.monotonic(), 0, 0)

    def tick(self) -> tuple[int, float] | None:
        """Users and users per second, once a second; None to end the test."""
        assert self.runner is not None  # noqa: S101
        options = self.runner.environment.parsed_options
        peak = options.num_users or 1
        total = float(options.run_time or DEFAULT_SECONDS.get(options.shape, 0.0))
        users = users_at(options.shape, self.get_run_time(), total, peak)
        if users is None or (options.shape == "ramp" and self._is_saturated(options.latency_limit)):
            return None
        if options.shape in ("steady", "soak", "swap"):
            return users, options.spawn_rate or 1
        # At once, and so at the end of a spike: Locust stops no more per second than it starts.
        return users, peak

    def _is_saturated(self, limit: float) -> bool:
        now = self._moment()
        if self._first is None:
            if self.get_run_time() >= WARM_UP and now.rate:
                self._first = now
            return False
        reason = saturation(now, self._first, limit)
        if reason:
            log.warning(
                "Saturated with %d users at %.0f requests/s: %s",
                self.get_current_user_count(), now.rate, reason,
            )  # fmt: skip
        return bool(reason)

    def _moment(self) -> Moment:
        """What came since the last tick; the p95 is Locust's over its last ten seconds."""
        total = self.runner.stats.total
        at, requests, failures = self._seen
        now = time.monotonic()
        self._seen = (now, total.num_requests, total.num_failures)
        done = total.num_requests - requests
        p95 = total.get_current_response_time_percentile(0.95) or 0.0
        failed = (total.num_failures - failures) / done if done > 0 else 0.0
        return Moment(done / max(now - at, 1e-6), p95, failed)
