"""The images build from their Dockerfiles, pass scripts/check_image.py and hold nothing that they do not need."""

import re
import subprocess
from pathlib import Path

import pytest

from callcenterai.delivery.engine import Container, create_container
from callcenterai.delivery.image_checks import SERVICE_LIMITS
from support.containers.images import check_image, readable_copy
from support.processes import wait_until
from support.repository import locked_versions

MEGABYTES = {"tfidf": 320, "transformer": 600, "agent": 420, "web": 300}
# Packages that no image needs.
UNNEEDED_PACKAGES = {"sklearn", "mlflow", "torch", "transformers", "pip", "bin"}


@pytest.mark.parametrize("name", MEGABYTES)
def test_lock_of_each_image_has_the_versions_of_the_development_environment(name):
    """So the images run the versions that the tests have run."""

    ours = locked_versions(f"services/{name}/requirements.txt")
    assert ours and ours <= locked_versions("requirements-mlops.txt")


@pytest.fixture
def model(request, name) -> Path:
    """A model folder for the image in parameter name."""
    return (
        request.getfixturevalue("folders")["good"] if name == "tfidf" else request.getfixturevalue("transformer").model
    )


def assert_small(image: str, output: str, limit: int) -> None:
    """Check the size that check_image.py prints, and that the image has no unneeded package."""
    assert int(re.search(r"size: (\d+) MB", output)[1]) < limit
    listed = ["podman", "run", "--rm", "--entrypoint", "ls", image, "/app/packages"]
    packages = set(subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split())
    assert "uvicorn" in packages and not UNNEEDED_PACKAGES & packages


@pytest.mark.runs("python scripts/check_image.py tfidf callcenterai-tfidf --model models/tfidf")
@pytest.mark.slow
@pytest.mark.parametrize("name", ["tfidf", "transformer"])
def test_model_image_predicts_with_a_key(builder, name, model, tmp_path):
    """Hardened and with a mounted model; the image has no training library."""
    image = builder.build_service(name)
    done = check_image(name, image, "--model", str(readable_copy(model, tmp_path)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok      /predict: 200, Hardware" in done.stdout and "wrong key: 401" in done.stdout
    assert_small(image, done.stdout, MEGABYTES[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["agent", "web"])
def test_agent_and_web_images_are_alive_without_other_services(builder, name):
    """The agent refuses a ticket with problem details, the pages show the login; neither is ready."""
    image = builder.build_service(name)
    done = check_image(name, image)
    assert done.returncode == 0, done.stdout + done.stderr
    expected = {"agent": "ok      /predict: 503, no model answers", "web": "ok      login: "}
    assert expected[name] in done.stdout and "ok      /ready: 503" in done.stdout
    assert_small(image, done.stdout, MEGABYTES[name])


@pytest.mark.slow
def test_agent_container_asks_tfidf_container_and_stores_the_answer(builder, folders, tmp_path):
    """The agent runs hardened, writes to its volume only, and still has its database after a restart."""
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
