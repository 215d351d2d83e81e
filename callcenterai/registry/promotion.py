"""How a change of the registry is decided: which run is registered, and what a version must show before it moves."""

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from callcenterai.artifact.folder import METADATA_FILE, read_model
from callcenterai.core.cli import UserError
from callcenterai.core.files import sha256
from callcenterai.core.params import RegistryParameters
from callcenterai.registry import gates
from callcenterai.registry.gates import Judged, Refused, Verdict
from callcenterai.registry.store import NONE, PRODUCTION, STAGING, Change, Move, Registry, State, Version
from callcenterai.tracking.store import UNKNOWN

# From the registry as it is to the change that is wanted; None when there is nothing to do.
Plan = Callable[[State], Change | None]


@dataclass
class Desk:
    """Where promotions are decided: a registry, the gates' parameters and the test data."""

    registry: Registry
    params: RegistryParameters
    data: Path
    experiment: str
    judged: dict[int, Judged] = field(default_factory=dict)
    loaded: dict[int, tuple[Any, list[Verdict]]] = field(default_factory=dict)

    def carry_out(
        self,
        plan: Plan,
        check: Callable[[State, Change], list[Verdict]],
        force: bool,
        dry_run: bool,
        resumes: str | None = None,
    ) -> Change | None:
        """Plan, check and make one change; return it, or None when there is nothing to do.

        resumes is the action of a command that names no version. If one like it was killed after it was decided,
        finishing that is all: a second rollback would go too far, and `production` would find Staging empty.

        Checking takes seconds, so it happens before the lock is taken. If the registry has changed by then, in a way
        that makes the plan another, all is done again.
        """
        while True:
            state = self.registry.state()
            if state.intent and not dry_run:
                # Its process was killed; or is at work, and then the lock waits for it and nothing is left to repair.
                finished = self.registry.repair()
                if finished and finished.action == resumes:
                    print("finished what a killed command had decided", file=sys.stderr)
                    return finished
                continue
            planned = plan(state)
            if planned is None:
                return None
            verdicts = check(state, planned)
            refused = tuple(verdict.gate for verdict in verdicts if not verdict.passed)
            if refused and (not force or any(verdict.final and not verdict.passed for verdict in verdicts)):
                raise Refused(verdicts)
            figures = self.judged.get(planned.moves[0].version)
            metrics = {"accuracy": figures.accuracy, "macro_f1": figures.macro_f1} if figures else planned.metrics
            change = replace(planned, forced=bool(refused), refused_by=refused, metrics=metrics)
            if dry_run:
                return change
            with self.registry.locked() as now:
                if plan(now) == planned:
                    return self.registry.make(change, now)

    def register(self, run: Any, asked: Change, dry_run: bool) -> tuple[int | None, bool]:
        """Make a version of a run; return its number and whether it is new. One run never becomes two versions."""
        source = source_of(run)
        if dry_run:
            there = self.registry.state().of_run(run.info.run_id)
            return (there.number, False) if there else (None, True)
        self.registry.create()
        with self.registry.locked() as state:
            if there := state.of_run(run.info.run_id):
                return there.number, False
            change = replace(
                asked, moves=(Move(None, None, NONE),), run_id=run.info.run_id, **described(source["tags"])
            )
            return self.registry.make(change, state, source).moves[0].version, True

    def for_staging(self, state: State, change: Change) -> list[Verdict]:
        """Return the verdicts on the way to Staging: loads, smoke, minimum metrics."""
        return self._examine(state.versions[change.moves[0].version], None)

    def for_production(self, state: State, change: Change) -> list[Verdict]:
        """Return the verdicts on the way to Production: only from Staging, and no worse than Production now."""
        version = state.versions[change.moves[0].version]
        if version.stage == STAGING:
            first = Verdict("from Staging", True, f"version {version.number} is in Staging")
        else:
            message = f"version {version.number} is in {version.stage}: `staging --version {version.number}` first"
            first = Verdict("from Staging", False, message)
        return [first, *self._examine(version, state.holder(PRODUCTION))]

    def for_rollback(self, state: State, change: Change) -> list[Verdict]:
        """Return the verdicts on the way back: the model is there, whole, and answers. It has served before."""
        return self._load(state.versions[change.moves[0].version])[1]

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
                # A broken Production must not keep its successor out for ever: --force passes this one.
                gate = f"Production, version {production.number}, loads"
                verdicts.append(replace(loading[0], gate=gate, final=False))
            else:
                reference = gates.Reference(PRODUCTION, self._judge(production, served, part), gates.BETTER)
                verdicts += gates.regression(figures, reference, self.params)
        return verdicts

    def _judge(self, version: Version, pipeline: Any, part: Any) -> Judged:
        if version.number not in self.judged:
            self.judged[version.number] = gates.judge(pipeline, part)
        return self.judged[version.number]

    def _load(self, version: Version) -> tuple[Any, list[Verdict]]:
        """Return the version's pipeline, None when it cannot be loaded safely, and the verdicts on loading it.

        Once for a command: it is what takes longest when others' changes have it plan anew.
        """
        if version.number not in self.loaded:
            self.loaded[version.number] = self._load_now(version)
        pipeline, verdicts = self.loaded[version.number]
        return pipeline, [*verdicts]

    def _load_now(self, version: Version) -> tuple[Any, list[Verdict]]:
        with tempfile.TemporaryDirectory() as folder:
            try:
                pipeline = read_model(self.fetch(version, Path(folder)))
            except UserError as error:
                return None, [Verdict("loads", False, f"{error}; promote another version", final=True)]
        loads = Verdict("loads", True, "SHA-256 as recorded, known types only")
        return pipeline, [loads, gates.smoke(pipeline)]

    def fetch(self, version: Version, folder: Path) -> Path:
        """Download a version's metadata and the files it vouches for into folder, and return the folder.

        The registry has the metadata's SHA-256, the metadata has that of every file: each is checked.
        """
        import mlflow
        from mlflow.exceptions import MlflowException

        # Asked once: MLflow would read the whole registered model, with its history, for each file of models:/NAME/1.
        place = self.registry.client.get_model_version_download_uri(self.registry.name, str(version.number))

        def fetch_checked(name: str, recorded: str) -> Path:
            try:
                mlflow.artifacts.download_artifacts(artifact_uri=f"{place}/{name}", dst_path=str(folder))
            except (MlflowException, OSError) as error:
                told = " ".join(str(error).split())
                raise UserError(f"{name} of version {version.number} cannot be fetched ({told})") from None
            if sha256(folder / name) != recorded:
                raise UserError(f"{name} of version {version.number} is not the file whose SHA-256 was recorded")
            return folder / name

        recorded = version.tags.get("metadata_sha256")
        if not recorded:
            raise UserError(f"version {version.number} was registered without its metadata's SHA-256; train it again")
        metadata = fetch_checked(METADATA_FILE, recorded)
        for name, recorded in json.loads(metadata.read_text(encoding="utf-8"))["files"].items():
            fetch_checked(name, recorded)
        return folder


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
        "metadata_sha256": run.data.tags.get("metadata_sha256", ""),
        "data": run.data.tags.get("dvc.train", ""),
        "test_data": run.data.tags.get("dvc.test", ""),
        "git_commit": run.data.tags.get("git_commit", ""),
        "trained_at": trained_at(run),
        **{name: f"{run.data.metrics[f'test.{name}']:.6f}" for name in ("accuracy", "macro_f1")},
    }
    return {"source": f"models:/{model_id}", "model_id": model_id, "tags": tags | {"stage": NONE}}


def trained_at(run: Any) -> str:
    """Return the start of the training, empty when it is unknown: the run then starts when it was logged."""
    if run.data.tags.get("trained_at") == UNKNOWN:
        return ""
    return datetime.fromtimestamp(run.info.start_time / 1000, UTC).isoformat(timespec="seconds")


def described(tags: dict[str, str]) -> dict[str, Any]:
    """Return what the history keeps of a version beside its moves: commit and metrics."""
    metrics = {name: float(tags[name]) for name in ("accuracy", "macro_f1") if name in tags}
    return {"commit": tags.get("git_commit") or None, "metrics": metrics}
