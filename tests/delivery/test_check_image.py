"""scripts/check_image.py passes a good image, and says what is wrong with one that is not fit for production."""

import subprocess

import pytest
import yaml

import check_image as command
from callcenterai.delivery.image_checks import SERVICE_LIMITS, checks_for
from support.containers.images import check_image, containers_of
from support.repository import REPOSITORY

DEAF = """
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if self.path == "/ready" else 200)
        self.end_headers()

HTTPServer(("", 8080), Handler).serve_forever()
"""


@pytest.fixture
def spoiled(builder, tmp_path):
    """Builds an image from the tfidf image and more Dockerfile lines, and removes it after the test."""
    base, image = (
        builder.build_service("tfidf"),
        f"callcenterai-spoiled-{tmp_path.name.replace('_', '-')[-40:].strip('-')}",
    )

    def make(*lines: str) -> str:
        (tmp_path / "Dockerfile").write_text("\n".join([f"FROM localhost/{base}", *lines, ""]), encoding="utf-8")
        return builder.build(tmp_path / "Dockerfile", tmp_path, image)

    yield make
    subprocess.run(["podman", "rmi", "--force", image], capture_output=True)


@pytest.mark.parametrize("name", SERVICE_LIMITS)
def test_check_image_starts_services_with_the_options_of_compose(name):
    """With other limits or hardening, a passing image could still fail in the stack."""
    service = yaml.safe_load((REPOSITORY / "compose.yaml").read_text(encoding="utf-8"))["services"][name]
    options = SERVICE_LIMITS[name].options
    pairs = dict(zip(options, options[1:], strict=False))
    assert service["read_only"] and "--read-only" in options
    assert [pairs["--cap-drop"]] == service["cap_drop"]
    assert [pairs["--security-opt"]] == service["security_opt"]
    assert [pairs["--tmpfs"]] == service["tmpfs"]
    assert pairs["--pids-limit"] == str(service["pids_limit"])
    assert (pairs["--memory"], float(pairs["--cpus"])) == (service["mem_limit"], service["cpus"])


@pytest.mark.slow
def test_model_image_passes_without_a_model_and_leaves_no_container(builder):
    """So an image can be checked where nothing has been trained."""
    image = builder.build_service("tfidf")
    before = containers_of(image)
    done = check_image("tfidf", image)
    assert done.returncode == 0, done.stdout + done.stderr
    titles = [line.removeprefix("ok      ").partition(": ")[0] for line in done.stdout.splitlines()]
    assert titles[0] == "size" and set(titles) == {"size", *checks_for("tfidf", False, "")}
    assert "/predict: 503, there is no model yet" in done.stdout
    assert containers_of(image) == before


@pytest.mark.slow
def test_image_that_runs_as_root_fails(spoiled):
    image = spoiled("USER 0")
    done = check_image("tfidf", image)
    assert done.returncode == 1
    assert "FAILED  user: the image runs as 0" in done.stdout and "FAILED  runs as: " in done.stdout
    assert containers_of(image) == []


@pytest.mark.slow
def test_image_without_a_healthcheck_fails(spoiled):
    done = check_image("tfidf", spoiled("HEALTHCHECK NONE"))
    assert done.returncode == 1
    failed = [line for line in done.stdout.splitlines() if not line.startswith("ok")]
    assert [line.partition(": ")[0] for line in failed] == ["FAILED  HEALTHCHECK"]


@pytest.mark.slow
def test_image_whose_healthcheck_fails_is_reported(spoiled):
    done = check_image("tfidf", spoiled("HEALTHCHECK CMD exit 3"))
    assert done.returncode == 1 and "FAILED  HEALTHCHECK: " in done.stdout


@pytest.mark.slow
def test_image_that_exits_at_once_fails_with_the_end_of_its_log(spoiled):
    """Also if its only line was written in two parts."""
    program = "print('no data', end='', flush=True); time.sleep(0.2); print('base', flush=True)"
    image = spoiled(f"""CMD ["python", "-c", "import time; {program}; raise SystemExit(7)"]""")
    done = check_image("tfidf", image)
    assert done.returncode == 1 and done.stderr.strip() == "no database"
    assert done.stdout.splitlines()[-1] == "FAILED  starts: the container has ended with exit code 7"
    assert containers_of(image) == []


@pytest.mark.slow
def test_image_that_ignores_sigterm_fails(spoiled, tmp_path):
    """The kernel does not deliver SIGTERM to a container's first process unless it handles the signal."""
    (tmp_path / "deaf.py").write_text(DEAF, encoding="utf-8")
    done = check_image("web", spoiled("COPY deaf.py /app/", "ENV PORT=8080", 'CMD ["python", "deaf.py"]'))
    assert done.returncode == 1 and "FAILED  SIGTERM: exit code 137" in done.stdout
    assert "ok      /ready: 503" in done.stdout and "FAILED  login: " in done.stdout


@pytest.mark.slow
def test_missing_image_is_reported_in_one_line(builder):
    done = check_image("tfidf", "callcenterai-nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: podman has no image 'callcenterai-nowhere'") and done.stderr.count("\n") == 1


def test_check_image_reports_that_no_engine_is_installed(monkeypatch, tmp_path, error_line):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command.main(["web", "callcenterai-web"]) == 2
    assert "docker is not on the PATH; podman is not on the PATH" in error_line()


def test_check_image_refuses_a_folder_without_a_model(tmp_path, error_line):
    assert command.main(["tfidf", "callcenterai-tfidf", "--model", str(tmp_path)]) == 2
    assert "is not a model folder" in error_line()
    assert command.main(["web", "callcenterai-web", "--model", str(tmp_path)]) == 2
    assert "web has no model of its own" in error_line()
