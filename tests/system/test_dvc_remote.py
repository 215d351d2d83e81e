"""Data and models travel through a DVC remote, a folder or a bucket, and no credential travels through git."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest
import yaml

from callcenterai.artifact.folder import load_model
from support.clone import Clone, trained_clone
from support.processes import free_port, run
from support.servers.s3 import BUCKET, S3

pytestmark = pytest.mark.slow
# The guide's commands, with another bucket and server address.
FOLDER = "dvc remote add --local -d storage ../dvc-storage"
S3_PATH = "dvc remote add --local -d storage s3://bucket/callcenterai"
ENDPOINT = "dvc remote modify --local storage endpointurl https://s3.example.com"
KEY = (
    "dvc remote modify --local storage access_key_id ID",
    "dvc remote modify --local storage secret_access_key KEY",
)
OWN = ("dvc add data/raw/own.csv", "dvc remove data/raw/dvc.yaml:sample_tickets")
TEXTS = ["my laptop is broken", "je n'arrive pas à imprimer"]


class Remote(NamedTuple):
    """The commands that configure it, and the secret that must stay out of git."""

    commands: list[str]
    secret: str | None = None


@pytest.fixture
def clone(tmp_path_factory, tmp_path) -> Clone:
    """A trained clone for each test, without a remote."""
    return trained_clone(tmp_path_factory).copied(tmp_path / "clone")


@pytest.fixture(scope="module")
def s3(tmp_path_factory) -> S3:
    """A server that speaks S3."""
    server = S3(tmp_path_factory.mktemp("s3"))
    yield server
    server.kill()


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch, tmp_path) -> None:
    """Hide the credentials of the person who runs the tests."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def s3_commands(s3: S3, bucket: str = BUCKET, address: str | None = None) -> list[str]:
    """Return the guide's lines, with a path in the bucket that no other test uses."""
    path = f"{bucket}/{uuid4().hex}"
    return [S3_PATH.replace("bucket", path), ENDPOINT.replace("https://s3.example.com", address or s3.address)]


def key_commands(s3: S3) -> list[str]:
    return [line.replace(" ID", f" {s3.key_id}").replace(" KEY", f" {s3.secret}") for line in KEY]


def set_key(monkeypatch: pytest.MonkeyPatch, key_id: str, secret: str) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)


# DVC reads the key from either place before it connects in the same way, so one of them is enough on a push.
KINDS = [
    "folder",
    pytest.param("S3, key and address in the environment", marks=pytest.mark.long),
    "S3, key in config.local",
]


@pytest.fixture(params=KINDS)
def remote(request, monkeypatch) -> Remote:
    """Each kind of remote that the guide describes."""
    if request.param == "folder":
        return Remote([FOLDER])
    s3 = request.getfixturevalue("s3")
    commands = s3_commands(s3)
    if "environment" in request.param:
        # As in the workflows, which configure the path only.
        commands = commands[:1]
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.address)
        set_key(monkeypatch, s3.key_id, s3.secret)
    else:
        commands += key_commands(s3)
    return Remote(commands, s3.secret)


def content_for_git(clone: Clone) -> str:
    """Return the content of every file that git tracks or would add."""
    names = clone.git("ls-files", "-co", "--exclude-standard", "-z").split("\0")
    paths = [clone.folder / name for name in names if name]
    return "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in paths if path.is_file())


def pulled(clone: Clone, folder: Path, remote: Remote) -> Clone:
    """Return the clone of another person, after `git clone`, the same remote and `dvc pull`."""
    other = clone.cloned(folder)
    assert not (other.folder / "models" / "tfidf" / "model.skops").exists()
    for line in remote.commands:
        other.command(line)
    other.command("dvc pull")
    return other


def assert_nothing_is_left_to_do(clone: Clone) -> None:
    assert "up to date" in clone.command("dvc status")
    printed = clone.command("dvc repro")
    assert "up to date" in printed and "Running stage" not in printed
    assert clone.git("status", "--porcelain") == ""


@pytest.mark.runs(
    "dvc remote add --local -d storage s3://bucket/callcenterai",
    "dvc remote modify --local storage endpointurl https://s3.example.com",
    "dvc pull",
)
def test_one_person_pushes_and_another_pulls_and_has_nothing_to_run(clone, remote, tmp_path):
    """The model gives the same answers in both clones, and git has neither the remote nor its key."""
    before = clone.git("status", "--porcelain")
    for line in remote.commands:
        clone.command(line)
    assert clone.git("status", "--porcelain") == before
    assert "pushed" in clone.command("dvc push")
    assert remote.secret is None or remote.secret not in content_for_git(clone)
    clone.commit("trained")
    other = pulled(clone, tmp_path / "elsewhere", remote)
    assert_nothing_is_left_to_do(other)
    ours, theirs = (load_model(each.folder / "models" / "tfidf") for each in (clone, other))
    assert (ours.predict_proba(TEXTS) == theirs.predict_proba(TEXTS)).all()
    assert "up to date" in other.command("dvc push")


def test_the_sample_is_pushed_although_git_has_its_hash_already(clone):
    """A sample that its script wrote matches the hash in data/raw/dvc.lock, but DVC's cache lacks it."""
    clone.command(FOLDER)
    shutil.rmtree(clone.folder / ".dvc" / "cache")
    shutil.rmtree(clone.folder / "data" / "processed")
    assert "not in cache" in clone.command("dvc status data/raw/dvc.yaml:sample_tickets")
    clone.command("dvc repro prepare")
    clone.command("dvc push prepare --with-deps")
    digest = yaml.safe_load(clone.text("data/raw/dvc.lock"))["stages"]["sample_tickets"]["outs"][0]["md5"]
    pushed = clone.folder.parent / "dvc-storage" / "files" / "md5" / digest[:2] / digest[2:]
    assert pushed.read_bytes() == (clone.folder / "data" / "raw" / "tickets.csv").read_bytes()


def test_a_key_without_local_would_be_found_in_files_of_git(clone, s3):
    """This shows that test_one_person_pushes_and_another_pulls_and_has_nothing_to_run can fail."""
    for line in (*s3_commands(s3), *key_commands(s3)):
        clone.command(line.replace(" --local", ""))
    assert s3.secret in content_for_git(clone) and ".dvc/config" in clone.git("status", "--porcelain")


@pytest.mark.runs("dvc add data/raw/own.csv", "dvc remove data/raw/dvc.yaml:sample_tickets")
def test_tickets_of_ones_own_travel_too(clone, tmp_path):
    """DVC then tracks them and not the sample, which nobody would push."""
    clone.command(FOLDER)
    (clone.folder / "data" / "raw" / "tickets.csv").rename(clone.folder / "data" / "raw" / "own.csv")
    run(clone.folder, "scripts/set_parameters.py", "prepare.input=data/raw/own.csv")
    for line in (*OWN, "dvc repro", "dvc push"):
        clone.command(line)
    clone.commit("our tickets")
    assert_nothing_is_left_to_do(pulled(clone, tmp_path / "elsewhere", Remote([FOLDER])))


Spoil = Callable[[S3, pytest.MonkeyPatch], list[str]]


def wrong_secret(s3: S3, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    set_key(monkeypatch, s3.key_id, "of somebody else")
    return s3_commands(s3)


def unknown_key(s3: S3, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    set_key(monkeypatch, "AKIANOBODY", s3.secret)
    return s3_commands(s3)


def no_key(s3: S3, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return s3_commands(s3)


def no_bucket(s3: S3, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    set_key(monkeypatch, s3.key_id, s3.secret)
    return s3_commands(s3, bucket="nowhere")


def nobody_there(s3: S3, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    # By default it tries each file several times, which takes a minute.
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    set_key(monkeypatch, s3.key_id, s3.secret)
    return s3_commands(s3, address=f"http://127.0.0.1:{free_port()}")


@pytest.mark.parametrize(
    "spoil, message",
    [
        (wrong_secret, "Forbidden"),
        pytest.param(unknown_key, "Forbidden", marks=pytest.mark.long),
        pytest.param(no_key, "Unable to locate credentials", marks=pytest.mark.long),
        pytest.param(no_bucket, "The specified bucket does not exist", marks=pytest.mark.long),
        (nobody_there, "Could not connect to the endpoint URL"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_failed_push_or_pull_is_an_error_that_gives_the_reason(
    clone, s3, monkeypatch, tmp_path, spoil: Spoil, message: str
):
    """DVC prints it without a traceback, and the local files stay as they were.

    On a push, the server refuses once and is unreachable once; other refusals, which DVC reports in the same way, are
    part of the long form.
    """
    commands = spoil(s3, monkeypatch)
    clone.commit("trained")
    other = clone.cloned(tmp_path / "elsewhere")
    for here, line in ((clone, "dvc push"), (other, "dvc pull")):
        for command in commands:
            here.command(command)
        printed = here.failed(line)
        errors = [words for words in printed.splitlines() if words.startswith("ERROR: ")]
        assert message in errors[0] and "Traceback" not in printed, printed
    assert_nothing_is_left_to_do(clone)


def test_pulling_what_nobody_has_pushed_is_an_error(clone, tmp_path):
    """DVC reports it instead of silently leaving an old model or none."""
    clone.command(FOLDER)
    clone.commit("trained, and not pushed")
    other = clone.cloned(tmp_path / "elsewhere")
    other.command(FOLDER)
    printed = other.failed("dvc pull")
    assert "do not exist neither locally nor on remote" in printed and "ERROR: failed to pull data" in printed
