"""Answers requests that arrive at the same time in batches, on every core.

A request never waits for a batch to fill: while a core is free it runs at once, and requests that arrive while all
cores are busy form the next batches. So the busier the service, the larger the batches.

Each run of the model uses one core. For the small encoder that training produces, two parallel runs on two cores took
0.93 ms a ticket, while single runs on both cores took 1.38. Batches of mixed lengths lose to padding what they gain
(3.1 ms a ticket in fours on one core, 2.0 among tickets of similar length, 2.5 alone; IT tickets, November 2026).
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

from services.transformer.scorer import TransformerScorer

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
# A batch takes texts whose length differs by at most this factor from the one that has waited longest.
LENGTH_RATIO = 1.5
# Linux shows here how much CPU time a container may use (control groups, version 2).
QUOTA = Path("/sys/fs/cgroup/cpu.max")


class PendingText(NamedTuple):
    """A text, the model that was in use when it arrived, and the future for its probabilities."""

    scorer: TransformerScorer
    text: str
    answer: asyncio.Future[np.ndarray]


class Batcher:
    """Threads that run the model, one for each core, and the texts that wait for them."""

    def __init__(self, largest: int, registry: CollectorRegistry) -> None:
        """largest is the most texts in one batch; batch sizes are recorded in the registry of metrics."""
        self._largest = largest
        self._sizes = Histogram(
            "model_batch_texts", "Texts that one run of the model has answered", buckets=BATCH_SIZES, registry=registry
        )
        self._waiting: list[PendingText] = []
        self._free = cores()
        self._tasks: set[asyncio.Task] = set()
        self._threads = ThreadPoolExecutor(self._free, thread_name_prefix="model")

    async def probabilities(self, scorer: TransformerScorer, texts: list[str]) -> np.ndarray:
        """Return the probabilities of the texts, shape (n_texts, n_labels)."""
        loop = asyncio.get_running_loop()
        mine = [PendingText(scorer, text, loop.create_future()) for text in texts]
        self._waiting.extend(mine)
        for _ in range(min(self._free, len(mine))):
            self._free -= 1
            task = loop.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return np.stack(await asyncio.gather(*(each.answer for each in mine)))

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function on one of the threads of the model."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._answer(self._next_batch())
        finally:
            self._free += 1

    def _next_batch(self) -> list[PendingText]:
        """Take the text that has waited longest, and others of similar length for the same model."""
        first = self._waiting[0]
        low, high = len(first.text) / LENGTH_RATIO, len(first.text) * LENGTH_RATIO
        batch: list[PendingText] = []
        others: list[PendingText] = []
        for each in self._waiting:
            fits = each.scorer is first.scorer and low <= len(each.text) <= high
            (batch if fits and len(batch) < self._largest else others).append(each)
        self._waiting = others
        return batch

    async def _answer(self, batch: list[PendingText]) -> None:
        try:
            found = await self.run(batch[0].scorer.probabilities, [each.text for each in batch])
        except Exception as error:
            # The error belongs to these requests: each of them reports it, and the next batch is not affected.
            for each in batch:
                if not each.answer.done():
                    each.answer.set_exception(error)
            return
        self._sizes.observe(len(batch))
        for each, probabilities in zip(batch, found, strict=True):
            if not each.answer.done():
                each.answer.set_result(probabilities)


def cores(quota: Path = QUOTA) -> int:
    """Return how many cores this process may use, within its CPU affinity and the limit of its container.

    Docker and Kubernetes write the limit to the file quota: microseconds of CPU time in each period, and the period.
    More threads than it allows would be throttled.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        limit, period = quota.read_text(encoding="ascii").split()
        return max(1, min(allowed, math.ceil(int(limit) / int(period))))
    except (OSError, ValueError):
        # There is no control group, or its limit is "max".
        return allowed
