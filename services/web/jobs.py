"""Files that are being classified: kept in memory, private to the session that sent them, and for a while only."""

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from services.common.gate import request_id_now
from services.web.agent import Agent, AgentTrouble
from services.web.settings import WebSettings
from services.web.tables import Table

logger = logging.getLogger("services.web.jobs")
# Between attempts while the agent is busy or starts anew, in seconds.
PAUSES = (1, 2, 4)
# After the file was fetched: enough to try again when the connection broke.
KEPT_SECONDS = 60
SWEEP_SECONDS = 2.0


class TooManyJobs(Exception):
    """Kind is a key under `batch.many` in the catalogues."""


class Outcome(NamedTuple):
    """What became of a row; of one that was not classified, only the decision says why."""

    category: str
    confidence: float | None
    decision: str
    model: str

    def cells(self) -> tuple[str, ...]:
        """Return it as our columns have it."""
        confidence = "" if self.confidence is None else f"{self.confidence:.4f}"
        return self.category, confidence, self.decision, self.model


@dataclass
class Job:
    """One file. State is "column" until its text column is known, then "running", "stopped" or "done"."""

    id: str
    owner: str
    name: str
    table: Table
    store: bool
    column: int | None = None
    # Under which the log has what is asked of the agent for it.
    request_id: str = ""
    state: str = "column"
    outcomes: list[Outcome] = field(default_factory=list)
    trouble: AgentTrouble | None = None
    # Whether the agent may have classified rows whose answer has not come.
    doubtful: int = 0
    fetched: bool = False
    ends: float = 0.0
    task: asyncio.Task[None] | None = None

    def decisions(self) -> Counter[str]:
        """Return how many rows were decided how."""
        return Counter(outcome.decision for outcome in self.outcomes)

    def cells(self) -> Iterator[tuple[str, ...]]:
        """Yield our columns, row by row."""
        return (outcome.cells() for outcome in self.outcomes)


class Jobs:
    """All files of this process."""

    def __init__(self, agent: Agent, settings: WebSettings) -> None:
        """There is none yet."""
        self._agent, self._settings, self._jobs = agent, settings, {}

    def make_room(self, owner: str) -> None:
        """Raise a TooManyJobs when this session, or everybody together, has as many as there may be.

        Files that were fetched already make room.
        """
        for kind, most in (("own", self._settings.max_jobs_each), ("all", self._settings.max_jobs)):
            jobs = self.of(owner) if kind == "own" else list(self._jobs.values())
            if len(jobs) >= most:
                fetched = next((job for job in jobs if job.fetched), None)
                if fetched is None:
                    raise TooManyJobs(kind)
                self.delete(fetched)

    def add(self, owner: str, name: str, table: Table, store: bool) -> Job:
        """Keep a file, which waits for its column; raise a TooManyJobs when there is no room."""
        self.make_room(owner)
        job = Job(secrets.token_urlsafe(12), owner, name, table, store)
        self._jobs[job.id] = job
        self._touch(job)
        return job

    def of(self, owner: str) -> list[Job]:
        """Return a session's files."""
        return [job for job in self._jobs.values() if job.owner == owner]

    def find(self, job_id: str, owner: str) -> Job | None:
        """Return a session's file and keep it for a while longer."""
        job = self._jobs.get(job_id)
        if job is None or job.owner != owner:
            return None
        if not job.fetched:
            self._touch(job)
        return job

    def start(self, job: Job) -> None:
        """Begin, or go on where it stopped."""
        job.state, job.trouble, job.request_id = "running", None, request_id_now.get()
        job.task = asyncio.create_task(self._run(job))

    def mark_fetched(self, job: Job) -> None:
        """Keep it for one more minute only."""
        if not job.fetched:
            job.fetched, job.ends = True, time.monotonic() + KEPT_SECONDS

    def delete(self, job: Job) -> None:
        """Forget a file, and stop working on it."""
        if job.task:
            job.task.cancel()
        self._jobs.pop(job.id, None)

    async def sweep(self) -> None:
        """Forget what nobody has looked at for long, for ever."""
        while True:
            now = time.monotonic()
            for job in [job for job in self._jobs.values() if job.ends < now]:
                self.delete(job)
            await asyncio.sleep(SWEEP_SECONDS)

    def close(self) -> None:
        """Forget all."""
        for job in list(self._jobs.values()):
            self.delete(job)

    def _touch(self, job: Job) -> None:
        job.ends = time.monotonic() + 60 * self._settings.job_minutes

    async def _run(self, job: Job) -> None:
        try:
            while len(job.outcomes) < len(job.table.rows):
                job.outcomes += await self._classify(job, self._next(job))
                self._touch(job)
            job.state = "done"
        except AgentTrouble as trouble:
            job.state, job.trouble = "stopped", trouble
        except Exception as error:
            job.state, job.trouble = "stopped", AgentTrouble("bug", 500)
            logger.error("this is a bug of ours", exc_info=error, extra={"request_id": job.request_id})

    def _next(self, job: Job) -> list[str]:
        """Return the texts of the next rows: as many as one request to the agent may carry."""
        texts: list[str] = []
        # Every character may be six in JSON, and half a body is far from any limit.
        room = self._settings.max_body_bytes // 2
        for row in job.table.rows[len(job.outcomes) : len(job.outcomes) + self._settings.max_batch]:
            text = row[job.column]
            room -= len(text.encode())
            if texts and room < 0:
                break
            texts.append(text)
        return texts

    async def _classify(self, job: Job, texts: list[str]) -> list[Outcome]:
        """Return the outcome of each text; those that the agent would refuse are not sent."""
        most = self._settings.max_text_length
        why = ["" if text.strip() and len(text) <= most else "too long" if text.strip() else "empty" for text in texts]
        sent = [text for text, reason in zip(texts, why, strict=True) if not reason]
        answers = iter(await self._ask(job, sent))
        return [Outcome("", None, reason, "") if reason else next(answers) for reason in why]

    async def _ask(self, job: Job, texts: list[str]) -> list[Outcome]:
        if not texts:
            return []
        try:
            found = await self._patiently(job, texts)
        except AgentTrouble as trouble:
            if trouble.status not in (413, 422):
                raise
            # Its limits are narrower than ours, or one text is to blame.
            if len(texts) == 1:
                return [Outcome("", None, "refused", "")]
            half = len(texts) // 2
            return [*await self._ask(job, texts[:half]), *await self._ask(job, texts[half:])]
        return [Outcome(each.category, each.confidence, each.decision, each.model) for each in found]

    async def _patiently(self, job: Job, texts: list[str]) -> list:
        for pause in (*PAUSES, None):
            try:
                return await self._agent.predict_batch(texts, job.store)
            except AgentTrouble as trouble:
                # After "slow" the agent may be at work on them still: asking again would put them in the queue twice.
                job.doubtful = len(texts) if trouble.kind == "slow" and job.store else 0
                if pause is None or trouble.kind not in ("busy", "down"):
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")
