"""The rules of the registry: which run is registered, which version may go where, and what is checked before."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gates
from cli import UserError
from gates import Judged, Verdict
from model_folder import METADATA_FILE, MODEL_FILE, load_model
from parameters import RegistryParameters
from registry import ARCHIVED, NONE, PRODUCTION, STAGING, Change, Move, Registry, State, Version

# Who asks, why, and whether a gate's refusal is passed.
Plan = Callable[[State], Change | None]


class Refused(Exception):
    """At least one gate refused; holds every verdict."""

    def __init__(self, verdicts: list[Verdict]) -> None:
        """Keep the verdicts, those that passed too."""
        super().__init__("a gate refused")
        self.verdicts = verdicts


@dataclass
class Desk:
    """Where promotions are decided: a registry, the gates' parameters and the test data."""

    registry: Registry
    params: RegistryParameters
    data: Path
    experiment: str
    judged: dict[int, Judged] = field(default_factory=dict)

    def carry_out(
        self, plan: Plan, check: Callable[[State, Change], list[Verdict]], force: bool, dry_run: bool
    ) -> Change | None:
        """Plan, check and make one change; return it, or None when there is nothing to do.

        Checking takes seconds, so it happens before the lock is taken. If the registry has changed by then, in a way
        that makes the plan another, all is done again.
        """
        while True:
            state = self.registry.state()
            planned = plan(state)
            if planned is None:
                if state.intent:
                    # Done already, but by a process that was killed before it had finished: locking repairs.
                    with self.registry.locked():
                        pass
                return None
            verdicts = check(state, planned)
            refused = tuple(verdict.gate for verdict in verdicts if not verdict.passed)
            if refused and not force:
                raise Refused(verdicts)
            figures = self.judged.get(planned.moves[0].version)
            metrics = {"accuracy": figures.accuracy, "macro_f1": figures.macro_f1} if figures else planned.metrics
            change = replace(planned, forced=bool(refused), refused_by=refused, metrics=metrics)
            if dry_run:
                return change
            with self.registry.locked() as now:
                if plan(now) == planned:
                    return self.registry.make(change, now)

    def for_staging(self, state: State, change: Change) -> list[Verdict]:
        """Return the verdicts on the way to Staging: loads, smoke, minimum metrics."""
        return self._examine(state.find(change.moves[0].version), None)

    def for_production(self, state: State, change: Change) -> list[Verdict]:
        """Return the verdicts on the way to Production: only from Staging, and no worse than Production now."""
        version = state.find(change.moves[0].version)
        if version.stage == STAGING:
            first = Verdict("from Staging", True, f"version {version.number} is in Staging")
        else:
            message = f"version {version.number} is in {version.stage}: `staging --version {version.number}` first"
            first = Verdict("from Staging", False, message)
        return [first, *self._examine(version, state.holder(PRODUCTION))]

    def for_rollback(self, state: State, change: Change) -> list[Verdict]:
        """Return the verdicts on the way back: the model is there, whole, and answers. It has served before."""
        return self._load(state.find(change.moves[0].version))[1]

    def _examine(self, version: Version, production: Version | None) -> list[Verdict]:
        pipeline, verdicts = self._load(version)
        if pipeline is None:
            return verdicts
        part = gates.read_test_part(self.data)
        figures = self._judge(version, pipeline, part)
        verdicts += [gates.same_test_data(version.tags.get("test_data"), part), *gates.minimum(figures, self.params)]
        if production and production.number != version.number:
            served, loading = self._load(production)
            if served is None:
                verdicts.append(replace(loading[0], gate=f"Production, version {production.number}, {loading[0].gate}"))
            else:
                verdicts += gates.regression(figures, self._judge(production, served, part), part, self.params)
        return verdicts

    def _judge(self, version: Version, pipeline: Any, part: Any) -> Judged:
        if version.number not in self.judged:
            self.judged[version.number] = gates.judge(pipeline, part)
        return self.judged[version.number]

    def _load(self, version: Version) -> tuple[Any, list[Verdict]]:
        """Return the version's pipeline, None when it cannot be loaded safely, and the verdicts on loading it."""
        with tempfile.TemporaryDirectory() as folder:
            try:
                pipeline = load_model(self.fetch(version, Path(folder)), version.tags.get("model_sha256"))
            except UserError as error:
                return None, [Verdict("loads", False, f"{error}; register another version")]
        loads = Verdict("loads", True, "SHA-256 as recorded, known types only")
        return pipeline, [loads, gates.smoke(pipeline)]

    def fetch(self, version: Version, folder: Path) -> Path:
        """Download a version's files into folder, check the recorded hash and return where they are."""
        import mlflow
        from mlflow.exceptions import MlflowException

        from files import sha256

        uri = f"models:/{self.registry.name}/{version.number}"
        try:
            place = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder)))
        except (MlflowException, OSError) as error:
            raise UserError(f"version {version.number} cannot be fetched ({' '.join(str(error).split())})") from None
        missing = [name for name in (MODEL_FILE, METADATA_FILE) if not (place / name).is_file()]
        if missing:
            raise UserError(f"version {version.number} has no {', '.join(missing)}")
        recorded = version.tags.get("model_sha256")
        if recorded is None or sha256(place / MODEL_FILE) != recorded:
            raise UserError(f"{MODEL_FILE} of version {version.number} is not the file whose SHA-256 was recorded")
        return place


def best_run(client: Any, experiment: str, metric: str) -> Any:
    """Return the finished run with the best validation metric, among those on the newest run's validation data.

    Figures on different data do not compare: the best run on last year's easy tickets is not the best today.
    """
    found = client.get_experiment_by_name(experiment)
    finished = "attributes.status = 'FINISHED' and tags.model_sha256 != ''"
    newest = client.search_runs([found.experiment_id], finished, max_results=1) if found else []
    if not newest:
        raise UserError(f"no finished training in the experiment {experiment!r}: `dvc repro` makes one")
    data = newest[0].data.tags.get("dvc.validation", "")
    same_data = f"{finished} and tags.`dvc.validation` = '{data}'"
    order = [f"metrics.`validation.{metric}` DESC", "attributes.start_time DESC"]
    return client.search_runs([found.experiment_id], same_data, max_results=1, order_by=order)[0]


def named_run(client: Any, run_id: str) -> Any:
    """Return the run, or raise a UserError when there is none that left a model."""
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise UserError(f"there is no run {run_id!r}; `mlflow server` shows those there are") from None
    if run.info.status != "FINISHED" or "model_sha256" not in run.data.tags or not run.outputs.model_outputs:
        raise UserError(f"the run {run_id} is {run.info.status} and has no model to register; train again: `dvc repro`")
    return run


def source_of(run: Any) -> dict[str, Any]:
    """Return the arguments with which MLflow creates a version of this run's model."""
    model_id = run.outputs.model_outputs[-1].model_id
    tags = {
        "model_sha256": run.data.tags["model_sha256"],
        "data": run.data.tags.get("dvc.train", ""),
        "test_data": run.data.tags.get("dvc.test", ""),
        "git_commit": run.data.tags.get("git_commit", ""),
        "trained_at": datetime.fromtimestamp(run.info.start_time / 1000, UTC).isoformat(timespec="seconds"),
        **{name: f"{run.data.metrics[f'test.{name}']:.6f}" for name in ("accuracy", "macro_f1")},
    }
    return {"source": f"models:/{model_id}", "model_id": model_id, "tags": tags | {"stage": NONE}}


def to_staging(state: State, number: int | None) -> tuple[Move, ...]:
    """Return the moves that put a version, by default the newest, into Staging; none when it is there."""
    if not state.versions:
        raise UserError("no version yet: `register` makes one")
    version = state.find(number or max(state.versions))
    if version.stage == PRODUCTION:
        raise UserError(f"version {version.number} is in Production already: `register` a newer one, or name another")
    if version.stage == STAGING:
        return ()
    return (Move(version.number, version.stage, STAGING), *_make_room(state, STAGING))


def to_production(state: State, number: int | None) -> tuple[Move, ...]:
    """Return the moves that put a version, by default the one in Staging, into Production; none when it is there."""
    staged = state.holder(STAGING)
    if number is None and staged is None:
        raise UserError("no version is in Staging: `staging` puts the newest there, or name one with --version")
    version = state.find(number or staged.number)
    if version.stage == PRODUCTION:
        return ()
    return (Move(version.number, version.stage, PRODUCTION), *_make_room(state, PRODUCTION))


def to_archive(state: State, number: int) -> tuple[Move, ...]:
    """Return the move that archives a version; never the one in Production, or nothing would serve."""
    version = state.find(number)
    if version.stage == PRODUCTION:
        message = f"version {number} is in Production: promote another one or `rollback`, which archives it"
        raise Refused([Verdict("not in Production", False, message)])
    return () if version.stage == ARCHIVED else (Move(number, version.stage, ARCHIVED),)


def to_previous(state: State) -> tuple[Move, ...]:
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
    target = state.find(earlier[-1])
    return (Move(target.number, target.stage, PRODUCTION), *_make_room(state, PRODUCTION))


def _make_room(state: State, stage: str) -> tuple[Move, ...]:
    holder = state.holder(stage)
    return (Move(holder.number, stage, ARCHIVED),) if holder else ()
