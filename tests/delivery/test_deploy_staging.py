"""Deploying by digest: what is good stays, what is not gives way to what ran before, here and over ssh."""

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
from support.compose_stack import Stack
from support.processes import environment, free_port, wait_until
from support.repository import REPOSITORY, write_params
from support.staging import ImageRegistry, SshServer, podman

SERVICES = ("tfidf", "transformer", "agent", "web")
DIGEST = f"registry.example/callcenterai@sha256:{'0' * 64}"
TICKET = {"text": "my laptop is broken", "store": False}
BROKEN = "raise SystemExit('broken on purpose')"
# Pages that are alive, whatever they are asked.
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
    """Return the line of a Dockerfile that has an image run other code."""
    return f"CMD {json.dumps(['python', '-c', code])}"


def write_images(path: Path, images: dict[str, str]) -> Path:
    """Write an images.env."""
    path.write_text("".join(f"{name.upper()}_IMAGE={image}\n" for name, image in images.items()), encoding="utf-8")
    return path


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with secrets, and with all that is read there before anything changes."""
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
def test_what_is_no_digest_is_refused(copy, image, capsys, error_line):
    images = write_images(copy / "images.env", dict.fromkeys(SERVICES, DIGEST) | {"web": image})
    capsys.readouterr()
    assert deploy_staging.main([str(images), "--folder", str(copy)]) == 2
    said = error_line()
    assert f"WEB_IMAGE is {image!r}" in said and "name@sha256:" in said


@pytest.mark.parametrize(
    "names, said",
    [(SERVICES[1:], "it needs TFIDF_IMAGE, "), ((*SERVICES, "mlflow"), "has AGENT_IMAGE, MLFLOW_IMAGE, ")],
)
def test_images_that_are_missing_or_too_many_are_told(copy, names, said, capsys, error_line):
    images = write_images(copy / "images.env", dict.fromkeys(names, DIGEST))
    capsys.readouterr()
    assert deploy_staging.main([str(images), "--folder", str(copy)]) == 2
    assert said in error_line()


def test_a_file_that_is_not_there_is_told(tmp_path, error_line):
    assert deploy_staging.main([str(tmp_path / "images.env")]) == 2
    assert "images.env: no such file; it has lines such as TFIDF_IMAGE=" in error_line()


def test_without_secrets_it_says_how_they_are_made(tmp_path, error_line):
    images = write_images(tmp_path / "images.env", dict.fromkeys(SERVICES, DIGEST))
    assert deploy_staging.main([str(images), "--folder", str(tmp_path)]) == 2
    assert "`python scripts/make_secrets.py .env`" in error_line()


def test_a_secret_that_is_missing_is_named(copy, monkeypatch, capsys, error_line):
    images = write_images(copy / "images.env", dict.fromkeys(SERVICES, DIGEST))
    text = (copy / ".env").read_text(encoding="utf-8")
    (copy / ".env").write_text(text.replace("WEB_PASSWORD=", "# WEB_PASSWORD="), encoding="utf-8")
    monkeypatch.delenv("WEB_PASSWORD", raising=False)
    capsys.readouterr()
    assert deploy_staging.main([str(images), "--folder", str(copy)]) == 2
    assert "has no WEB_PASSWORD; " in error_line()


@pytest.mark.parametrize(
    "options, said",
    [
        (["--compose", "kubectl apply"], "it has to be docker compose or podman-compose"),
        (["--compose", "/nowhere/podman"], "there is no such program here"),
        (["--host=-oProxyCommand=x"], "is not a host"),
        (["--first-model", "models/none"], "models/none/metadata.json: no such file"),
    ],
)
def test_an_argument_that_cannot_be_used_is_told(copy, options, said, monkeypatch, capsys, error_line):
    images = write_images(copy / "images.env", dict.fromkeys(SERVICES, DIGEST))
    monkeypatch.setenv("PATH", str(copy))
    capsys.readouterr()
    assert deploy_staging.main([str(images), "--folder", str(copy), *options]) == 2
    assert said in error_line().replace("\\", "/")


def test_a_host_that_does_not_answer_is_told(copy, capsys, error_line):
    images = write_images(copy / "images.env", dict.fromkeys(SERVICES, DIGEST))
    config = copy / "ssh_config"
    config.write_text(f"Host staging\n  HostName 127.0.0.1\n  Port {free_port()}\n", encoding="utf-8")
    capsys.readouterr()
    assert deploy_staging.main([str(images), "--host", "staging", "--ssh-config", str(config)]) == 2
    assert (said := error_line()).startswith("ssh: ") and "known host key" in said


class Staging:
    """A stack that is deployed to, and versions of the images in a registry."""

    def __init__(self, stack: Stack, registry: ImageRegistry, folder: Path) -> None:
        """Push the first version; nothing is deployed."""
        self.stack, self.registry, self.folder = stack, registry, folder
        # Each version has an image of its own for every service, so that none is here before it is pulled.
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
        """Return the images of the four services as podman has them, running or not."""
        found = {name: self.stack.podman("inspect -f {{.Config.Image}}", name).stdout.strip() for name in SERVICES}
        return {name: image for name, image in found.items() if image}

    def ids(self) -> list[str]:
        """Return the containers that run."""
        return sorted(podman("ps", "-q", "--filter", f"label=com.docker.compose.project={self.stack.name}").split())

    def answers(self) -> bool:
        """Whether the agent classifies a ticket."""
        return self.stack.agent("/predict", TICKET)[0] == 200


@pytest.fixture(scope="module")
def staging(builder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staging]:
    """A stack of which nothing runs yet; the images are built, and pushed to a registry."""
    folder = tmp_path_factory.mktemp("staging")
    registry = ImageRegistry(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINERS_REGISTRIES_CONF", str(registry.podman_config))
        try:
            stack = Stack(folder, tmp_path_factory, start=False)
            try:
                yield Staging(stack, registry, folder)
            finally:
                stack.stop()
                mlflow = podman("images", "--format", "{{.Repository}}:{{.Tag}}", f"{stack.name}-mlflow").split()
                subprocess.run(["podman", "rmi", *mlflow], capture_output=True)
        finally:
            registry.stop()


@pytest.fixture(scope="module")
def model(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The arguments for a small first model, as a training leaves it, with gates that it passes."""
    folder = tmp_path_factory.mktemp("first")
    quick = {"bootstrap_samples": 100, "min_df": 1}
    low = {"minimum_accuracy": 0.5, "minimum_macro_f1": 0.3, "min_class_tickets": 10}
    params = write_params(folder / "params.yaml", train_tfidf=quick, registry=low)
    judging = ["--params", str(params), "--data", str(trained.data)]
    places = {"--model": "models/tfidf", "--metrics": "metrics/tfidf.json", "--plots": "plots/tfidf"}
    outputs = [text for option, name in places.items() for text in (option, str(folder / name))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{(folder / 'mlflow.db').as_posix()}")
        assert train_tfidf.main([*judging, *outputs]) == 0
    return ["--first-model", str(folder / "models" / "tfidf"), *judging]


@pytest.fixture(scope="module")
def first(staging: Staging, model: list[str]) -> Staging:
    """The first version in place, with a first model."""
    if staging.running() != staging.first:
        assert staging.deploy(staging.first, *model) == 0
    return staging


@pytest.mark.slow
def test_a_first_deployment_that_does_not_start_leaves_nothing_running(staging, model, capsys):
    """Its log is shown, and it says that nothing ran before."""
    broken = staging.registry.push("agent", running_python(BROKEN))
    assert staging.deploy(staging.first | {"agent": broken}, *model) == 1
    said = capsys.readouterr()
    assert said.out == "" and "broken on purpose" in said.err
    last = said.err.splitlines()[-1]
    assert "agent does not stay up" in last and "no complete stack ran before, so this one is stopped" in last
    assert staging.ids() == [] and staging.running() == {}


@pytest.mark.runs("python scripts/deploy_staging.py images.env --first-model models/tfidf")
@pytest.mark.slow
def test_a_first_deployment_gets_a_first_model_and_answers(staging, model, capsys, monkeypatch):
    """The table says which images run, and the registry who put the model there."""
    assert staging.deploy(staging.first, *model) == 0
    said = capsys.readouterr()
    rows = dict(line.split() for line in said.out.splitlines())
    assert rows.items() >= staging.first.items() and rows.keys() == {*SERVICES, "mlflow"}
    assert staging.running() == staging.first and staging.answers()
    assert "pages: a ticket gets the agent's category" in said.err
    for variable, value in staging.stack.login().items():
        monkeypatch.setenv(variable, value)
    assert mlflow_registry.main(["history", "--json"]) == 0
    history = json.loads(capsys.readouterr().out)
    assert [change["by"] for change in history] == ["deploy_staging.py"] * 3


@pytest.mark.slow
def test_a_digest_that_does_not_exist_changes_nothing(first, capsys):
    before, missing = first.ids(), first.first["web"].partition("@")[0] + "@sha256:" + "0" * 64
    capsys.readouterr()
    assert first.deploy(first.second | {"web": missing}) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"error: {missing} cannot be pulled, so nothing was changed" in last and "manifest unknown" in last
    assert first.ids() == before and first.answers()


@pytest.mark.runs("python scripts/deploy_staging.py images.env")
@pytest.mark.slow
def test_another_version_takes_the_place_of_the_first(first, model, capsys):
    """Its images are removed then; the model stays, and so do containers whose image is the same."""
    before = first.ids()
    assert first.deploy(first.second, *model) == 0
    said = capsys.readouterr()
    assert first.running() == first.second and first.answers()
    assert "tfidf is in Production already" in said.err
    # PostgreSQL, MLflow and the two model services.
    assert len(set(before) & set(first.ids())) == 4
    here = {name: first.registry.is_here(image) for name, image in first.first.items()}
    assert here == {"tfidf": True, "transformer": True, "agent": False, "web": False}


@pytest.mark.slow
def test_an_agent_that_does_not_start_gives_way_to_the_one_before(first, capsys):
    broken, before = first.registry.push("agent", running_python(BROKEN)), first.running()
    assert first.deploy(before | {"agent": broken}) == 1
    said = capsys.readouterr().err
    assert "broken on purpose" in said and "agent does not stay up" in said.splitlines()[-1]
    assert f"what ran before runs again and answers: {before['tfidf']}, " in said.splitlines()[-1]
    assert first.running() == before and first.answers()


@pytest.mark.slow
def test_a_deployment_that_was_killed_is_started_again(first, capsys):
    """Whatever it left, the next one brings the images that it is given."""
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
    """This machine as one that is reached by ssh."""
    variables = {"CONTAINERS_REGISTRIES_CONF": str(staging.registry.podman_config)}
    host = SshServer(tmp_path_factory.mktemp("host"), **variables)
    yield host
    host.stop()


@pytest.fixture
def there(first: Staging, host: SshServer) -> Path:
    """The folder on the host; what runs is to be taken over from there, so its secrets and ports are the same."""
    folder = host.folder / "it's staging"
    folder.mkdir(mode=0o755, exist_ok=True)
    (folder / ".env").write_bytes((first.stack.folder / ".env").read_bytes())
    return folder


def on(host: SshServer, folder: Path, config: Path | None = None) -> list[str]:
    """Return the options that deploy to a host."""
    return ["--host", "staging", "--ssh-config", str(config or host.config), "--folder", str(folder)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "known, key, said", [("other_key", "key", "Host key verification failed"), ("host_key", "other_key", "denied")]
)
def test_a_host_whose_key_is_another_is_not_deployed_to(first, host, there, known, key, said, error_line, capsys):
    """And neither is one that does not let us in."""
    config, before = host.write_config("wrong_config", known, key), first.ids()
    capsys.readouterr()
    assert first.deploy(first.first, *on(host, there, config)) == 2
    assert said in error_line() and first.ids() == before


@pytest.mark.slow
def test_a_host_without_secrets_is_told_how_they_are_made(first, host, there, error_line, capsys):
    (there / ".env").unlink()
    capsys.readouterr()
    assert first.deploy(first.first, *on(host, there)) == 2
    said = error_line()
    assert f"there is no .env in {there} on staging; make one with `python scripts/make_secrets.py .env`" in said


@pytest.mark.runs("python scripts/deploy_staging.py images.env --host deploy@staging.example --ssh-config ssh_config")
@pytest.mark.slow
def test_a_host_is_deployed_to_over_ssh(first, host, there, capsys, tmp_path):
    """What compose.yaml mounts comes along, a tunnel leads to the ports, and a bad version gives way there too."""
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
