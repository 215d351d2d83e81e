"""The tracking store: MLflow's settings, and working with another store for a while."""

import os

import pytest

from callcenterai.tracking.store import tracking_environment, tracking_uri
from support.processes import run
from support.repository import REPOSITORY

TELEMETRY_AT_IMPORT = """
import importlib, os, sys

class Watcher:
    def find_spec(self, name, *_):
        if name == "mlflow":
            print(os.environ.get("MLFLOW_DISABLE_TELEMETRY"))

sys.meta_path.insert(0, Watcher())
importlib.import_module(sys.argv[1])
"""


@pytest.mark.parametrize("module", ["callcenterai.tracking.runs", "callcenterai.registry.lock"])
def test_telemetry_is_off_before_mlflow_is_imported(module):
    """MLflow starts its telemetry when it is imported."""
    assert run(REPOSITORY, "-c", TELEMETRY_AT_IMPORT, module).stdout.split() == ["true"]


def test_tracking_environment_is_restored_after_the_block(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME", raising=False)
    with tracking_environment({"MLFLOW_TRACKING_URI": "http://127.0.0.1:2", "MLFLOW_TRACKING_USERNAME": "amina"}):
        assert (tracking_uri(), os.environ["MLFLOW_TRACKING_USERNAME"]) == ("http://127.0.0.1:2", "amina")
    assert tracking_uri() == "http://127.0.0.1:1" and "MLFLOW_TRACKING_USERNAME" not in os.environ
