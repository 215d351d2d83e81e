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
MEGABYTES = {"tfidf": 320, "transformer": 600}
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


@pytest.mark.slow
@pytest.mark.parametrize("name", MEGABYTES)
def test_an_image_answers_with_a_key(builder, name, model, tmp_path):
    """Read-only, no capabilities, unprivileged, its HEALTHCHECK passes; the model is mounted, no trainer in it."""
    shutil.copytree(model, tmp_path / "model")
    # pytest's folders are for their owner alone; in the container another user reads.
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    arguments = f"-e API_KEYS=sesame -v {tmp_path / 'model'}:/app/models/{name}:ro"
    tag = f"callcenterai-{name}-test"
    built = subprocess.run(
        ["bash", str(builder), f"Dockerfile.{name}", ".", tag],
        cwd=REPOSITORY,
        env=os.environ | {"KEEP": "1", "RUN_ARGS": arguments},
        capture_output=True,
        text=True,
    )
    said = built.stdout + built.stderr
    assert built.returncode == 0, said[-3000:]
    container, address = re.search(r"running as (\S+), \d+ -> (\S+)", said).groups()
    try:
        assert int(re.search(r"size (\d+) MB", said)[1]) < MEGABYTES[name]
        request = urllib.request.Request(
            f"http://{address}/predict",
            b'{"text": "my laptop is broken"}',
            {"Content-Type": "application/json", "Authorization": "Bearer sesame"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.loads(answer.read())["category"] == "Hardware"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"http://{address}/predict", b"{}", timeout=10)
        listed = subprocess.run(
            ["podman", "exec", container, "ls", "/app/packages"], capture_output=True, text=True, check=True
        ).stdout.split()
        assert "numpy" in listed and not TOO_MUCH & set(listed)
    finally:
        subprocess.run(["podman", "rm", "-f", container], capture_output=True)
