"""How requests are joined for models that say nothing of it; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from runtimes.contract.messages import Batching
from server.repository.settings import ModelSettings


@dataclass(frozen=True, slots=True)
class BatchingDefaults:
    """The server's batching; `max_queue_rows` as in ModelSettings."""

    batching: Batching
    max_queue_rows: int = 0

    def applied_to(self, settings: ModelSettings) -> ModelSettings:
        """`settings` with these defaults, unless they have their own batching or rule it out."""
        if settings.batching is not None or settings.max_batch_size == 0:
            return settings
        batching, most = self.batching, settings.max_batch_size
        if most is not None and batching.allowed_sizes:
            # The last one is always the model's own bound.
            sizes = (*(size for size in batching.allowed_sizes if size < most), most)
            batching = replace(batching, allowed_sizes=sizes)
        rows = settings.max_queue_rows or self.max_queue_rows
        return replace(settings, batching=batching, max_queue_rows=rows)
