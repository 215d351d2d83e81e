"""What people meet first: help, mistyped arguments, and commands that are run outside the environment."""

import subprocess
import sys

import pytest

from support.processes import environment
from support.repository import REPOSITORY

SERVICES = ("tfidf", "transformer", "agent", "web")
SCRIPTS = (
    ["scripts/mlflow_registry.py", "list"],
    ["scripts/predict_batch.py", "tickets.csv", "predictions"],
    ["scripts/log_run.py"],
)


def python(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=REPOSITORY, env=environment(), capture_output=True, text=True, timeout=120)


@pytest.mark.runs("python -m services.tfidf.app --help")
@pytest.mark.parametrize("name", SERVICES)
def test_a_services_help_lists_its_settings_with_their_defaults(name):
    done = python("-m", f"services.{name}.app", "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"usage: python -m services.{name}.app")
    lines = done.stdout.splitlines()
    assert any(line.split()[:1] == ["PORT"] and "(default: 80" in line for line in lines)
    assert any(line.split()[:1] == ["API_KEYS"] and line.endswith("(default: none)") for line in lines)


def test_a_service_refuses_arguments_that_it_does_not_know():
    done = python("-m", "services.tfidf.app", "--port", "9000")
    assert done.returncode == 2 and "unrecognized arguments: --port 9000" in done.stderr


# With -S, Python finds no installed package, like one outside the environment.


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_outside_the_environment_says_how_to_activate_it(name):
    assert_points_to_the_environment(python("-S", "-m", f"services.{name}.app"))


@pytest.mark.parametrize("command", SCRIPTS, ids=lambda command: command[0])
def test_a_command_outside_the_environment_says_how_to_activate_it(command):
    assert_points_to_the_environment(python("-S", *command))


def assert_points_to_the_environment(done: subprocess.CompletedProcess) -> None:
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("error: ") and "activate the environment" in done.stderr
