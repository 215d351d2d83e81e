"""What the audits say: live accuracy by ISO week, and over the last days for what decides now."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, NamedTuple

from callcenterai.agent_data.live_figures.accuracy import (
    FEWEST_ANSWERS,
    AuditSums,
    LiveAccuracy,
    estimate_accuracy,
    needed_answers,
)
from services.agent.routing.router import Router
from services.agent.storage.audits import AuditedDay
from services.agent.storage.store import TicketStore
from services.common.agent_api import AuditReport, AuditTarget, RecentAudits, WeeklyAudits

# Over these numbers of days the accuracy is watched: the shorter notices more, the longer less but with fewer tickets.
RECENT_DAYS = (7, 28)


class Audited(NamedTuple):
    """Audits that are counted together: how many tickets were drawn, and the sums over those that are answered."""

    drawn: int = 0
    sums: AuditSums = AuditSums()

    def plus(self, day: AuditedDay) -> "Audited":
        """Return these audits with those of a day."""
        return Audited(self.drawn + day.drawn, self.sums.plus(day.sums))


class AuditReporter:
    """Reports on the audits in the agent's database."""

    def __init__(self, router: Router, store: TicketStore, share: float) -> None:
        """share is the share of the automatically routed tickets that is audited."""
        self._router, self._store, self._share = router, store, share

    def report(self, weeks: int) -> AuditReport:
        """Return the report on the last weeks; a Problem 503 when the database does not answer."""
        now = self._router.deciding
        today = datetime.now(UTC).date()
        # From a Monday on, so that the earliest week is whole.
        days = 7 * (weeks - 1) + today.isoweekday()
        found = self._store.audits(max(days, *RECENT_DAYS))
        first = (today - timedelta(days=days - 1)).isoformat()
        return AuditReport(
            share=self._share,
            deciding=(deciding := make_target(*now) if now else None),
            recent=recent_audits(found, deciding, today) if deciding else [],
            weeks=weekly_audits(each for each in found if each.day >= first),
        )


def weekly_audits(days: Iterable[AuditedDay]) -> list[WeeklyAudits]:
    """Return the audits by ISO week and by what decided, the latest week first."""
    weeks: dict[tuple[str, str], Audited] = defaultdict(Audited)
    for each in days:
        weeks[iso_week(each.day), each.decided_by] = weeks[iso_week(each.day), each.decided_by].plus(each)
    return [
        WeeklyAudits(week=week, decided_by=decided_by, **_figures(weeks[week, decided_by]))
        for week, decided_by in sorted(weeks, reverse=True)
    ]


def recent_audits(days: Iterable[AuditedDay], deciding: AuditTarget, today: date) -> list[RecentAudits]:
    """Return the audits of what decides now, over each number of days."""
    recent = {number: Audited() for number in RECENT_DAYS}
    for each in days:
        age = (today - date.fromisoformat(each.day)).days
        for number in RECENT_DAYS if each.decided_by == deciding.decided_by else ():
            if age < number:
                recent[number] = recent[number].plus(each)
    return [_recent(number, audited, deciding) for number, audited in recent.items()]


def make_target(decided_by: str, target_accuracy: float | None) -> AuditTarget:
    """Return what decides now with the accuracy that it promises, if training has recorded one."""
    needed = needed_answers(target_accuracy) if target_accuracy else None
    return AuditTarget(decided_by=decided_by, target_accuracy=target_accuracy, needed_answers=needed)


def iso_week(day: str) -> str:
    """Return the ISO 8601 week of a day, such as 2026-W48."""
    year, week, _ = date.fromisoformat(day).isocalendar()
    return f"{year}-W{week:02d}"


def _recent(number: int, audited: Audited, deciding: AuditTarget) -> RecentAudits:
    found = estimate_accuracy(audited.sums)
    return RecentAudits(days=number, verdict=_verdict(found, deciding), **_figures(audited))


def _verdict(found: LiveAccuracy, deciding: AuditTarget) -> Literal["kept", "open", "broken", "unknown"]:
    """Return what an interval says about the target: at or above it, around it, below it, or nothing yet."""
    target, needed = deciding.target_accuracy, deciding.needed_answers
    if target is not None and found.high < target and found.effective_answers >= FEWEST_ANSWERS:
        return "broken"
    if target is None or needed is None or found.effective_answers < needed:
        return "unknown"
    return "kept" if found.low >= target else "open"


def _figures(audited: Audited) -> dict[str, Any]:
    return {"drawn": audited.drawn, "answered": audited.sums.answers, **estimate_accuracy(audited.sums)._asdict()}
