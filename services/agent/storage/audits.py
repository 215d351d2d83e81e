"""Reads from the database how many audits there were and what people answered, as sums that an estimate needs."""

from typing import NamedTuple

from sqlalchemy import Connection, and_, case, exists, func, or_, select

from callcenterai.agent_data.live_figures.accuracy import REFUTING, AuditSums
from services.agent.storage.database import answers, outcomes, tickets


class AuditedDay(NamedTuple):
    """The audits among the tickets of a day (UTC, ISO 8601) that the same models and policy decided."""

    day: str
    decided_by: str
    drawn: int
    sums: AuditSums


def audited_days(connection: Connection, since: str) -> list[AuditedDay]:
    """Return the audits of the days from one on; the last answer to a ticket that was not withdrawn counts.

    Without an answer, a review that found no category to fit, or no ticket, says that the model was wrong.
    """
    audited = tickets.c.audit_probability.is_not(None)
    standing = (
        select(func.max(answers.c.id).label("id"))
        .join(tickets, tickets.c.id == answers.c.ticket_id)
        .where(audited, tickets.c.day >= since, answers.c.withdrawn_at.is_(None))
        .group_by(answers.c.ticket_id)
    )
    answered = and_(answers.c.ticket_id == tickets.c.id, answers.c.id.in_(standing))
    refuted = exists().where(
        outcomes.c.ticket_id == tickets.c.id, outcomes.c.withdrawn_at.is_(None), outcomes.c.outcome.in_(REFUTING)
    )
    judged = or_(answers.c.id.is_not(None), refuted)
    weight = case((judged, 1 / tickets.c.audit_probability), else_=0.0)
    right = case((answers.c.category == tickets.c.category, 1.0), else_=0.0)
    by = (tickets.c.day, tickets.c.decided_by)
    sums = [func.sum(each) for each in (weight, weight * weight, weight * right, weight * weight * right)]
    found = (
        select(*by, func.count(), func.sum(case((judged, 1), else_=0)), *sums)
        .select_from(tickets.outerjoin(answers, answered))
        .where(audited, tickets.c.day >= since)
        .group_by(*by)
        .order_by(*by)
    )
    return [
        AuditedDay(day, decided_by, drawn, AuditSums(count, *weights))
        for day, decided_by, drawn, count, *weights in connection.execute(found)
    ]
