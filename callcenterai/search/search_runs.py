"""A parameter search in MLflow: one run for the search, and nested in it one for each trial."""

import json
import sys
import time
from types import TracebackType
from typing import Any

from callcenterai.artifact.folder import git_state
from callcenterai.core.cli import UserError
from callcenterai.core.files import dvc_md5
from callcenterai.data.parts import Part
from callcenterai.search.search_space import SearchTfidfParameters
from callcenterai.search.search_trial import Trial
from callcenterai.tracking import runs, store

# Not among the trainings: a trial has no model, and the registry looks for the best run there.
SUFFIX = "-search"


class SearchRuns:
    """Logs a search as it goes on. A tracking store that fails in between costs the log, not the search."""

    def __init__(self, kind: str, space: SearchTfidfParameters, parts: dict[str, Part]) -> None:
        """Begin the run of the search; a UserError when there is no tracking store to be used."""
        self._experiment = store.open_experiment(store.experiment_name(kind) + SUFFIX)
        data = {f"dvc.{name}": dvc_md5(part.path) for name, part in parts.items()}
        tags = {name: str(value) for name, value in (git_state(store.ROOT) | data).items() if value is not None}
        self._tags, self._warned = tags, False
        with store.translate_tracking_errors():
            self.id = self._create(f"{space.method}-{time.strftime('%Y%m%d-%H%M%S')}", time.time(), {})
            for name, value in space.model_dump().items():
                self._client().log_param(self.id, name, json.dumps(value) if name == "parameters" else value)

    def __enter__(self) -> "SearchRuns":
        """Go on until the end of the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """End the search's run: finished, failed, or killed when it was interrupted."""
        status = "FINISHED" if kind is None else "KILLED" if kind is KeyboardInterrupt else "FAILED"
        self._try(lambda: self._client().set_terminated(self.id, status))

    def log(self, trial: Trial) -> None:
        """Log a trial as a nested run."""
        self._try(lambda: self._log(trial))

    def name_best(self, trial: Trial) -> None:
        """Give the search's own run the figures and the parameters of its best trial."""

        def log() -> None:
            self._client().set_tag(self.id, "best_trial", trial.number)
            runs.log_metrics(self.id, {"validation": trial.figures})

        self._try(log)

    def _log(self, trial: Trial) -> None:
        client, nested = self._client(), {"mlflow.parentRunId": self.id}
        if trial.trouble:
            nested["error"] = store.shorten(trial.trouble)
        run = self._create(f"trial-{trial.number}", trial.started, nested)
        for name, value in trial.parameters.model_dump().items():
            client.log_param(run, name, value)
        if trial.figures:
            runs.log_metrics(run, {"validation": trial.figures, "converged": trial.converged})
        ended = int(1000 * (trial.started + trial.seconds))
        client.set_terminated(run, "FAILED" if trial.trouble else "FINISHED", end_time=ended)

    def _create(self, name: str, started: float, tags: dict[str, str]) -> str:
        start = int(1000 * started)
        return self._client().create_run(self._experiment, start, self._tags | tags, name).info.run_id

    def _try(self, log: Any) -> None:
        try:
            with store.translate_tracking_errors():
                log()
        except UserError as error:
            if not self._warned:
                print(f"warning: not everything is logged: {error}", file=sys.stderr)
            self._warned = True

    @staticmethod
    def _client() -> Any:
        import mlflow

        return mlflow.MlflowClient()
