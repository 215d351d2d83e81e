"""Which moves a command means in the registry as it is: who goes where, and who makes room."""

from callcenterai.core.cli import UserError
from callcenterai.registry.gates import Refused, Verdict
from callcenterai.registry.store import ARCHIVED, PRODUCTION, STAGING, Move, State


def to_staging(state: State, name: str | None) -> tuple[Move, ...]:
    """Return the moves that put a version, by default the newest, into Staging; none when it is there."""
    if not state.versions:
        raise UserError("no version yet: `register` makes one")
    version = state.find(name) if name else state.versions[max(state.versions)]
    if version.stage == PRODUCTION:
        raise UserError(f"version {version.number} is in Production already: `register` a newer one, or name another")
    if version.stage == STAGING:
        return ()
    return (Move(version.number, version.stage, STAGING), *_make_room(state, STAGING))


def to_production(state: State, name: str | None) -> tuple[Move, ...]:
    """Return the moves that put a version, by default the one in Staging, into Production; none when it is there."""
    version = state.find(name) if name else state.holder(STAGING)
    if version is None:
        raise UserError("no version is in Staging: `staging` puts the newest there, or name one with --version")
    if version.stage == PRODUCTION:
        return ()
    return (Move(version.number, version.stage, PRODUCTION), *_make_room(state, PRODUCTION))


def to_archive(state: State, name: str) -> tuple[Move, ...]:
    """Return the move that archives a version; never the one in Production, or nothing would serve."""
    version = state.find(name)
    if version.stage == PRODUCTION:
        message = f"version {version.number} is in Production: promote another one or `rollback`, which archives it"
        raise Refused([Verdict("not in Production", False, message, final=True)])
    return () if version.stage == ARCHIVED else (Move(version.number, version.stage, ARCHIVED),)


def to_previous(state: State, name: None = None) -> tuple[Move, ...]:
    """Return the moves that bring the Production before this one back; each further rollback goes one more back."""
    served: list[int] = []
    for change in state.history:
        first = change.moves[0]
        if change.action == "rollback":
            while served and served[-1] != first.version:
                served.pop()
        if first.target == PRODUCTION and served[-1:] != [first.version]:
            served.append(first.version)
    current = state.holder(PRODUCTION)
    earlier = [number for number in served if number in state.versions]
    while earlier and current and earlier[-1] == current.number:
        earlier.pop()
    if not earlier:
        raise UserError("there is no earlier Production to go back to; `history` shows what has served")
    target = state.versions[earlier[-1]]
    return (Move(target.number, target.stage, PRODUCTION), *_make_room(state, PRODUCTION))


def _make_room(state: State, stage: str) -> tuple[Move, ...]:
    holder = state.holder(stage)
    return (Move(holder.number, stage, ARCHIVED),) if holder else ()
