"""The registry's data: stages, versions, the moves between stages, and the state that one reading of MLflow found.

The functions at the end say which moves a command consists of in a given state. Nothing here reads or writes MLflow.
"""

import json
from dataclasses import dataclass, field, replace

from callcenterai.core.cli import UserError

NONE, STAGING, PRODUCTION, ARCHIVED = "None", "Staging", "Production", "Archived"
# The stages that only one version at a time can have, and the alias that names that version.
ALIASES = {PRODUCTION: "production", STAGING: "staging"}


@dataclass(frozen=True)
class Move:
    """A version goes from one stage to another; origin is None (null in JSON) when it enters the registry."""

    version: int | None
    origin: str | None
    target: str


@dataclass(frozen=True)
class Change:
    """Moves that are made together: the first is the one asked for, the others make room for it.

    A registration has the run's id and no version yet, because MLflow numbers the version when it is created.
    """

    action: str
    moves: tuple[Move, ...]
    by: str
    reason: str | None = None
    forced: bool = False
    refused_by: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    commit: str | None = None
    run_id: str | None = None
    at: str = ""
    number: int = 0

    def to_json(self) -> str:
        """Return the record that the history keeps."""
        return json.dumps(vars(self) | {"moves": [[m.version, m.origin, m.target] for m in self.moves]})

    @classmethod
    def from_json(cls, text: str) -> "Change":
        """Return the change that to_json wrote."""
        record = json.loads(text)
        moves = tuple(Move(*move) for move in record.pop("moves"))
        return cls(moves=moves, refused_by=tuple(record.pop("refused_by")), **record)


@dataclass(frozen=True)
class Version:
    """One registered version, with the stage that aliases and tags give it."""

    number: int
    stage: str
    run_id: str
    tags: dict[str, str]


@dataclass(frozen=True)
class State:
    """The registered model as one reading found it; intent is a change that was begun and not finished."""

    versions: dict[int, Version]
    history: tuple[Change, ...]
    intent: Change | None
    aliases: dict[str, int] = field(default_factory=dict)

    def version_in(self, stage: str) -> Version | None:
        """Return the version in Staging or in Production."""
        return next((version for version in self.versions.values() if version.stage == stage), None)

    def version_of_run(self, run_id: str | None) -> Version | None:
        """Return the version that a run was registered as."""
        return next((version for version in self.versions.values() if version.run_id == run_id), None)

    def happened(self, change: Change) -> Change | None:
        """Return the change, with the version's number, if its first move can be seen here, else None."""
        first = change.moves[0]
        if first.version is None:
            version = self.version_of_run(change.run_id)
            return replace(change, moves=(replace(first, version=version.number),)) if version else None
        version = self.versions.get(first.version)
        return change if version and version.stage == first.target else None

    def find(self, name: str) -> Version:
        """Return the version that a number, `production` or `staging` stands for, or raise a UserError."""
        stage = name.capitalize()
        if stage in ALIASES:
            if (holder := self.version_in(stage)) is None:
                raise UserError(f"no version is in {stage}; `list` shows where each one is")
            return holder
        if not name.isascii() or not name.isdigit():
            raise UserError(f"{name!r} is not a version: give a number, `production` or `staging`")
        if int(name) not in self.versions:
            known = ", ".join(map(str, sorted(self.versions))) or "none"
            raise UserError(f"there is no version {name}; there are: {known}")
        return self.versions[int(name)]


def moves_to_staging(state: State, name: str | None) -> tuple[Move, ...]:
    """Return the moves that put a version, by default the newest, into Staging; none if it is there already."""
    if not state.versions:
        raise UserError("no version yet: `register` makes one")
    version = state.find(name) if name else state.versions[max(state.versions)]
    if version.stage == PRODUCTION:
        raise UserError(f"version {version.number} is in Production already: `register` a newer one, or name another")
    if version.stage == STAGING:
        return ()
    return (Move(version.number, version.stage, STAGING), *_moves_that_empty(state, STAGING))


def moves_to_production(state: State, name: str | None) -> tuple[Move, ...]:
    """Return the moves that put a version, by default the one in Staging, into Production; none if it is there."""
    version = state.find(name) if name else state.version_in(STAGING)
    if version is None:
        raise UserError("no version is in Staging: `staging` puts the newest there, or name one")
    if version.stage == PRODUCTION:
        return ()
    return (Move(version.number, version.stage, PRODUCTION), *_moves_that_empty(state, PRODUCTION))


def moves_to_archive(state: State, name: str) -> tuple[Move, ...]:
    """Return the move that archives a version; none if it is archived already."""
    version = state.find(name)
    return () if version.stage == ARCHIVED else (Move(version.number, version.stage, ARCHIVED),)


def moves_back(state: State) -> tuple[Move, ...]:
    """Return the moves that restore the Production before the current one; each rollback goes one further back."""
    current = state.version_in(PRODUCTION)
    earlier = [number for number in _numbers_that_served(state) if number in state.versions]
    while earlier and current and earlier[-1] == current.number:
        earlier.pop()
    if not earlier:
        raise UserError("there is no earlier Production to go back to; `history` shows what has served")
    target = state.versions[earlier[-1]]
    return (Move(target.number, target.stage, PRODUCTION), *_moves_that_empty(state, PRODUCTION))


def _numbers_that_served(state: State) -> list[int]:
    """Return the versions that were in Production, oldest first, without those that were rolled back."""
    served: list[int] = []
    for change in state.history:
        first = change.moves[0]
        if change.action == "rollback":
            while served and served[-1] != first.version:
                served.pop()
        if first.target == PRODUCTION and first.version is not None and served[-1:] != [first.version]:
            served.append(first.version)
    return served


def _moves_that_empty(state: State, stage: str) -> tuple[Move, ...]:
    holder = state.version_in(stage)
    return (Move(holder.number, stage, ARCHIVED),) if holder else ()
