"""The images build from their Dockerfiles, pass scripts/check_image.py and hold no more than they need."""

import re
import subprocess
from pathlib import Path

import pytest

from callcenterai.delivery.engine import Container, create_container
from callcenterai.delivery.image_checks import SERVICE_LIMITS
from support.images import check_image, readable_copy
from support.processes import wait_until
from support.repository import REPOSITORY

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


def assert_small(image: str, said: str, limit: int) -> None:
    """Check its size, as check_image.py states it, and that no package is in it that nothing needs."""
    assert int(re.search(r"size: (\d+) MB", said)[1]) < limit
    listed = ["podman", "run", "--rm", "--entrypoint", "ls", image, "/app/packages"]
    packages = set(subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split())
    assert "uvicorn" in packages and not TOO_MUCH & packages


@pytest.mark.runs("python scripts/check_image.py tfidf callcenterai-tfidf --model models/tfidf")
@pytest.mark.slow
@pytest.mark.parametrize("name", ["tfidf", "transformer"])
def test_an_image_answers_with_a_key(builder, name, model, tmp_path):
    """Read-only, no capabilities, unprivileged, its HEALTHCHECK passes; the model is mounted, no trainer in it."""
    image = builder.build_service(name)
    done = check_image(name, image, "--model", str(readable_copy(model, tmp_path)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok      /predict: 200, Hardware" in done.stdout and "wrong key: 401" in done.stdout
    assert_small(image, done.stdout, MEGABYTES[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["agent", "web"])
def test_an_image_is_alive_without_the_services_it_asks(builder, name):
    """The agent refuses a ticket as a problem, the pages ask who is there; neither is ready."""
    image = builder.build_service(name)
    done = check_image(name, image)
    assert done.returncode == 0, done.stdout + done.stderr
    said = {"agent": "ok      /predict: 503, no model answers", "web": "ok      login: "}
    assert said[name] in done.stdout and "ok      /ready: 503" in done.stdout
    assert_small(image, done.stdout, MEGABYTES[name])


@pytest.mark.slow
def test_the_agents_image_asks_the_one_of_tfidf_and_keeps_what_it_says(builder, folders, tmp_path):
    """Hardened like the others; it writes in its volume alone, and its database is there again after a restart."""
    model = {"/app/models/tfidf": readable_copy(folders["good"], tmp_path)}
    images = {name: builder.build_service(name) for name in ("tfidf", "agent")}
    with create_container("podman", images["tfidf"], SERVICE_LIMITS["tfidf"], {"API_KEYS": "sesame"}, model) as tfidf:
        tfidf.start()
        inside = f"http://{tfidf.inspect()['NetworkSettings']['IPAddress']}:8000"
        variables = {"API_KEYS": "sesame", "TFIDF_URL": inside, "TFIDF_API_KEY": "sesame"}
        with create_container("podman", images["agent"], SERVICE_LIMITS["agent"], variables, {}) as agent:
            agent.start()
            wait_until(lambda: answers(agent), 60)
            found = agent.request(
                "/predict", {"text": "my laptop is broken, mail a@b.example", "ticket_id": "kept"}, "sesame"
            )
            assert (found.json["category"], found.json["personal_data"]) == ("Hardware", {"email": 1})
            assert "agent.db" in agent.execute("ls", "/app/data")
            agent.run_command("restart", "-t", "15")
            wait_until(lambda: answers(agent), 60)
            assert agent.request("/tickets/kept", key="sesame").json["category"] == "Hardware"


def answers(agent: Container) -> bool:
    try:
        return agent.request("/status", key="sesame").json["services"]["tfidf"]["ready"]
    except OSError:
        return False
