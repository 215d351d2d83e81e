"""The registry in MLflow: reads the registered model, changes it safely, and finds the runs to register.

The aliases `production` and `staging` are authoritative: MLflow keeps one row for each, so two versions cannot have the
same one, and moving an alias is a single write, so there is no moment without it. A version's tag `stage` and MLflow's
own deprecated stage follow. A change is recorded before it is made (tag `intent` of the registered model) and entered
in the history afterwards (tags `history.000001`, ...), so that the next change can finish what a killed process left
half done, or see that it had not begun. Readers combine aliases and intent and see the same state in between.
"""

import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException

from callcenterai.artifact.folder import KINDS, METADATA_FILE
from callcenterai.core.cli import UserError, one_line
from callcenterai.core.files import sha256
from callcenterai.registry.lock import hold_lock
from callcenterai.registry.production_folder import PLACE, ProductionFolder
from callcenterai.registry.state import ALIASES, ARCHIVED, NONE, PRODUCTION, STAGING, Change, Move, State, Version
from callcenterai.tracking import store

STAGE_TAG, INTENT_TAG, HISTORY_TAG = "stage", "intent", "history."
VERSIONS_PER_REQUEST = 1000
# MLflow's filter for runs that can be registered.
WITH_MODEL = "attributes.status = 'FINISHED' and tags.model_sha256 != ''"


def open_registry(kind: str) -> "Registry":
    """Return the registry of a kind of model, in the tracking store that the environment names."""
    database = store.local_database()
    # Without this check MLflow would create an empty database, which takes seconds.
    if database and not database.is_file():
        raise UserError(f"{database}: no such file; `{KINDS[kind].command}` trains a model and makes it")
    # A server's version is read from the server; of an embedded database, services read a copy of it.
    copy = ProductionFolder(database.parent / PLACE / kind) if database else None
    return Registry(store.make_client(), KINDS[kind].registered, database, store.ROOT, copy)


class Registry:
    """One registered model in an MLflow registry."""

    def __init__(
        self, client: Any, name: str, database: Path | None, folder: Path, production: ProductionFolder | None = None
    ) -> None:
        """Read and create nothing yet.

        database is the file of an embedded database, None for a server; folder keeps this machine's lock of a server;
        production is the copy of the version in Production, if one is kept.
        """
        self.client, self.name, self.database, self.folder = client, name, database, folder
        self._production = production

    def read_state(self) -> State:
        """Read the registered model; return an empty state if there is none yet."""
        # Versions first: an alias that is set in between can then name a version that is not among them, never nothing.
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
        history = [_read_change(key, model.tags[key]) for key in records]
        intent = _read_change(INTENT_TAG, model.tags[INTENT_TAG]) if model.tags.get(INTENT_TAG) else None
        happened = intent and State(versions, tuple(history), intent).happened(intent)
        if happened and all(change.number != happened.number for change in history):
            history.append(happened)
        return State(dict(sorted(versions.items())), tuple(history), intent, aliases)

    def _search_versions(self) -> list[Any]:
        query = f"name = '{self.name}'"
        page = self.client.search_model_versions(query, max_results=VERSIONS_PER_REQUEST)
        found = list(page)
        while page.token:
            page = self.client.search_model_versions(query, max_results=VERSIONS_PER_REQUEST, page_token=page.token)
            found += page
        return found

    def ensure_model_exists(self) -> None:
        """Create the registered model if there is none."""
        try:
            self.client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    @contextmanager
    def locked(self) -> Iterator[State]:
        """Hold the lock, finish what a killed process left, and give the state after that."""
        with hold_lock(self.client, self.name, self.database, self.folder):
            state = self.read_state()
            if state.intent:
                self._finish_intent(state)
                state = self.read_state()
            yield state

    def finish_interrupted_change(self) -> Change | None:
        """Finish what a killed process left; return its change, or None if it had not made its first move."""
        with hold_lock(self.client, self.name, self.database, self.folder):
            return self._finish_intent(self.read_state())

    def _finish_intent(self, state: State) -> Change | None:
        if state.intent is None:
            return None
        happened = state.happened(state.intent)
        if happened:
            self._complete(happened, state)
        self.client.delete_registered_model_tag(self.name, INTENT_TAG)
        return happened

    def repair_production_folder(self) -> None:
        """Bring the copy of the version in Production in line with the registry, whatever happened to it."""
        if self._production and not self._production.holds(self.read_state().version_in(PRODUCTION)):
            with hold_lock(self.client, self.name, self.database, self.folder):
                # An interrupted change is left for its own command to finish.
                self._production.update(self.read_state().version_in(PRODUCTION), self.download)

    def make_change(self, change: Change, state: State, source: dict[str, Any] | None = None) -> Change:
        """Make a change and return it as the history has it.

        Call it with the lock held and the state that locked() gave. For a registration, source holds the arguments of
        MLflow's create_model_version.
        """
        number = max((record.number for record in state.history), default=0) + 1
        change = replace(change, at=datetime.now(UTC).isoformat(timespec="milliseconds"), number=number)
        self.client.set_registered_model_tag(self.name, INTENT_TAG, change.to_json())
        if source is None:
            self._write_first_move(change.moves[0])
        else:
            self.client.create_model_version(self.name, run_id=change.run_id, **source)
        state = self.read_state()
        happened = state.happened(change)
        if happened is None:
            raise UserError(f"{self.name} was changed in MLflow by something else at the same moment; check `list`")
        self._complete(happened, state)
        self.client.delete_registered_model_tag(self.name, INTENT_TAG)
        return happened

    def _write_first_move(self, move: Move) -> None:
        """Make the one write after which every reader sees the move."""
        if move.target in ALIASES:
            self.client.set_registered_model_alias(self.name, ALIASES[move.target], str(move.version))
        elif move.origin in ALIASES:
            # The version's tag still names the stage; without the alias that means Archived.
            self.client.delete_registered_model_alias(self.name, ALIASES[move.origin])
        else:
            self.client.set_model_version_tag(self.name, str(move.version), STAGE_TAG, move.target)

    def _complete(self, change: Change, state: State) -> None:
        """Bring everything else in line with the first move and enter the change in the history; repeating is safe."""
        first = change.moves[0]
        if first.target == PRODUCTION and state.aliases.get(ALIASES[STAGING]) == first.version:
            self.client.delete_registered_model_alias(self.name, ALIASES[STAGING])
        for move in change.moves:
            if move.version in state.versions:
                self.client.set_model_version_tag(self.name, str(move.version), STAGE_TAG, move.target)
                if move.origin is not None:
                    self._set_mlflow_stage(move)
        if self._production and any(PRODUCTION in (move.origin, move.target) for move in change.moves):
            self._production.update(state.version_in(PRODUCTION), self.download)
        self.client.set_registered_model_tag(self.name, f"{HISTORY_TAG}{change.number:06d}", change.to_json())

    def _set_mlflow_stage(self, move: Move) -> None:
        """Set MLflow's own deprecated stage, so that models:/NAME/Production works; nothing here reads it."""
        if not hasattr(self.client, "transition_model_version_stage"):
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            try:
                self.client.transition_model_version_stage(self.name, str(move.version), move.target)
            except MlflowException as error:
                print(f"warning: MLflow's own stage of version {move.version} is not set: {error}", file=sys.stderr)

    def download(self, version: Version, folder: Path) -> Path:
        """Download a version's metadata and the files that it lists into folder, and return the folder.

        The registry holds the metadata's SHA-256, the metadata that of every other file: each is checked.
        """
        expected = version.tags.get("metadata_sha256")
        if not expected:
            raise UserError(f"version {version.number} was registered without its metadata's SHA-256; train it again")
        # Requested once: for each file of models:/NAME/1, MLflow would read the registered model with its history.
        place = self.client.get_model_version_download_uri(self.name, str(version.number))
        metadata = _download_file(version, place, METADATA_FILE, expected, folder)
        for name, digest in json.loads(metadata.read_text(encoding="utf-8"))["files"].items():
            _download_file(version, place, name, digest, folder)
        return folder


def _download_file(version: Version, place: str, name: str, expected: str, folder: Path) -> Path:
    try:
        mlflow.artifacts.download_artifacts(artifact_uri=f"{place}/{name}", dst_path=str(folder))
    except (MlflowException, OSError) as error:
        raise UserError(f"{name} of version {version.number} cannot be fetched ({one_line(str(error))})") from None
    if sha256(folder / name) != expected:
        raise UserError(f"{name} of version {version.number} is not the file whose SHA-256 was recorded")
    return folder / name


def _read_change(key: str, text: str) -> Change:
    try:
        return Change.from_json(text)
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"the tag {key} of the registered model is not a record of ours: something else has changed it; delete "
            "the tag in MLflow"
        ) from None


def _version(raw: Any, aliases: dict[str, int]) -> Version:
    number = int(raw.version)
    held = [stage for stage, alias in ALIASES.items() if aliases.get(alias) == number]
    # A version whose tag names a stage, and which has no alias, has left that stage.
    without_alias = NONE if raw.tags.get(STAGE_TAG, NONE) == NONE else ARCHIVED
    return Version(number, held[0] if held else without_alias, raw.run_id, dict(raw.tags))


def find_best_run(client: Any, experiment: str, metric: str) -> Any:
    """Return the finished run with the best validation metric, among those on the newest run's validation data.

    Figures on different data cannot be compared: the best run on last year's easy tickets is not the best today.
    """
    newest = find_newest_run(client, experiment)
    data = newest.data.tags.get("dvc.validation", "")
    same_data = f"{WITH_MODEL} and tags.`dvc.validation` = '{data}'"
    order = [f"metrics.`validation.{metric}` DESC", "attributes.start_time DESC"]
    return client.search_runs([newest.info.experiment_id], same_data, max_results=1, order_by=order)[0]


def find_newest_run(client: Any, experiment: str) -> Any:
    """Return the newest finished run with a model, or raise a UserError if there is none."""
    found = client.get_experiment_by_name(experiment)
    newest = client.search_runs([found.experiment_id], WITH_MODEL, max_results=1) if found else []
    if not newest:
        raise UserError(f"no finished training in the experiment {experiment!r}: `dvc repro` makes one")
    return newest[0]


def find_run(client: Any, run_id: str) -> Any:
    """Return a run by its id, or raise a UserError if there is none or it has no model."""
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise UserError(f"there is no run {run_id!r}; `mlflow server` shows those there are") from None
    if run.info.status != "FINISHED" or "model_sha256" not in run.data.tags or not run.outputs.model_outputs:
        raise UserError(f"the run {run_id} is {run.info.status} and has no model to register; train again: `dvc repro`")
    return run


def version_source(run: Any) -> dict[str, Any]:
    """Return the arguments of MLflow's create_model_version for this run's model."""
    model_id = run.outputs.model_outputs[-1].model_id
    tags = {
        "model_sha256": run.data.tags["model_sha256"],
        "metadata_sha256": run.data.tags.get("metadata_sha256", ""),
        "data": run.data.tags.get("dvc.train", ""),
        "test_data": run.data.tags.get("dvc.test", ""),
        "git_commit": run.data.tags.get("git_commit", ""),
        "trained_at": _trained_at(run),
        **{name: f"{run.data.metrics[f'test.{name}']:.6f}" for name in ("accuracy", "macro_f1")},
    }
    return {"source": f"models:/{model_id}", "model_id": model_id, "tags": tags | {STAGE_TAG: NONE}}


def _trained_at(run: Any) -> str:
    """Return when the training began, or "" if that is unknown: such a run starts when it was logged."""
    if run.data.tags.get("trained_at") == store.UNKNOWN:
        return ""
    return datetime.fromtimestamp(run.info.start_time / 1000, UTC).isoformat(timespec="seconds")
