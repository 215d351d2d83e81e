"""scripts/deploy_staging.py deploys good images by digest and rolls back bad ones, on this machine and over ssh."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import deploy_staging
import make_secrets
import mlflow_registry
import train_tfidf
from callcenterai.delivery.deployment import find_first_model, promote_first_model
from callcenterai.delivery.host import StepFailed
from support.containers.compose_stack import ComposeStack
from support.containers.staging import ImageRegistry, SshServer, podman
from support.processes import environment, free_port, wait_until
from support.repository import REPOSITORY, write_params
from support.tracking import new_tracking_database

SERVICES = ("tfidf", "transformer", "agent", "web")
DIGEST = f"registry.example/callcenterai@sha256:{'0' * 64}"
TICKET = {"text": "my laptop is broken", "store": False}
BROKEN = "raise SystemExit('broken on purpose')"
# Pages that answer every request with 200.
NONSENSE = """
from http.server import *
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"all is well")
    do_POST = do_GET
HTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""


def running_python(code: str) -> str:
    """Return a Dockerfile line that makes an image run other code."""
    return f"CMD {json.dumps(['python', '-c', code])}"


def write_images(path: Path, images: dict[str, str]) -> Path:
    """Write an images.env."""
    path.write_text("".join(f"{name.upper()}_IMAGE={image}\n" for name, image in images.items()), encoding="utf-8")
    return path


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with the secrets of a stack."""
    assert make_secrets.main([str(tmp_path / ".env")]) == 0
    return tmp_path


@pytest.mark.parametrize(
    "image",
    [
        "registry.example/callcenterai-web",
        "registry.example/callcenterai-web:latest",
        "registry.example/callcenterai-web@sha256:12ab",
        f"registry.example/callcenterai-web:1@sha256:{'0' * 64}",
        f"--privileged@sha256:{'0' * 64} x",
        "",
    ],
)
def test_deploy_refuses_images_that_are_not_pinned_by_digest(copy, image, capsys, error_line):
    images = write_images(copy / "images.env", dict.fromkeys(SERVICES, DIGEST) | {"web": image})
    capsys.readouterr()
    assert deploy_staging.main([str(images), "--folder", str(copy)]) == 2
    message = error_line()
    assert f"WEB_IMAGE is {image!r}" in message and "name@sha256:" in message


@pytest.mark.parametrize(
    "names, message",
    [(SERVICES[1:], "it needs TFIDF_IMAGE, "), ((*SERVICES, "mlflow"), "has AGENT_IMAGE, MLFLOW_IMAGE, ")],
)
def test_deploy_reports_missing_and_unknown_images(copy, names, message, capsys, error_line):
    images = write_images(copy / "images.env", dict.fromkeys(names, DIGEST))
    capsys.readouterr()
    assert deploy_staging.main([str(images), "--folder", str(copy)]) == 2
    assert message in error_line()


def test_deploy_reports_a_missing_images_env(tmp_path, error_line):
    assert deploy_staging.main([str(tmp_path / "images.env")]) == 2
    assert "images.env: no such file; it has lines such as TFIDF_IMAGE=" in error_line()


def test_deploy_without_env_file_names_make_secrets(tmp_path, error_line):
    images = write_images(tmp_path / "images.env", dict.fromkeys(SERVICES, DIGEST))
    assert deploy_staging.main([str(images), "--folder", str(tmp_path)]) == 2
    assert "`python scripts/make_secrets.py .env`" in error_line()


def test_deploy_names_the_missing_secret(copy, monkeypatch, capsys, error_line):
    images = write_images(copy / "images.env", dict.fromkeys(SERVICES, DIGEST))
    text = (copy / ".env").read_text(encoding="utf-8")
    (copy / ".env").write_text(text.replace("WEB_PASSWORD=", "# WEB_PASSWORD="), encoding="utf-8")
    monkeypatch.delenv("WEB_PASSWORD", raising=False)
    capsys.readouterr()
    assert deploy_staging.main([str(images), "--folder", str(copy)]) == 2
    assert "has no WEB_PASSWORD; " in error_line()


@pytest.mark.parametrize(
    "options, message",
    [
        (["--compose", "kubectl apply"], "it has to be docker compose or podman-compose"),
        (["--compose", "/nowhere/podman"], "there is no such program here"),
        (["--host=-oProxyCommand=x"], "is not a host"),
        (["--first-model", "models/none"], "models/none/metadata.json: no such file"),
    ],
)
def test_deploy_reports_unusable_arguments(copy, options, message, monkeypatch, capsys, error_line):
    images = write_images(copy / "images.env", dict.fromkeys(SERVICES, DIGEST))
    monkeypatch.setenv("PATH", str(copy))
    capsys.readouterr()
    assert deploy_staging.main([str(images), "--folder", str(copy), *options]) == 2
    assert message in error_line().replace("\\", "/")


def test_deploy_reports_an_unreachable_host(copy, capsys, error_line):
    images = write_images(copy / "images.env", dict.fromkeys(SERVICES, DIGEST))
    config = copy / "ssh_config"
    config.write_text(f"Host staging\n  HostName 127.0.0.1\n  Port {free_port()}\n", encoding="utf-8")
    capsys.readouterr()
    assert deploy_staging.main([str(images), "--host", "staging", "--ssh-config", str(config)]) == 2
    assert (message := error_line()).startswith("ssh: ") and "known host key" in message


class Staging:
    """A stack to deploy to, and two versions of the images in a registry."""

    def __init__(self, stack: ComposeStack, registry: ImageRegistry, folder: Path) -> None:
        """Push both versions; deploy nothing."""
        self.stack, self.registry, self.folder = stack, registry, folder
        # Labels make the images of each version differ, so that they are not on this machine before they are pulled.
        self.first = {name: registry.push(name, "LABEL version=1") for name in SERVICES}
        second = {name: registry.push(name, "LABEL version=2") for name in ("agent", "web")}
        self.second = self.first | second

    def arguments(self, images: dict[str, str], *more: str) -> list[str]:
        """Return the command line that deploys images."""
        compose = str(self.stack.tools / "podman-compose")
        common = ["--project", self.stack.name, "--compose", compose, *more]
        folder = [] if "--folder" in more else ["--folder", str(self.stack.folder)]
        return [str(write_images(self.folder / "images.env", images)), *common, *folder]

    def deploy(self, images: dict[str, str], *more: str) -> int:
        """Deploy images and return the exit code."""
        return deploy_staging.main(self.arguments(images, *more))

    def running(self) -> dict[str, str]:
        """Return the images of the four services' containers, running or not."""
        found = {name: self.stack.podman("inspect -f {{.Config.Image}}", name).stdout.strip() for name in SERVICES}
        return {name: image for name, image in found.items() if image}

    def ids(self) -> list[str]:
        """Return the ids of the running containers."""
        return sorted(podman("ps", "-q", "--filter", f"label=com.docker.compose.project={self.stack.name}").split())

    def answers(self) -> bool:
        """Whether the agent classifies a ticket."""
        return self.stack.agent("/predict", TICKET)[0] == 200


@pytest.fixture(scope="module")
def staging(builder: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staging]:
    """A stack that does not run yet; its images are built and pushed to a registry."""
    folder = tmp_path_factory.mktemp("staging")
    registry = ImageRegistry(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINERS_REGISTRIES_CONF", str(registry.podman_config))
        try:
            stack = ComposeStack(folder, tmp_path_factory, start=False)
            try:
                yield Staging(stack, registry, folder)
            finally:
                stack.stop()
                # Podman also lists the test image, which is the same one: its name is for other tests.
                names = podman("images", "--format", "{{.Repository}}:{{.Tag}}", f"{stack.name}-mlflow").split()
                mlflow = [name for name in names if f"{stack.name}-mlflow:" in name]
                subprocess.run(["podman", "rmi", *mlflow], capture_output=True)
        finally:
            registry.stop()


@pytest.fixture(scope="module")
def model(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The arguments for a small trained model and for gates that it passes."""
    folder = tmp_path_factory.mktemp("first")
    quick = {"bootstrap_samples": 100, "min_df": 1}
    low = {"minimum_accuracy": 0.5, "minimum_macro_f1": 0.3, "min_class_tickets": 10}
    params = write_params(folder / "params.yaml", train_tfidf=quick, registry=low)
    judging = ["--params", str(params), "--data", str(trained.data)]
    places = {"--model": "models/tfidf", "--metrics": "metrics/tfidf.json", "--plots": "plots/tfidf"}
    outputs = [text for option, name in places.items() for text in (option, str(folder / name))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", new_tracking_database(folder))
        assert train_tfidf.main([*judging, *outputs]) == 0
    return ["--first-model", str(folder / "models" / "tfidf"), *judging]


def test_first_model_is_promoted_once_and_only_through_the_gates(model, tmp_path, capsys):
    """A refused model is not in Production; one that passes is, and deploying again does not promote it again."""
    folder, params, data = (Path(text) for text in model[1::2])
    first_model, strict = find_first_model(folder), write_params(
        tmp_path / "params.yaml", registry={"minimum_accuracy": 1.0}
    )
    variables = {"MLFLOW_TRACKING_URI": f"sqlite:///{(folder.parents[1] / 'mlflow.db').as_posix()}"}
    with pytest.raises(StepFailed, match="may not go to Production: minimum accuracy: "):
        promote_first_model(first_model, strict, data, variables)
    promote_first_model(first_model, params, data, variables)
    assert "version 2: Staging -> Production" in capsys.readouterr().err
    promote_first_model(first_model, params, data, variables)
    assert capsys.readouterr().err == "tfidf is in Production already\n"


@pytest.fixture(scope="module")
def first(staging: Staging, model: list[str]) -> Staging:
    """The stack with the first version and a model."""
    if staging.running() != staging.first:
        assert staging.deploy(staging.first, *model) == 0
    return staging


@pytest.mark.slow
def test_failed_first_deployment_leaves_nothing_running(staging, model, capsys):
    """The broken service's log is shown, and that nothing ran before."""
    broken = staging.registry.push("agent", running_python(BROKEN))
    assert staging.deploy(staging.first | {"agent": broken}, *model) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and "broken on purpose" in captured.err
    last = captured.err.splitlines()[-1]
    assert "agent does not stay up" in last and "no complete stack ran before, so this one is stopped" in last
    assert staging.ids() == [] and staging.running() == {}


@pytest.mark.runs("python scripts/deploy_staging.py images.env --first-model models/tfidf")
@pytest.mark.slow
def test_first_deployment_promotes_the_first_model_and_answers(staging, model, capsys, monkeypatch):
    """The table shows the running images, and the registry's history who promoted the model."""
    assert staging.deploy(staging.first, *model) == 0
    captured = capsys.readouterr()
    rows = dict(line.split() for line in captured.out.splitlines())
    assert rows.items() >= staging.first.items() and rows.keys() == {*SERVICES, "mlflow"}
    assert staging.running() == staging.first and staging.answers()
    assert "pages: a ticket gets the agent's category" in captured.err
    for variable, value in staging.stack.login().items():
        monkeypatch.setenv(variable, value)
    assert mlflow_registry.main(["history", "--json"]) == 0
    history = json.loads(capsys.readouterr().out)
    assert [change["by"] for change in history] == ["deploy_staging.py"] * 3


@pytest.mark.slow
def test_deploy_of_an_unknown_digest_changes_nothing(first, capsys):
    before, missing = first.ids(), first.first["web"].partition("@")[0] + "@sha256:" + "0" * 64
    capsys.readouterr()
    assert first.deploy(first.second | {"web": missing}) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"error: {missing} cannot be pulled, so nothing was changed" in last and "manifest unknown" in last
    assert first.ids() == before and first.answers()


@pytest.mark.runs("python scripts/deploy_staging.py images.env")
@pytest.mark.slow
def test_deploy_replaces_the_running_version(first, model, capsys):
    """Images of the old version are removed; the model and containers with an unchanged image stay."""
    before = first.ids()
    assert first.deploy(first.second, *model) == 0
    captured = capsys.readouterr()
    assert first.running() == first.second and first.answers()
    assert "tfidf is in Production already" in captured.err
    # PostgreSQL, MLflow and the two model services.
    assert len(set(before) & set(first.ids())) == 4
    here = {name: first.registry.is_here(image) for name, image in first.first.items()}
    assert here == {"tfidf": True, "transformer": True, "agent": False, "web": False}


@pytest.mark.slow
def test_agent_that_does_not_start_is_rolled_back(first, capsys):
    broken, before = first.registry.push("agent", running_python(BROKEN)), first.running()
    assert first.deploy(before | {"agent": broken}) == 1
    message = capsys.readouterr().err
    assert "broken on purpose" in message and "agent does not stay up" in message.splitlines()[-1]
    assert f"what ran before runs again and answers: {before['tfidf']}, " in message.splitlines()[-1]
    assert first.running() == before and first.answers()


@pytest.mark.slow
def test_killed_deployment_can_be_started_again(first, capsys):
    """The next deployment works whatever the killed one has left behind."""
    other = first.first if first.running() == first.second else first.second
    command = [sys.executable, "scripts/deploy_staging.py", *first.arguments(other)]
    before = first.ids()
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment(), stderr=subprocess.PIPE, text=True) as killed:
        assert any("starting the new images" in line for line in killed.stderr)
        wait_until(lambda: first.ids() != before, 120)
        killed.kill()
    assert first.deploy(other) == 0
    assert first.running() == other and first.answers()


@pytest.fixture(scope="module")
def host(staging: Staging, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """This machine, reached with ssh."""
    variables = {"CONTAINERS_REGISTRIES_CONF": str(staging.registry.podman_config)}
    host = SshServer(tmp_path_factory.mktemp("host"), **variables)
    yield host
    host.stop()


@pytest.fixture
def there(first: Staging, host: SshServer) -> Path:
    """The folder on the host, with the .env of the running stack, which is taken over from there."""
    folder = host.folder / "it's staging"
    folder.mkdir(mode=0o755, exist_ok=True)
    (folder / ".env").write_bytes((first.stack.folder / ".env").read_bytes())
    return folder


def on(host: SshServer, folder: Path, config: Path | None = None) -> list[str]:
    """Return the options that deploy to a host."""
    return ["--host", "staging", "--ssh-config", str(config or host.config), "--folder", str(folder)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "known, key, message", [("other_key", "key", "Host key verification failed"), ("host_key", "other_key", "denied")]
)
def test_deploy_refuses_a_host_with_a_wrong_key(first, host, there, known, key, message, error_line, capsys):
    """Nor to a host that refuses our key."""
    config, before = host.write_config("wrong_config", known, key), first.ids()
    capsys.readouterr()
    assert first.deploy(first.first, *on(host, there, config)) == 2
    assert message in error_line() and first.ids() == before


@pytest.mark.slow
def test_deploy_to_a_host_without_env_file_names_make_secrets(first, host, there, error_line, capsys):
    (there / ".env").unlink()
    capsys.readouterr()
    assert first.deploy(first.first, *on(host, there)) == 2
    message = error_line()
    assert f"there is no .env in {there} on staging; make one with `python scripts/make_secrets.py .env`" in message


@pytest.mark.runs("python scripts/deploy_staging.py images.env --host deploy@staging.example --ssh-config ssh_config")
@pytest.mark.slow
def test_deploy_and_rollback_over_ssh(first, host, there, capsys, tmp_path):
    """The files that compose.yaml mounts are sent, a tunnel leads to the ports, and a bad version is rolled back."""
    version = first.second if first.running() == first.first else first.first
    assert first.deploy(version, *on(host, there)) == 0
    assert first.running() == version and first.answers()
    mounted = first.stack.podman("inspect", "agent").stdout
    assert str(there / "models" / "agent") in mounted
    for name in ("compose.yaml", "deploy/postgres/make_databases.sh", "deploy/grafana/provisioning", "models/agent"):
        assert (there / name).exists(), name
    assert not (there / ".incoming").exists()
    assert (there / "compose.yaml").read_bytes() == (REPOSITORY / "compose.yaml").read_bytes()
    (there / "compose.yaml").write_text(re.sub("^# ", "# Before: ", (there / "compose.yaml").read_text()))
    broken = first.registry.push("web", running_python(NONSENSE))
    capsys.readouterr()
    assert first.deploy(version | {"web": broken}, *on(host, there)) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "pages: nobody gets in without logging in: 200 all is well" in last
    assert "Staging on staging: what ran before runs again and answers" in last
    assert first.running() == version and first.answers()
    assert (there / "compose.yaml").read_text().startswith("# Before: ")
