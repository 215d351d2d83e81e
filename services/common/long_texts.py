"""Keeps work on long texts from holding up the requests with short ones.

A service answers on one thread. A text of the largest size that it takes can cost it half a second there, and eight of
them at the same time four seconds, in which nobody else would be answered.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import TypeVar, TypeVarTuple

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")
# Characters of a short text. Nearly all tickets are shorter, and none of this length costs more than 20 ms.
SHORT_TEXT = 2_000


class LongTextThread:
    """Does the work on long texts in a thread, one after the other, and that on short ones at once."""

    def __init__(self) -> None:
        """Starts no thread yet."""
        # Threads of Python share one core, so several would only take turns.
        self._turn = asyncio.Lock()

    async def run(self, length: int, function: Callable[[*Arguments], Result], *args: *Arguments) -> Result:
        """Return what a function returns that works on so many characters."""
        if length <= SHORT_TEXT:
            return function(*args)
        async with self._turn:
            return await asyncio.to_thread(function, *args)


def in_parts(texts: list[str], most: int) -> Iterator[list[str]]:
    """Yield consecutive texts in lists of at most so many characters each; a longer text is alone in its list."""
    part: list[str] = []
    length = 0
    for text in texts:
        if part and length + len(text) > most:
            yield part
            part, length = [], 0
        part.append(text)
        length += len(text)
    if part:
        yield part


def total_length(texts: list[str]) -> int:
    """Return the number of characters of all texts together."""
    return sum(map(len, texts))
