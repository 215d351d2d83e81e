"""Files that are being classified: kept in memory, for a limited time, for the session that sent them."""

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from callcenterai.text.joining import join_texts
from services.common.agent_api import RoutedTicket
from services.common.middleware import current_request_id
from services.web.clients.agent import AgentClient, AgentError
from services.web.settings import WebSettings
from services.web.tables import TicketTable

logger = logging.getLogger("services.web.jobs")
# Seconds between attempts while the agent is busy or restarting.
PAUSES = (1, 2, 4)
# After the download: enough time to repeat it if the connection broke.
KEEP_AFTER_DOWNLOAD_SECONDS = 60
SWEEP_SECONDS = 2.0


class TooManyJobs(Exception):
    """There are too many files. The argument is a key under `batch.many` in the catalogues."""


class Outcome(NamedTuple):
    """The result of a row. If the row was not classified, the decision says why, and the rest is empty."""

    category: str
    confidence: float | None
    decision: str
    model: str

    def cells(self) -> tuple[str, ...]:
        """Return the cells of our columns."""
        confidence = "" if self.confidence is None else f"{self.confidence:.4f}"
        return self.category, confidence, self.decision, self.model


class Owner(NamedTuple):
    """The session that a file belongs to, and the person behind it, who may have several sessions."""

    session: str
    person: str


@dataclass
class Job:
    """One file. State is "column" until its text columns are known, then "running", "stopped" or "done"."""

    id: str
    owner: Owner
    name: str
    table: TicketTable
    store: bool
    # The columns that are joined to the text of a ticket, in their order.
    columns: list[int] | None = None
    # The id in the log of the requests to the agent for this file.
    request_id: str = ""
    state: str = "column"
    outcomes: list[Outcome] = field(default_factory=list)
    trouble: AgentError | None = None
    # The number of rows that the agent may have classified although no answer arrived.
    doubtful: int = 0
    fetched: bool = False
    ends: float = 0.0
    task: asyncio.Task[None] | None = None
    # How long it has been running, in seconds, before it was last started.
    ran: float = 0.0

    def decisions(self) -> Counter[str]:
        """Return the number of rows by decision."""
        return Counter(outcome.decision for outcome in self.outcomes)

    def cells(self) -> Iterator[tuple[str, ...]]:
        """Return the cells of our columns, row by row."""
        return (outcome.cells() for outcome in self.outcomes)


class Jobs:
    """All files of this process."""

    def __init__(self, agent: AgentClient, settings: WebSettings) -> None:
        """Starts without any files."""
        self._agent, self._settings = agent, settings
        self._jobs: dict[str, Job] = {}
        # The owners of files that are arriving or being read.
        self._arriving: list[Owner] = []

    @contextmanager
    def arriving(self, owner: Owner) -> Iterator[None]:
        """Count a file while it arrives and is read; raise a TooManyJobs when there is no room for it."""
        self._make_room(owner)
        self._arriving.append(owner)
        try:
            yield
        finally:
            self._arriving.remove(owner)

    def _make_room(self, owner: Owner) -> None:
        """Raise a TooManyJobs when this session, this person or all people together have reached their limit.

        One person gets at most half of the room, in however many sessions, so that there is always some for others.
        Files that were already downloaded are deleted to make room.
        """
        own, most = self._settings.max_jobs_each, self._settings.max_jobs
        self._make_room_among("own", own, lambda other: other.session == owner.session)
        self._make_room_among("own", max(1, most // 2), lambda other: other.person == owner.person)
        self._make_room_among("all", most, lambda _: True)

    def _make_room_among(self, kind: str, limit: int, counts: Callable[[Owner], bool]) -> None:
        jobs = [job for job in self._jobs.values() if counts(job.owner)]
        if len(jobs) + sum(map(counts, self._arriving)) >= limit:
            fetched = next((job for job in jobs if job.fetched), None)
            if fetched is None:
                raise TooManyJobs(kind)
            self.delete(fetched)

    def add(self, owner: Owner, name: str, table: TicketTable, store: bool) -> Job:
        """Add a file, in the state "column"; raise a TooManyJobs when there is no room."""
        self._make_room(owner)
        job = Job(secrets.token_urlsafe(12), owner, name, table, store)
        self._jobs[job.id] = job
        self._touch(job)
        return job

    def of(self, session: str) -> list[Job]:
        """Return the files of a session."""
        return [job for job in self._jobs.values() if job.owner.session == session]

    def find(self, job_id: str, session: str) -> Job | None:
        """Return a file of a session, and prolong the time it is kept."""
        job = self._jobs.get(job_id)
        if job is None or job.owner.session != session:
            return None
        if not job.fetched:
            self._touch(job)
        return job

    def start(self, job: Job) -> None:
        """Start a file, or continue where it stopped."""
        if job.trouble and job.trouble.kind == "long":
            # The person wants it to go on, and gets the same time again.
            job.ran = 0.0
        job.state, job.trouble, job.request_id = "running", None, current_request_id.get()
        job.task = asyncio.create_task(self._run(job))

    def mark_fetched(self, job: Job) -> None:
        """Keep the file for one more minute only."""
        if not job.fetched:
            job.fetched, job.ends = True, time.monotonic() + KEEP_AFTER_DOWNLOAD_SECONDS

    def delete(self, job: Job) -> None:
        """Delete a file, and stop working on it."""
        if job.task:
            job.task.cancel()
        self._jobs.pop(job.id, None)

    async def sweep(self) -> None:
        """Delete files whose time is up, for ever."""
        while True:
            now = time.monotonic()
            for job in [job for job in self._jobs.values() if job.ends < now]:
                self.delete(job)
            await asyncio.sleep(SWEEP_SECONDS)

    def close(self) -> None:
        """Delete all files."""
        for job in list(self._jobs.values()):
            self.delete(job)

    def _touch(self, job: Job) -> None:
        job.ends = time.monotonic() + 60 * self._settings.job_minutes

    async def _run(self, job: Job) -> None:
        started, before = time.monotonic(), job.ran
        try:
            while len(job.outcomes) < len(job.table.rows):
                job.ran = before + time.monotonic() - started
                if job.ran > 60 * self._settings.run_minutes:
                    raise AgentError("long", 503)
                job.outcomes += await self._classify_next(job)
                self._touch(job)
            job.state = "done"
        except AgentError as trouble:
            job.state, job.trouble = "stopped", trouble
        except Exception as error:
            job.state, job.trouble = "stopped", AgentError("bug", 500)
            logger.error("internal error", exc_info=error, extra={"request_id": job.request_id})

    def _next_texts(self, job: Job) -> list[str]:
        """Return the texts of the next rows, as many as fit in one request to the agent."""
        if job.columns is None:
            raise ValueError("the columns with the tickets are not known yet")
        texts: list[str] = []
        # JSON may need six bytes for a character, but half of the limit leaves room for any ordinary text.
        room = self._settings.max_body_bytes // 2
        for row in job.table.rows[len(job.outcomes) : len(job.outcomes) + self._settings.max_batch]:
            text = join_texts([row[column] for column in job.columns])
            room -= len(text.encode())
            if texts and room < 0:
                break
            texts.append(text)
        return texts

    async def _classify_next(self, job: Job) -> list[Outcome]:
        """Return the outcome of each of the next rows. Texts that the agent would refuse are not sent."""
        texts, faults, done = self._next_texts(job), job.table.faults, len(job.outcomes)
        reasons = [
            "unreadable" if place in faults else self._reason_not_to_send(text)
            for place, text in enumerate(texts, start=done)
        ]
        sent = [text for text, reason in zip(texts, reasons, strict=True) if not reason]
        answers = iter(await self._ask(job, sent))
        return [Outcome("", None, reason, "") if reason else next(answers) for reason in reasons]

    def _reason_not_to_send(self, text: str) -> str:
        if not text.strip():
            return "empty"
        return "too long" if len(text) > self._settings.max_text_length else ""

    async def _ask(self, job: Job, texts: list[str]) -> list[Outcome]:
        if not texts:
            return []
        try:
            found = await self._predict_with_retries(job, texts)
        except AgentError as trouble:
            if trouble.status not in (413, 422):
                raise
            # The agent has lower limits than we have, or refuses one of the texts: halving finds which.
            if len(texts) == 1:
                return [Outcome("", None, "refused", "")]
            half = len(texts) // 2
            return [*await self._ask(job, texts[:half]), *await self._ask(job, texts[half:])]
        return [Outcome(each["category"], each["confidence"], each["decision"], each["model"]) for each in found]

    async def _predict_with_retries(self, job: Job, texts: list[str]) -> list[RoutedTicket]:
        for pause in (*PAUSES, None):
            try:
                return await self._agent.predict_batch(texts, job.store)
            except AgentError as trouble:
                # After "slow" the agent may still classify these rows, and sending them again could queue them twice.
                job.doubtful = len(texts) if trouble.kind == "slow" and job.store else 0
                if pause is None or trouble.kind not in ("busy", "down"):
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")
