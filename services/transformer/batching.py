"""Answers requests that come at the same time together, on every core.

Nobody waits for company: whoever comes while a core is free is answered at once, and those who come while all are at
work are the next batches. So the busier the service, the larger the batches.

Each run of the model has one core. For the small encoder that training makes, two runs side by side on two cores took
0.93 ms a ticket where single runs on both cores took 1.38; batches of mixed lengths lose what they gain to padding
(3.1 ms a ticket in fours on one core, 2.0 among tickets of like length, 2.5 alone; IT tickets, November 2026).
"""

import asyncio
import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from prometheus_client import CollectorRegistry, Histogram

from services.transformer.scorer import Scorer

SIZES = (1, 2, 4, 8, 16, 32, 64)
# Texts go together when none is more than so many times as long as the one that has waited longest.
STRETCH = 1.5
# Where Linux says how much CPU time a container may use (control groups, version 2).
QUOTA = Path("/sys/fs/cgroup/cpu.max")


class Waiting(NamedTuple):
    """A text, the model that its request found, and where its probabilities are awaited."""

    scorer: Scorer
    text: str
    answer: asyncio.Future


class Batcher:
    """Threads that run the model, one for each core, and those who wait for them."""

    def __init__(self, largest: int, registry: CollectorRegistry) -> None:
        """Largest is how many texts are answered at once; how many there were goes to the registry of metrics."""
        self._largest = largest
        self._sizes = Histogram(
            "model_batch_texts", "Texts that one run of the model has answered", buckets=SIZES, registry=registry
        )
        self._waiting: list[Waiting] = []
        self._free = cores()
        self._tasks: set[asyncio.Task] = set()
        self._threads = ThreadPoolExecutor(self._free, thread_name_prefix="model")

    async def probabilities(self, scorer: Scorer, texts: list[str]) -> np.ndarray:
        """Return the probabilities of the texts, shape (n_texts, n_labels)."""
        loop = asyncio.get_running_loop()
        mine = [Waiting(scorer, text, loop.create_future()) for text in texts]
        self._waiting.extend(mine)
        for _ in range(min(self._free, len(mine))):
            self._free -= 1
            task = loop.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return np.stack(await asyncio.gather(*(each.answer for each in mine)))

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run something else on a thread of the model."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._answer(self._next_batch())
        finally:
            self._free += 1

    def _next_batch(self) -> list[Waiting]:
        """Take who has waited longest, and others of like length who want the same model."""
        first = self._waiting[0]
        low, high = len(first.text) / STRETCH, len(first.text) * STRETCH
        batch: list[Waiting] = []
        others: list[Waiting] = []
        for each in self._waiting:
            fits = each.scorer is first.scorer and low <= len(each.text) <= high
            (batch if fits and len(batch) < self._largest else others).append(each)
        self._waiting = others
        return batch

    async def _answer(self, batch: list[Waiting]) -> None:
        try:
            found = await self.run(batch[0].scorer.probabilities, [each.text for each in batch])
        except Exception as error:
            # It belongs to the requests: each of them reports it, and the next batch is not touched.
            for each in batch:
                if not each.answer.done():
                    each.answer.set_exception(error)
            return
        self._sizes.observe(len(batch))
        for each, probabilities in zip(batch, found, strict=True):
            if not each.answer.done():
                each.answer.set_result(probabilities)


def cores(quota: Path = QUOTA) -> int:
    """Return how many cores this process may use, where the system tells: those it runs on, and a container's limit.

    A limit, as of Docker or Kubernetes, stands in the file quota: microseconds of CPU time in each period, and the
    period. More threads than it allows would stop each other.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        limit, period = quota.read_text(encoding="ascii").split()
        return max(1, min(allowed, math.ceil(int(limit) / int(period))))
    except (OSError, ValueError):
        # No control group, or no limit: "max".
        return allowed
