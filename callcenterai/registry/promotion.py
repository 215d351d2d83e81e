"""Where a promotion is decided: what a version must show before it moves to a stage, and the change that follows.

A program promotes like this; each step raises a UserError when something is wrong and PromotionRefused when a gate
refuses:

    promoter = open_promoter("tfidf", Path("params.yaml"), Path("data/processed"))
    request = Request(by="Amina", reason="fewer mistakes with VPN tickets")
    promoter.register(run_id, request)
    promoter.promote_to_staging(None, request)
    promoter.promote_to_production(None, request)

The registry is that of MLFLOW_TRACKING_URI; tracking.store.tracking_environment sets it, with credentials, for a block.
"""

import getpass
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from callcenterai.artifact.folder import read_metadata, read_model
from callcenterai.core.cli import UserError, print_progress
from callcenterai.core.params import RegistryParameters, read_parameters
from callcenterai.data.parts import Part
from callcenterai.registry import gates
from callcenterai.registry.gates import Measurement, PromotionRefused, Verdict
from callcenterai.registry.state import (
    NONE,
    PRODUCTION,
    STAGING,
    Change,
    Move,
    State,
    Version,
    moves_back,
    moves_to_archive,
    moves_to_production,
    moves_to_staging,
)
from callcenterai.registry.store import (
    Registry,
    find_best_run,
    find_newest_run,
    find_run,
    open_registry,
    version_source,
)
from callcenterai.tracking.store import experiment_name

# The figures of a version that the history keeps.
METRICS = ("accuracy", "macro_f1")
# From the registry as it is to the moves that a command consists of; none when there is nothing to do.
FindMoves = Callable[[State], tuple[Move, ...]]
Check = Callable[[State, Change], list[Verdict]]


@dataclass(frozen=True)
class Request:
    """Who asks for a change and why; force passes gates that refuse, dry_run checks everything and changes nothing."""

    by: str
    reason: str | None = None
    force: bool = False
    dry_run: bool = False


class LoadedVersion(NamedTuple):
    """A version's pipeline, None if it cannot be loaded safely, its metadata, and the verdicts on loading it."""

    pipeline: Any
    metadata: dict[str, Any]
    verdicts: list[Verdict]


class Registration(NamedTuple):
    """The version that a run became, or had become before; a dry run of a new one has no version.

    newest_run is the newest run if that is no version yet, though the run that was asked for had become one before.
    """

    run_id: str
    version: int | None
    is_new: bool
    newest_run: str | None = None


def open_promoter(kind: str, params: Path, data: Path) -> "Promoter":
    """Return the promoter of a kind of model: the registry of the environment, params.yaml and the prepared data."""
    parameters = read_parameters(params, "registry", RegistryParameters)
    return Promoter(open_registry(kind), parameters, data, experiment_name(kind))


@dataclass
class Promoter:
    """Moves versions between the stages of one registry, after the gates have checked them."""

    registry: Registry
    params: RegistryParameters
    data: Path
    experiment: str
    _measured: dict[int, Measurement] = field(default_factory=dict)
    _loaded: dict[int, LoadedVersion] = field(default_factory=dict)

    def register(self, run_id: str | None, request: Request) -> Registration:
        """Make a version of a run, by default the best one; a run never becomes two versions."""
        client = self.registry.client
        run = find_run(client, run_id) if run_id else find_best_run(client, self.experiment, self.params.metric)
        source, run_id = version_source(run), run.info.run_id
        if request.dry_run:
            version = self.registry.read_state().version_of_run(run_id)
            return Registration(run_id, version.number if version else None, version is None)
        self.registry.ensure_model_exists()
        with self.registry.locked() as state:
            if version := state.version_of_run(run_id):
                newest = find_newest_run(client, self.experiment).info.run_id
                return Registration(run_id, version.number, False, None if state.version_of_run(newest) else newest)
            origin = _commit_and_metrics(source["tags"])
            moves = (Move(None, None, NONE),)
            change = Change("register", moves, request.by, request.reason, run_id=run_id, **origin)
            made = self.registry.make_change(change, state, source)
            return Registration(run_id, made.moves[0].version, True)

    def promote_to_staging(self, version: str | None, request: Request) -> Change | None:
        """Put a version, by default the newest, into Staging; return the change, None if there is nothing to do."""
        moves = partial(moves_to_staging, name=version)
        return self._decide("staging", moves, self.check_for_staging, request, resumes=version is None)

    def promote_to_production(self, version: str | None, request: Request) -> Change | None:
        """Put a version, by default the one in Staging, into Production; return the change, None as above."""
        moves = partial(moves_to_production, name=version)
        return self._decide("production", moves, self.check_for_production, request, resumes=version is None)

    def archive(self, version: str, request: Request) -> Change | None:
        """Retire a version; return the change, None if it is archived already."""
        return self._decide("archive", partial(moves_to_archive, name=version), self.check_for_archive, request)

    def roll_back(self, request: Request) -> Change | None:
        """Put the version that was in Production before back there; return the change."""
        return self._decide("rollback", moves_back, self.check_for_rollback, request, resumes=True)

    def _decide(
        self, action: str, find_moves: FindMoves, check: Check, request: Request, resumes: bool = False
    ) -> Change | None:
        """Plan, check and make one change; return it, or None when there is nothing to do.

        Checking takes seconds, so it happens before the lock is taken. If the registry has changed by then so that the
        plan differs, everything is repeated.

        A command that resumes is complete once it has finished one like it that was killed after its first move: a
        second rollback would go too far, and `production` would find Staging empty.
        """

        plan = partial(_plan_change, action, find_moves, request)
        while True:
            state = self.registry.read_state()
            if state.intent and not request.dry_run:
                # Its process was killed, or is at work; then the lock waits for it and nothing is left to finish.
                finished = self.registry.finish_interrupted_change()
                if finished and resumes and finished.action == action:
                    print("finished the change that an interrupted command had begun", file=sys.stderr)
                    return finished
                continue
            planned = plan(state)
            if planned is None:
                return None
            change = self._pass_gates(planned, check(state, planned), request)
            if request.dry_run:
                return change
            with self.registry.locked() as now:
                if plan(now) == planned:
                    return self.registry.make_change(change, now)

    def _pass_gates(self, planned: Change, verdicts: list[Verdict], request: Request) -> Change:
        """Return the change with its figures and the gates passed by force, or raise PromotionRefused."""
        refusals = [verdict for verdict in verdicts if not verdict.passed]
        if refusals and (not request.force or any(verdict.final for verdict in refusals)):
            raise PromotionRefused(verdicts)
        measured = self._measured.get(planned.moves[0].version or 0)
        metrics = {name: getattr(measured, name) for name in METRICS} if measured else planned.metrics
        refused_by = tuple(verdict.gate for verdict in refusals)
        return replace(planned, forced=bool(refusals), refused_by=refused_by, metrics=metrics)

    def check_for_staging(self, state: State, change: Change) -> list[Verdict]:
        """Return the verdicts on the way to Staging: the model loads, answers and reaches the minimum."""
        return self._check_model(_moved_version(state, change), None)

    def check_for_production(self, state: State, change: Change) -> list[Verdict]:
        """Return the verdicts on the way to Production: from Staging only, and no worse than the current Production."""
        version = _moved_version(state, change)
        if version.stage == STAGING:
            first = Verdict("from Staging", True, f"version {version.number} is in Staging")
        else:
            message = f"version {version.number} is in {version.stage}: `staging {version.number}` first"
            first = Verdict("from Staging", False, message)
        return [first, *self._check_model(version, state.version_in(PRODUCTION))]

    def check_for_archive(self, state: State, change: Change) -> list[Verdict]:
        """Return the verdict on archiving: never the version in Production, or nothing would serve."""
        version = _moved_version(state, change)
        if version.stage != PRODUCTION:
            return []
        message = f"version {version.number} is in Production: promote another one or `rollback`, which archives it"
        return [Verdict("not in Production", False, message, final=True)]

    def check_for_rollback(self, state: State, change: Change) -> list[Verdict]:
        """Return the verdicts on the way back: the model loads and answers. Its figures sufficed when it served."""
        return [*self._load(_moved_version(state, change)).verdicts]

    def _check_model(self, version: Version, production: Version | None) -> list[Verdict]:
        loaded = self._load(version)
        verdicts = [*loaded.verdicts]
        if loaded.pipeline is None:
            return verdicts
        part = gates.read_test_part(self.data)
        figures = self._measure(version, loaded, part)
        verdicts.append(gates.check_test_data(version.tags.get("test_data"), part))
        verdicts += gates.check_minimum(figures, self.params)
        if production and production.number != version.number:
            verdicts += self._compare(figures, production, part)
        return verdicts

    def _compare(self, candidate: Measurement, production: Version, part: Part) -> list[Verdict]:
        """Return the verdicts on whether a candidate is worse than the version in Production."""
        loaded = self._load(production)
        if loaded.pipeline is None:
            # A broken Production must not block its successor for ever, so --force passes this gate.
            return [replace(loaded.verdicts[0], gate=f"Production, version {production.number}, loads", final=False)]
        reference = gates.Reference(PRODUCTION, self._measure(production, loaded, part), gates.BETTER)
        return gates.check_regression(candidate, reference, self.params)

    def _measure(self, version: Version, loaded: LoadedVersion, part: Part) -> Measurement:
        if version.number not in self._measured:
            print_progress(f"version {version.number}: measuring it on {len(part.texts):,} test tickets")
            self._measured[version.number] = gates.measure(loaded.pipeline, loaded.metadata, part)
        return self._measured[version.number]

    def _load(self, version: Version) -> LoadedVersion:
        """Return the loaded version.

        The result is kept, because loading is the slowest step when other people's changes make a command plan again.
        """
        if version.number not in self._loaded:
            print_progress(f"version {version.number}: loading it and checking its files")
            self._loaded[version.number] = self._load_now(version)
        return self._loaded[version.number]

    def _load_now(self, version: Version) -> LoadedVersion:
        with tempfile.TemporaryDirectory() as place:
            try:
                folder = self.registry.download(version, Path(place))
                pipeline, metadata = read_model(folder), read_metadata(folder)
            except UserError as error:
                refusal = Verdict("loads", False, f"{error}; promote another version", final=True)
                return LoadedVersion(None, {}, [refusal])
        loads = Verdict("loads", True, "SHA-256 as recorded, known types only")
        return LoadedVersion(pipeline, metadata, [loads, gates.check_smoke_texts(pipeline)])


def _plan_change(action: str, find_moves: FindMoves, request: Request, state: State) -> Change | None:
    """Return the change with the commit and metrics of the moved version, or None when there is nothing to do."""
    moves = find_moves(state)
    if not moves:
        return None
    change = Change(action, moves, request.by, request.reason)
    return replace(change, **_commit_and_metrics(_moved_version(state, change).tags))


def _commit_and_metrics(tags: dict[str, str]) -> dict[str, Any]:
    metrics = {name: float(tags[name]) for name in METRICS if name in tags}
    return {"commit": tags.get("git_commit") or None, "metrics": metrics}


def _moved_version(state: State, change: Change) -> Version:
    # Only a registration has no number yet, and it is not planned from a state.
    return state.versions[change.moves[0].version]  # type: ignore[index]


def find_user_name() -> str:
    """Return who works here: git's user.name or, without one, the system's user."""
    try:
        done = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, timeout=10)
        if done.stdout.strip():
            return done.stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        pass  # nothing else here needs git
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        raise UserError("cannot find your user name: give it with --by") from None
