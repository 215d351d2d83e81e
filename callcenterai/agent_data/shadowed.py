"""Reads about which live tickets a version in Staging was asked as well, and what people answered in their audit."""

from collections.abc import Iterable
from typing import NamedTuple

import sqlalchemy as sa

from callcenterai.agent_data.connection import open_agent_database
from callcenterai.agent_data.live_figures.accuracy import REFUTING, AuditSums
from callcenterai.agent_data.live_figures.counting import answered_by, tickets

answers = sa.table("answers", *map(sa.column, ("id", "ticket_id", "category", "withdrawn_at")))
outcomes = sa.table("outcomes", *map(sa.column, ("ticket_id", "outcome", "withdrawn_at")))


class ShadowedTickets(NamedTuple):
    """Tickets that one version answered and about which another one was asked too, and on how many they agree.

    The sums are over the audited ones that people have reviewed: by whether each of the two versions was right.
    """

    tickets: int
    agreeing: int
    answering: AuditSums
    shadow: AuditSums


def read_shadowed(database: str, answering: str, shadow: str) -> ShadowedTickets:
    """Return the figures of two versions of the TF-IDF model: the one that answered, and the one that was asked too."""
    which = sa.and_(answered_by(answering), tickets.c.shadow_version == shadow)
    agrees = sa.case((tickets.c.first_category == tickets.c.shadow_category, 1), else_=0)
    last = sa.select(sa.func.max(answers.c.id)).where(answers.c.withdrawn_at.is_(None)).group_by(answers.c.ticket_id)
    standing = sa.and_(answers.c.ticket_id == tickets.c.id, answers.c.id.in_(last))
    refuting = (outcomes.c.withdrawn_at.is_(None), outcomes.c.outcome.in_(REFUTING))
    refuted = sa.exists().where(outcomes.c.ticket_id == tickets.c.id, *refuting)
    columns = (tickets.c.audit_probability, answers.c.category, tickets.c.first_category, tickets.c.shadow_category)
    audited = (
        sa.select(*columns)
        .select_from(tickets.outerjoin(answers, standing))
        .where(which, tickets.c.audit_probability.is_not(None), sa.or_(answers.c.id.is_not(None), refuted))
    )
    with open_agent_database(database) as connection:
        counted = sa.select(sa.func.count(), sa.func.sum(agrees)).select_from(tickets).where(which)
        number, agreeing = connection.execute(counted).one()
        rows = connection.execute(audited).all()
    first = add_up((probability, answer == said) for probability, answer, said, _ in rows)
    second = add_up((probability, answer == said) for probability, answer, _, said in rows)
    return ShadowedTickets(number, agreeing or 0, first, second)


def add_up(audits: Iterable[tuple[float, bool]]) -> AuditSums:
    """Return the sums over audits: the probability with which each was drawn, and whether the answer was right."""
    sums = AuditSums()
    for probability, right in audits:
        weight = 1 / probability
        sums = sums.plus(AuditSums(1, weight, weight**2, weight * right, weight**2 * right))
    return sums
