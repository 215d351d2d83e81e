"""The images build from their Dockerfiles, run hardened and answer."""

import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from conftest import REPOSITORY

TOOLS = REPOSITORY.parent / "shared" / "tools"
MEGABYTES = {"tfidf": 320, "transformer": 600, "agent": 400, "web": 300}
MODEL_SERVICES = ("tfidf", "transformer")
# What an image has no need of.
TOO_MUCH = {"sklearn", "mlflow", "torch", "transformers", "pip", "bin"}


@pytest.mark.parametrize("name", MEGABYTES)
def test_the_lock_of_an_image_has_the_versions_of_the_development_environment(name):
    """What the tests have tried is what the image has."""

    def locked(path: Path) -> set[str]:
        # Without the marker behind it: which systems need a package depends on who needs it.
        return set(re.findall(r"^(\S+==\S+)", path.read_text(encoding="utf-8"), re.MULTILINE))

    ours = locked(REPOSITORY / "services" / name / "requirements.txt")
    assert ours and ours <= locked(REPOSITORY / "requirements-mlops.txt")


@pytest.fixture(scope="module")
def builder() -> Path:
    """The script that builds an image and runs it hardened; with a base image, which is made where there is none."""
    script = TOOLS / "build_and_run.sh"
    if not script.is_file():
        pytest.skip("no tools beside this repository that build images without a registry")
    if shutil.which("podman") is None and not (os.environ.get("CI") and hasattr(os, "geteuid") and os.geteuid() == 0):
        pytest.skip("no podman here; it is installed in CI only")
    subprocess.run(["bash", str(TOOLS / "make_base_image.sh")], check=True, capture_output=True)
    return script


@pytest.fixture
def model(request, name) -> Path:
    """A model folder for the image of this name."""
    return (
        request.getfixturevalue("folders")["good"] if name == "tfidf" else request.getfixturevalue("transformer").model
    )


@pytest.fixture
def start(builder):
    """Returns what builds an image, runs it and gives its address; it is small, hardened, and has nothing too much.

    The builder itself checks a read-only root, no capabilities, an unprivileged user, /health and the HEALTHCHECK.
    """
    containers = []

    def build_and_run(name: str, arguments: str) -> str:
        built = subprocess.run(
            ["bash", str(builder), f"Dockerfile.{name}", ".", f"callcenterai-{name}-test"],
            cwd=REPOSITORY,
            env=os.environ | {"KEEP": "1", "RUN_ARGS": arguments},
            capture_output=True,
            text=True,
        )
        said = built.stdout + built.stderr
        assert built.returncode == 0, said[-3000:]
        container, address = re.search(r"running as (\S+), \d+ -> (\S+)", said).groups()
        containers.append(container)
        assert int(re.search(r"size (\d+) MB", said)[1]) < MEGABYTES[name]
        listed = subprocess.run(
            ["podman", "exec", container, "ls", "/app/packages"], capture_output=True, text=True, check=True
        ).stdout.split()
        assert "fastapi" in listed and not TOO_MUCH & set(listed)
        return f"http://{address}"

    yield build_and_run
    for container in containers:
        subprocess.run(["podman", "rm", "-f", container], capture_output=True)


def ask(address: str, body: bytes | None = None, key: str = "") -> tuple[int, bytes]:
    """Return status and body of a GET, or of a POST of JSON."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body, headers), timeout=15) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


TICKET = b'{"text": "my laptop is broken"}'


@pytest.mark.slow
@pytest.mark.parametrize("name", MODEL_SERVICES)
def test_a_model_services_image_answers_with_a_key(start, name, model, tmp_path):
    """The model is mounted; no trainer is in the image."""
    shutil.copytree(model, tmp_path / "model")
    # pytest's folders are for their owner alone; in the container another user reads.
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    address = start(name, f"-e API_KEYS=sesame -v {tmp_path / 'model'}:/app/models/{name}:ro")
    status, body = ask(f"{address}/predict", TICKET, "sesame")
    assert (200, "Hardware") == (status, json.loads(body)["category"])
    assert 401 == ask(f"{address}/predict", TICKET)[0]


@pytest.mark.slow
def test_the_agents_image_keeps_its_database_and_says_which_services_it_misses(start):
    """Nobody else runs here, so that there is no category to answer with; the database is in its volume."""
    address = start("agent", "-e API_KEYS=sesame")
    status, body = ask(f"{address}/predict", TICKET, "sesame")
    assert 503 == status and b"tfidf" in body
    assert 401 == ask(f"{address}/predict", TICKET)[0]
    assert (200, 0) == (
        ask(f"{address}/reviews", key="sesame")[0],
        json.loads(ask(f"{address}/reviews", key="sesame")[1])["waiting"],
    )


@pytest.mark.slow
def test_the_pages_image_asks_who_is_there(start):
    address = start("web", "-e WEB_PASSWORD=open-sesame")
    status, body = ask(f"{address}/")
    assert 200 == status and b'type="password"' in body
    assert 503 == ask(f"{address}/ready")[0]
