"""Puts texts that come at the same moment into one request, since a request costs a model service more than a text.

No text waits for others: what has come by the next turn of the event loop is sent. So the busier the agent, the more
texts share a request.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

Answer = TypeVar("Answer")


class GatheredText(NamedTuple, Generic[Answer]):
    """A text that is about to be sent, and the future of its answer."""

    text: str
    answer: asyncio.Future[Answer]


class TextGatherer(Generic[Answer]):
    """Asks for answers to texts, several in one request. It is used by one event loop."""

    def __init__(
        self, ask: Callable[[list[str], bool], Awaitable[list[Answer]]], most: int, refusal: type[Exception]
    ) -> None:
        """Ask sends at most so many texts, with or without a wish for explanations, and returns an answer to each.

        It raises a refusal if the service works but does not take the request.
        """
        self._ask, self._most, self._refusal = ask, most, refusal
        self._gathered: defaultdict[bool, list[GatheredText[Answer]]] = defaultdict(list)
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, text: str, explain: bool) -> Answer:
        """Return the answer to a text, or raise what the request raises in which it was sent."""
        loop = asyncio.get_running_loop()
        gathered, mine = self._gathered[explain], GatheredText[Answer](text, loop.create_future())
        gathered.append(mine)
        if len(gathered) == 1:
            loop.call_soon(self._send, explain)
        return await mine.answer

    def _send(self, explain: bool) -> None:
        gathered = self._gathered.pop(explain)
        for start in range(0, len(gathered), self._most):
            task = asyncio.create_task(self._answer_all(gathered[start : start + self._most], explain))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer_all(self, gathered: list[GatheredText[Answer]], explain: bool) -> None:
        try:
            answers = await self._ask([each.text for each in gathered], explain)
        except Exception as error:
            if isinstance(error, self._refusal) and len(gathered) > 1:
                # It may be about one text alone, from which the others must not suffer.
                await asyncio.gather(*(self._answer_all([each], explain) for each in gathered))
            else:
                _fail(gathered, error)
        else:
            for each, answer in zip(gathered, answers, strict=True):
                if not each.answer.done():
                    each.answer.set_result(answer)


def _fail(gathered: list[GatheredText[Answer]], error: Exception) -> None:
    for each in gathered:
        # A request that was given up waits for nothing.
        if not each.answer.done():
            each.answer.set_exception(error)
