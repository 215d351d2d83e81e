"""The GitHub workflows, and their steps as a runner runs them."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import yaml

from support.clone import Clone
from support.processes import environment
from support.repository import REPOSITORY

GITHUB = REPOSITORY / ".github"
FILES = {name: GITHUB / "workflows" / f"{name}.yml" for name in ("ci-cd", "pull-request", "nightly", "retrain")}
TEXTS = {name: file.read_text(encoding="utf-8") for name, file in FILES.items()}
# BaseLoader leaves every value a string; YAML 1.1 would read `on` as true.
WORKFLOWS: dict[str, dict] = {name: yaml.load(text, yaml.BaseLoader) for name, text in TEXTS.items()}


def steps(workflow: dict, job: str) -> list[dict]:
    return workflow["jobs"][job]["steps"]


def commands_of(workflow: str, job: str) -> dict[str, str]:
    """Return what each step of a job runs, by the step's name, in their order."""
    return {step["name"]: step["run"] for step in steps(WORKFLOWS[workflow], job) if "run" in step}


def run_as_step(command: str, folder: Path, variables: Mapping[str, str]) -> subprocess.CompletedProcess:
    """Run the command of a step as GitHub does."""
    bash = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", command]
    return subprocess.run(bash, cwd=folder, env=variables, capture_output=True, text=True)


class Runner:
    """A GitHub runner: it runs steps in a clone that has an environment in .venv."""

    def __init__(self, clone: Clone, folder: Path, **variables: str) -> None:
        """The folder is for what steps leave; the variables are those that the workflow sets with expressions."""
        self.clone, self.folder, self.summary = clone, folder, folder / "summary.md"
        places = {"GITHUB_OUTPUT": folder / "output", "GITHUB_STEP_SUMMARY": self.summary, "RUNNER_TEMP": folder}
        self.variables = environment() | {name: str(place) for name, place in places.items()} | variables

    def bash(self, command: str, **variables: str) -> subprocess.CompletedProcess:
        """Run a command as GitHub does."""
        return run_as_step(command, self.clone.folder, self.variables | variables)
