"""The images build from their Dockerfiles, run hardened and answer."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import REPOSITORY, wait_until

MEGABYTES = {"tfidf": 320, "transformer": 600, "agent": 420, "web": 300}
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


@pytest.fixture
def model(request, name) -> Path:
    """A model folder for the image of this name."""
    return (
        request.getfixturevalue("folders")["good"] if name == "tfidf" else request.getfixturevalue("transformer").model
    )


class Image(NamedTuple):
    """An image of ours that is running."""

    container: str
    address: str
    megabytes: int

    def ask(self, path: str, value: Any = None) -> Any:
        """Return what it answers to a GET with the key, or to a POST of JSON."""
        body = None if value is None else json.dumps(value).encode()
        headers = {"Content-Type": "application/json", "Authorization": "Bearer sesame"}
        request = urllib.request.Request(f"http://{self.address}{path}", body, headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def packages(self) -> set[str]:
        return set(podman("exec", self.container, "ls", "/app/packages").split())


def podman(*arguments: str) -> str:
    return subprocess.run(["podman", *arguments], capture_output=True, text=True, check=True).stdout


@contextmanager
def running(builder: Path, name: str, arguments: str) -> Iterator[Image]:
    """Build an image, and run it hardened and with a key."""
    built = subprocess.run(
        ["bash", str(builder), f"Dockerfile.{name}", ".", f"callcenterai-{name}-test"],
        cwd=REPOSITORY,
        env=os.environ | {"KEEP": "1", "RUN_ARGS": f"-e API_KEYS=sesame {arguments}"},
        capture_output=True,
        text=True,
    )
    said = built.stdout + built.stderr
    assert built.returncode == 0, said[-3000:]
    container, address = re.search(r"running as (\S+), \d+ -> (\S+)", said).groups()
    try:
        yield Image(container, address, int(re.search(r"size (\d+) MB", said)[1]))
    finally:
        subprocess.run(["podman", "rm", "-f", "--volumes", container], capture_output=True)


def mounted(model: Path, folder: Path, name: str) -> str:
    """Return the option that mounts a copy of a model folder."""
    shutil.copytree(model, folder / "model")
    # pytest's folders are for their owner alone; in the container another user reads.
    for each in (folder, *takewhile(lambda parent: parent != Path(tempfile.gettempdir()), folder.parents)):
        each.chmod(0o755)
    return f"-v {folder / 'model'}:/app/models/{name}:ro"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tfidf", "transformer"])
def test_an_image_answers_with_a_key(builder, name, model, tmp_path):
    """Read-only, no capabilities, unprivileged, its HEALTHCHECK passes; the model is mounted, no trainer in it."""
    with running(builder, name, mounted(model, tmp_path, name)) as image:
        assert image.megabytes < MEGABYTES[name]
        assert image.ask("/predict", {"text": "my laptop is broken"})["category"] == "Hardware"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"http://{image.address}/predict", b"{}", timeout=10)
        assert "numpy" in image.packages() and not TOO_MUCH & image.packages()


@pytest.mark.slow
def test_the_agents_image_asks_the_one_of_tfidf_and_keeps_what_it_says(builder, folders, tmp_path):
    """Hardened like the others; it writes in its volume alone, and its database is there again after a restart."""
    with running(builder, "tfidf", mounted(folders["good"], tmp_path, "tfidf")) as tfidf:
        inside = podman("inspect", "--format", "{{.NetworkSettings.IPAddress}}", tfidf.container).strip()
        with running(builder, "agent", f"-e TFIDF_URL=http://{inside}:8000 -e TFIDF_API_KEY=sesame") as agent:
            assert agent.megabytes < MEGABYTES["agent"]
            wait_until(lambda: answers(agent), 30)
            found = agent.ask("/predict", {"text": "my laptop is broken, mail a@b.example", "ticket_id": "kept"})
            assert (found["category"], found["personal_data"]) == ("Hardware", {"email": 1})
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(f"http://{agent.address}/predict", b"{}", timeout=10)
            assert "numpy" in agent.packages() and not TOO_MUCH & agent.packages()
            assert "agent.db" in podman("exec", agent.container, "ls", "/app/data")
            podman("restart", "-t", "15", agent.container)
            again = agent._replace(address=podman("port", agent.container, "8002").split()[0])
            wait_until(lambda: answers(again), 30)
            assert again.ask("/tickets/kept")["category"] == "Hardware"


def answers(image: Image) -> bool:
    try:
        return image.ask("/status")["services"]["tfidf"]["ready"]
    except OSError:
        return False


@pytest.mark.slow
def test_the_pages_image_asks_who_is_there(builder):
    """People log in there; without an agent it is alive, but not ready."""
    with running(builder, "web", "-e WEB_PASSWORD=open-sesame") as image:
        assert image.megabytes < MEGABYTES["web"]
        with urllib.request.urlopen(f"http://{image.address}/", timeout=10) as page:
            assert b'type="password"' in page.read()
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(f"http://{image.address}/ready", timeout=10)
        assert "jinja2" in image.packages() and not TOO_MUCH & image.packages()
