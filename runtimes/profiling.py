"""A profile on demand: which batches the runtime's profiler captures while the worker serves."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable

from runtimes.contract.codes import Code
from runtimes.contract.messages import Message, Profile, Profiled
from runtimes.runtime import ModelError, ProfiledModel, Profiler

FAILED = "the runtime's profiler failed; see the server's log"
AT_A_TIME = "a profile of this model is being taken; one at a time"


class Profiling:
    """One worker's profiles, one at a time. `send` answers, and `nudge` has the thread that
    computes look here though there is no batch.

    What takes long, making the profiler and writing its trace, is done in a thread of its own.
    """

    def __init__(
        self,
        model: ProfiledModel,
        send: Callable[[Message], None],
        nudge: Callable[[], None],
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.under_way = False
        """True where the thread that computes has to look here between batches."""
        self._model = model
        self._send = send
        self._nudge = nudge
        self._clock = clock
        self._taking = threading.Lock()
        self._profiler: Profiler | None = None
        self._started = False
        self._asked = Profile(0, 0, 0)
        self._left = 0
        self._until_ns = 0

    # ---- any thread ----------------------------------------------------------------------------

    def ask(self, asked: Profile) -> None:
        """Take up a request for a profile; it is answered in any case."""
        if not self._taking.acquire(blocking=False):
            self._send(Profiled(code=Code.OVERLOADED, message=AT_A_TIME))
            return
        threading.Thread(target=self._make, args=(asked,), daemon=True, name="profile").start()

    def _make(self, asked: Profile) -> None:
        try:
            self._profiler = self._model.profiler()
        except Exception as error:
            self._refuse(error, Code.UNSUPPORTED)
            return
        self._asked, self._left = asked, asked.batches
        self._until_ns = self._clock() + int(asked.seconds * 1e9)
        self._started, self.under_way = False, True
        self._nudge()
        timer = threading.Timer(asked.seconds, self._nudge)
        timer.daemon = True
        timer.start()

    def _answer(self, profiler: Profiler, captured: int) -> None:
        try:
            if not captured:
                raise ModelError(
                    f"no batch was computed within {self._asked.seconds:g} s; send requests "
                    "while the profile is being taken"
                )
            trace = profiler.trace(self._asked.max_bytes)
        except Exception as error:
            self._refuse(error, Code.UNAVAILABLE)
        else:
            self._taking.release()
            self._send(Profiled(profiler.file_name, trace))
        finally:
            profiler.close()

    def _refuse(self, error: Exception, code: Code) -> None:
        self._taking.release()
        if isinstance(error, ModelError):
            self._send(Profiled(code=code, message=str(error)))
        else:
            traceback.print_exception(error)
            self._send(Profiled(code=Code.INTERNAL, message=FAILED))

    # ---- the thread that computes --------------------------------------------------------------

    def before(self) -> None:
        """Between batches: begin what was made ready, or end what has had its time."""
        if self._clock() >= self._until_ns:
            self._end()
        elif not self._started:
            self._begin()

    def after(self) -> None:
        """One batch was computed."""
        self._left -= self._started
        if not self._left:
            self._end()

    def _begin(self) -> None:
        if self._profiler is None:
            return
        try:
            self._profiler.start()
        except Exception as error:
            self._give_up(error)
            return
        self._started = True

    def _end(self) -> None:
        profiler, self._profiler = self._profiler, None
        captured, self.under_way = self._asked.batches - self._left, False
        if profiler is None:
            return
        try:
            if self._started:
                profiler.stop()
        except Exception as error:
            self._profiler = profiler
            self._give_up(error)
            return
        threading.Thread(
            target=self._answer, args=(profiler, captured), daemon=True, name="profile"
        ).start()

    def _give_up(self, error: Exception) -> None:
        profiler, self._profiler = self._profiler, None
        self.under_way = False
        if profiler is not None:
            profiler.close()
        self._refuse(error, Code.UNAVAILABLE)
