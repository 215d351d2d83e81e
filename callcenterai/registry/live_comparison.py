"""What live tickets say of a version, about which the agent asked it while another one answered them.

These are words beside the gates, which refuse nothing: how many such tickets there are depends on the agent's settings.
"""

from callcenterai.agent_data.live_figures.accuracy import FEWEST_ANSWERS, AuditSums, estimate_accuracy, score_interval
from callcenterai.agent_data.shadowed import read_shadowed
from callcenterai.registry.gates import Verdict
from callcenterai.registry.state import Version

AGREEMENT, ACCURACY = "live agreement", "live accuracy"


def compare_on_live_tickets(database: str, candidate: Version, production: Version | None) -> list[Verdict]:
    """Return how often a version agrees with Production on live tickets, and how right both are by the audit."""
    if production is None:
        return [Verdict(AGREEMENT, True, "not compared: nothing is in Production")]
    found = read_shadowed(database, str(production.number), str(candidate.number))
    name = f"Production, version {production.number}"
    if not found.tickets:
        return [Verdict(AGREEMENT, True, f"not compared: no live ticket has an answer of {name}, and of this version")]
    share = found.agreeing / found.tickets
    shown = format_share(share, *score_interval(share, found.tickets))
    agreement = f"{shown} of {found.tickets:,} live tickets get the category that {name}, gives them"
    accuracy = describe_accuracy(found.shadow, found.answering)
    return [Verdict(AGREEMENT, True, agreement), Verdict(ACCURACY, True, accuracy)]


def describe_accuracy(candidate: AuditSums, production: AuditSums) -> str:
    """Return how right both versions are on the tickets that people have audited."""
    if candidate.answers < FEWEST_ANSWERS:
        return f"not compared: {candidate.answers} of these tickets were audited, and {FEWEST_ANSWERS} are needed"
    own, theirs = (format_share(*estimate_accuracy(sums)[:3]) for sums in (candidate, production))
    return f"{own} of the audited tickets are right, and {theirs} with Production; {candidate.answers} answers"


def format_share(share: float | None, low: float, high: float) -> str:
    """Return a share with its 95% interval."""
    return f"{share or 0:.1%} ({100 * low:.1f} to {100 * high:.1f})"
