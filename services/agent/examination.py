"""Removes personal data from texts, and detects their languages, where long texts cannot hold up other requests.

Nothing can interrupt a search in a thread, and a thread that searches keeps all others waiting. So long texts are given
to processes that end when their time is up. Short ones take less time than handing them to a thread would.
"""

import asyncio
import contextlib
import functools
import os
from collections.abc import AsyncIterator
from typing import NamedTuple

from anyio import to_process

from callcenterai.privacy.removers import make_remover
from callcenterai.privacy.scrub import Scrubbed
from callcenterai.text.language import detect
from services.common.long_texts import SHORT_TEXT, total_length
from services.common.problems import Problem

# Requests with long texts that are being answered at once, each with a process for its texts; and those that wait.
AT_ONCE = 2
MOST_WAITING = 16
RETRY_SECONDS = "2"


class ExaminedText(NamedTuple):
    """A text without personal data, and its language."""

    scrubbed: Scrubbed
    language: str


class TextExaminer:
    """Examines texts: short ones at once, long ones in a few processes and within a limited time.

    With a spaCy model, which takes milliseconds for a short text and is not made for threads, all are examined there.
    """

    def __init__(self, seconds: float, spacy_model: str | None = None) -> None:
        """seconds is the most time for the texts of one request in a process. Starts no process yet.

        Raises a ValueError when the spaCy model cannot be used.
        """
        self._seconds, self._spacy_model = seconds, spacy_model
        self._remove = make_remover(spacy_model)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def prepare(self) -> None:
        """Load the language model and start the processes, for which the first tickets would have to wait."""
        await asyncio.to_thread(detect, "a ticket")
        await asyncio.gather(
            *(to_process.run_sync(_scrub_all, ["a ticket"], self._spacy_model) for _ in range(AT_ONCE))
        )

    @contextlib.asynccontextmanager
    async def turn(self, texts: list[str]) -> AsyncIterator[None]:
        """Wait until these texts may be worked on, which short ones may at once; a Problem 503 if too many wait."""
        if total_length(texts) <= SHORT_TEXT:
            yield
            return
        if self._waiting >= MOST_WAITING:
            raise Problem(503, "too many long texts at once", {"Retry-After": RETRY_SECONDS})
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()

    async def examine(self, texts: list[str]) -> list[ExaminedText]:
        """Return what is found out about each text; a Problem 422 when that takes too long. Long texts need a turn."""
        scrubbed = await self.scrub(texts)
        if total_length(texts) <= SHORT_TEXT:
            languages = [detect(each.text) for each in scrubbed]
        else:
            languages = await asyncio.to_thread(lambda: [detect(each.text) for each in scrubbed])
        return [ExaminedText(*each) for each in zip(scrubbed, languages, strict=True)]

    async def scrub_comment(self, comment: str | None) -> str | None:
        """Return a person's comment without personal data, None if it is missing or blank."""
        if comment is None or not comment.strip():
            return None
        async with self.turn([comment]):
            return (await self.scrub([comment]))[0].text

    async def scrub(self, texts: list[str]) -> list[Scrubbed]:
        """Return each text without personal data; a Problem 422 when that takes too long. Long texts need a turn."""
        if total_length(texts) <= SHORT_TEXT and self._spacy_model is None:
            return [self._remove(text) for text in texts]
        # Starts a process if the last one was ended, which shall not count as time for these texts.
        await to_process.run_sync(_scrub_all, [], self._spacy_model)
        try:
            async with asyncio.timeout(self._seconds):
                return await to_process.run_sync(_scrub_all, texts, self._spacy_model, cancellable=True)
        except TimeoutError:
            raise Problem(
                422, f"removing personal data took longer than {self._seconds:g} s: send fewer or shorter texts"
            ) from None


def _scrub_all(texts: list[str], spacy_model: str | None) -> list[Scrubbed]:
    """Scrub texts in a process that leaves the processor to the service whenever that needs it."""
    _give_way()
    return list(map(make_remover(spacy_model), texts))


@functools.cache
def _give_way() -> None:
    """Lower the priority of this process, once."""
    # Windows has no such call. There, the system shares the cores out evenly.
    if hasattr(os, "nice"):
        os.nice(10)
