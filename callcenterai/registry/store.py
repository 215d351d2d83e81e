"""The registry's state and its changes: one Production, at most one Staging, and a history that misses nothing.

The aliases `production` and `staging` are the truth: MLflow keeps one row for each, so there cannot be two holders, and
moving one is a single write, so there is no moment without. The tag `stage` of a version and MLflow's own deprecated
stage follow. A change is written down before it is made (tag `intent` of the registered model) and entered in the
history after it (tags `history.000001`, ...), so that whatever a killed process left half done is finished, or found
not to have begun, by the next change. Readers work from the aliases and the intent and see the same in between.
"""

import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from callcenterai.core.cli import UserError
from callcenterai.registry.lock import one_change_at_a_time

NONE, STAGING, PRODUCTION, ARCHIVED = "None", "Staging", "Production", "Archived"
# The stages that one version at a time can have, and the alias that says which.
ALIASES = {PRODUCTION: "production", STAGING: "staging"}
STAGE_TAG, INTENT_TAG, HISTORY_TAG = "stage", "intent", "history."


@dataclass(frozen=True)
class Move:
    """A version goes from one stage to another; origin is None (null in JSON) when it enters the registry."""

    version: int | None
    origin: str | None
    target: str


@dataclass(frozen=True)
class Change:
    """What is done at once: the first move decides, the others (who makes room) follow from it.

    A registration names the run; MLflow gives the version its number, so it has none before.
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
    """One registered version and the stage that follows from aliases and tags."""

    number: int
    stage: str
    run_id: str
    tags: dict[str, str]


@dataclass(frozen=True)
class State:
    """The registered model as one reading found it."""

    versions: dict[int, Version]
    history: tuple[Change, ...]
    intent: Change | None
    aliases: dict[str, int] = field(default_factory=dict)

    def holder(self, stage: str) -> Version | None:
        """Return the version in Staging or in Production."""
        return next((version for version in self.versions.values() if version.stage == stage), None)

    def of_run(self, run_id: str) -> Version | None:
        """Return the version that a run was registered as."""
        return next((version for version in self.versions.values() if version.run_id == run_id), None)

    def made(self, change: Change) -> Change | None:
        """Return the change, with the version's number, when its deciding write was made, else None."""
        first = change.moves[0]
        if first.version is None:
            version = self.of_run(change.run_id)
            return replace(change, moves=(replace(first, version=version.number),)) if version else None
        there = self.versions.get(first.version)
        return change if there and there.stage == first.target else None

    def find(self, name: str) -> Version:
        """Return the version that a number, `production` or `staging` stands for, or raise a UserError."""
        stage = name.capitalize()
        if stage in ALIASES:
            if (holder := self.holder(stage)) is None:
                raise UserError(f"no version is in {stage}; `list` shows where each one is")
            return holder
        if not name.isascii() or not name.isdigit():
            raise UserError(f"{name!r} is not a version: give a number, `production` or `staging`")
        if int(name) not in self.versions:
            known = ", ".join(map(str, sorted(self.versions))) or "none"
            raise UserError(f"there is no version {name}; there are: {known}")
        return self.versions[int(name)]


class Registry:
    """One registered model in an MLflow registry."""

    def __init__(self, client: Any, name: str, database: Path | None, folder: Path) -> None:
        """Nothing is read or made yet.

        database is the file of an embedded database, None for a server; folder keeps this machine's lock of a server.
        """
        self.client, self.name, self.database, self.folder = client, name, database, folder

    def state(self) -> State:
        """Read the registered model; an empty state when there is none yet."""
        from mlflow.exceptions import MlflowException

        # Versions first: one that is created in between has no alias yet that could point to nothing.
        found = self._search_versions()
        try:
            model = self.client.get_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return State({}, (), None)
        aliases = {alias: int(number) for alias, number in model.aliases.items()}
        versions = {v.number: v for v in (_version(raw, aliases) for raw in found)}
        for number in aliases.values():
            if number not in versions:
                versions[number] = _version(self.client.get_model_version(self.name, str(number)), aliases)
        records = sorted(key for key in model.tags if key.startswith(HISTORY_TAG))
        history = [Change.from_json(model.tags[key]) for key in records]
        intent = Change.from_json(model.tags[INTENT_TAG]) if model.tags.get(INTENT_TAG) else None
        state = State(versions, tuple(history), intent)
        made = intent and state.made(intent)
        if made and all(change.number != made.number for change in history):
            history.append(made)
        return State(dict(sorted(versions.items())), tuple(history), intent, aliases)

    def _search_versions(self) -> list[Any]:
        wanted = f"name = '{self.name}'"
        page = self.client.search_model_versions(wanted, max_results=1000)
        found = list(page)
        while page.token:
            page = self.client.search_model_versions(wanted, max_results=1000, page_token=page.token)
            found += page
        return found

    @contextmanager
    def locked(self) -> Iterator[State]:
        """Hold the lock, finish what a killed process left, and give the state as it then is."""
        with one_change_at_a_time(self.client, self.name, self.database, self.folder):
            state = self.state()
            if state.intent:
                self._finish(state)
                state = self.state()
            yield state

    def repair(self) -> Change | None:
        """Finish what a killed process left; return the change when it had been decided, None when nothing was."""
        with one_change_at_a_time(self.client, self.name, self.database, self.folder):
            return self._finish(self.state())

    def _finish(self, state: State) -> Change | None:
        if state.intent is None:
            return None
        made = state.made(state.intent)
        if made:
            self._follow(made, state)
        self.client.delete_registered_model_tag(self.name, INTENT_TAG)
        return made

    def make(self, change: Change, state: State, source: dict[str, Any] | None = None) -> Change:
        """Make a change and return it as the history has it.

        To be called with the lock held and the state that locked() gave; source holds the arguments with which MLflow
        creates the version that is registered.
        """
        number = max((record.number for record in state.history), default=0) + 1
        change = replace(change, at=datetime.now(UTC).isoformat(timespec="milliseconds"), number=number)
        self.client.set_registered_model_tag(self.name, INTENT_TAG, change.to_json())
        if source is None:
            self._decide(change.moves[0])
        else:
            self.client.create_model_version(self.name, run_id=change.run_id, **source)
        state = self.state()
        made = state.made(change)
        if made is None:
            raise UserError(f"something else has changed {self.name} in MLflow at the same moment; look at `list`")
        self._follow(made, state)
        self.client.delete_registered_model_tag(self.name, INTENT_TAG)
        return made

    def create(self) -> None:
        """Make sure that the registered model exists."""
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _decide(self, move: Move) -> None:
        """Make the one write after which the move has happened for every reader."""
        if move.target in ALIASES:
            self.client.set_registered_model_alias(self.name, ALIASES[move.target], str(move.version))
        elif move.origin in ALIASES:
            # Its tag still says that it was in a stage, and without the alias that means Archived.
            self.client.delete_registered_model_alias(self.name, ALIASES[move.origin])
        else:
            self.client.set_model_version_tag(self.name, str(move.version), STAGE_TAG, move.target)

    def _follow(self, change: Change, state: State) -> None:
        """Make everything else agree with the deciding write and enter it in the history; may be done twice."""
        first = change.moves[0]
        if first.target == PRODUCTION:
            if state.aliases.get(ALIASES[STAGING]) == first.version:
                self.client.delete_registered_model_alias(self.name, ALIASES[STAGING])
        for move in change.moves:
            if move.version in state.versions:
                self.client.set_model_version_tag(self.name, str(move.version), STAGE_TAG, move.target)
                if move.origin is not None:
                    self._mirror(move)
        self.client.set_registered_model_tag(self.name, f"{HISTORY_TAG}{change.number:06d}", change.to_json())

    def _mirror(self, move: Move) -> None:
        """Set MLflow's own deprecated stage too, so that models:/NAME/Production works; it is never read back."""
        if not hasattr(self.client, "transition_model_version_stage"):
            return
        from mlflow.exceptions import MlflowException

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            try:
                self.client.transition_model_version_stage(self.name, str(move.version), move.target)
            except MlflowException as error:
                print(f"warning: MLflow's own stage of version {move.version} is not set: {error}", file=sys.stderr)


def _version(raw: Any, aliases: dict[str, int]) -> Version:
    number = int(raw.version)
    held = [stage for stage, alias in ALIASES.items() if aliases.get(alias) == number]
    # Whoever had a stage and lost its alias has left it.
    without = NONE if raw.tags.get(STAGE_TAG, NONE) == NONE else ARCHIVED
    return Version(number, held[0] if held else without, raw.run_id, dict(raw.tags))
