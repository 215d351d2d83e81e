"""compose.yaml keeps what it promises: nothing without secrets, nothing beyond loopback, hardened; and it comes up."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import fit_routing
import make_secrets
import mlflow_registry
import train_tfidf
from callcenterai.delivery.secrets import SECRETS, parse_env
from support.compose_stack import STARTED, Stack
from support.processes import wait_until
from support.repository import REPOSITORY, write_params
from support.transformer import SMALL, need_pytorch

COMPOSE = yaml.safe_load((REPOSITORY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
VARIABLE = re.compile(r"\$\{(\w+)(?:(:-|:\?)([^}]*))?\}")
TICKET = {"text": "my laptop is broken", "ticket_id": "T-1"}


def by_default(text: str) -> str:
    """Return a value as it is when the environment says nothing of what has a default."""
    return VARIABLE.sub(lambda match: match[3] if match[2] == ":-" else match[0], text)


def test_nothing_listens_beyond_loopback_by_default():
    ports = {name: by_default(port) for name, service in SERVICES.items() for port in service.get("ports", [])}
    assert set(ports) == {"mlflow", "agent", "web", "prometheus", "grafana"}
    assert [port for port in ports.values() if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)] == []


def test_what_knows_no_password_never_listens_beyond_loopback():
    """BIND_ADDRESS is not for Prometheus; MLflow, which gets a password with every request, has one of its own."""
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["prometheus"]["ports"])
    assert [port.split(":")[0] for port in SERVICES["mlflow"]["ports"]] == ["${MLFLOW_BIND_ADDRESS"]


def test_the_services_ask_the_registry_as_somebody_who_may_only_read():
    """The administrator's password is in MLflow's own container alone."""
    for name in ("tfidf", "transformer", "web"):
        environment = SERVICES[name]["environment"]
        assert environment["MLFLOW_TRACKING_USERNAME"] == "services"
        assert "MLFLOW_READER_PASSWORD" in environment["MLFLOW_TRACKING_PASSWORD"]
    told = [name for name, service in SERVICES.items() if "MLFLOW_ADMIN_PASSWORD" in str(service)]
    assert told == ["mlflow"]


def test_mlflow_answers_to_named_hosts_and_pages_alone():
    """Both lists are explicit, and what .env adds does not take the place of what the stack needs."""
    environment = SERVICES["mlflow"]["environment"]
    hosts = environment["MLFLOW_SERVER_ALLOWED_HOSTS"]
    assert by_default(hosts).split(",")[:3] == ["mlflow:5000", "127.0.0.1:*", "localhost:*"] and "*" not in hosts.split(
        ","
    )
    assert "${MLFLOW_ALLOWED_HOSTS:-" in hosts and by_default(environment["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"]) == ""


def test_no_secret_has_a_value_that_ships():
    """Every password, key and address with a password comes from a variable without a default."""
    secret = {}
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|KEY|SECRET", name):
                secret[name] = value
            elif "@" in value and "://" in value:
                secret[name] = re.search(r"//\w+:([^@]*)@", value)[1]
    assert len(secret) == 16
    assert [name for name, value in secret.items() if not VARIABLE.fullmatch(value) or ":-" in value] == []


def test_the_secrets_that_are_made_are_those_that_are_needed():
    found = VARIABLE.findall((REPOSITORY / "compose.yaml").read_text(encoding="utf-8"))
    assert {name for name, kind, _ in found if kind == ":?"} == set(SECRETS)
    assert {name for name, kind, _ in found if not kind} <= set(SECRETS)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_hardened_limited_and_watched(name):
    """Read-only, without capabilities or new privileges, within limits, with a health check, its version named."""
    service = SERVICES[name]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"] and "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"] and not service.get("privileged")
    assert service["cpus"] and service["mem_limit"] and service["pids_limit"]
    assert service["restart"] == "unless-stopped"
    if "build" in service:
        recipe = (REPOSITORY / service["build"]["dockerfile"]).read_text(encoding="utf-8")
        assert "\nHEALTHCHECK " in recipe and "\nUSER 10001:10001\n" in recipe
        assert set(re.findall(r"^FROM (\S+)", recipe, re.MULTILINE)) == {"python:3.11-slim-bookworm"}
    else:
        assert service["healthcheck"]["test"][0] == "CMD"
        assert re.fullmatch(r"docker\.io/\w+/\w+:v?\d+\.\d+(\.\d+)?(-\w+)?", service["image"])


def test_what_is_not_published_has_no_way_out():
    """Databases and model services are in a network without one, and the pages do not reach them."""
    assert COMPOSE["networks"]["back"] == {"internal": True}
    inside = {name for name, service in SERVICES.items() if service["networks"] == ["back"]}
    assert inside == {"postgres", "tfidf", "transformer"} and SERVICES["web"]["networks"] == ["front"]


def test_what_is_mounted_is_in_the_repository():
    """Otherwise Docker would make a folder in its place, which belongs to root."""
    mounted = [
        volume.partition(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if volume.startswith("./")
    ]
    assert len(mounted) == 5
    for path in mounted:
        listed = subprocess.run(["git", "ls-files", "--", path], cwd=REPOSITORY, capture_output=True, text=True)
        assert listed.returncode or listed.stdout, path
        assert (REPOSITORY / path).exists(), path


def test_the_mlflow_server_has_the_versions_of_the_scripts():
    """Whoever shares a tracking database needs the same one."""

    def locked(path: str) -> set[str]:
        return set(re.findall(r"^(\S+==\S+)", (REPOSITORY / path).read_text(encoding="utf-8"), re.MULTILINE))

    ours = locked("deploy/mlflow/requirements.txt")
    assert any(line.startswith("mlflow==") for line in ours) and ours <= locked("requirements-mlops.txt")


@pytest.mark.runs("python scripts/make_secrets.py .env")
def test_secrets_are_made_once_for_their_owner_alone(tmp_path, capsys, error_line):
    first, second = tmp_path / "first.env", tmp_path / "second.env"
    assert make_secrets.main([str(first)]) == make_secrets.main([str(second)]) == 0
    made = [dict(line.split("=") for line in path.read_text().splitlines() if "=" in line) for path in (first, second)]
    assert set(made[0]) == set(SECRETS)
    values = [*made[0].values(), *made[1].values()]
    assert len(set(values)) == len(values) and all(re.fullmatch(r"[0-9a-f]{48}", value) for value in values)
    if os.name == "posix":
        assert first.stat().st_mode & 0o777 == 0o600
    before = first.read_bytes()
    capsys.readouterr()
    assert make_secrets.main([str(first)]) == 0
    assert "stays as it is" in capsys.readouterr().err and first.read_bytes() == before


def test_a_file_of_before_gets_the_secrets_that_it_lacks(tmp_path, capsys):
    """And keeps the others, and all else that somebody has written there."""
    path = tmp_path / ".env"
    assert make_secrets.main([str(path)]) == 0
    whole = path.read_text()
    kept = [line for line in whole.splitlines() if not re.match(r"MLFLOW_(ADMIN|READER)", line)]
    path.write_text("\n".join([*kept, "WEB_PORT=8443", "MLFLOW_ADMIN_PASSWORD="]))
    capsys.readouterr()
    assert make_secrets.main([str(path)]) == 0
    assert "added MLFLOW_ADMIN_PASSWORD, MLFLOW_READER_PASSWORD" in capsys.readouterr().err
    assert path.read_text().startswith("\n".join(kept))
    before, after = parse_env(whole), parse_env(path.read_text())
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"MLFLOW_ADMIN_PASSWORD", "MLFLOW_READER_PASSWORD"} and after["WEB_PORT"] == "8443"
    assert all(re.fullmatch(r"[0-9a-f]{48}", after[name]) for name in changed)
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600


def test_git_does_not_take_the_secrets():
    listed = subprocess.run(["git", "check-ignore", ".env"], cwd=REPOSITORY, capture_output=True)
    assert listed.returncode in (0, 128)  # 128: not a repository


@pytest.mark.slow
def test_it_follows_the_compose_specification(validators):
    command = [validators / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", REPOSITORY / "compose.yaml"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def stack(builder, tmp_path_factory):
    """The stack without monitoring, empty."""
    stack = Stack(tmp_path_factory.mktemp("stack"), tmp_path_factory)
    yield stack
    stack.stop()


class Models:
    """Small models, trained against the stack's MLflow and governed through it."""

    def __init__(self, stack: Stack, data: Path, folder: Path) -> None:
        """Nothing is trained yet."""
        self.stack, self.data, self.folder = stack, data, folder
        low = {"minimum_accuracy": 0.5, "minimum_macro_f1": 0.3}
        quick = {"bootstrap_samples": 100}
        sections = {"train_tfidf": quick, "train_transformer": SMALL, "fit_routing": quick, "registry": low}
        self.params = write_params(folder / "params.yaml", **sections)

    def put_into_production(self, train: Any, name: str, registry: dict[str, str] | None = None) -> None:
        """Train, register and promote a model; its folder is then there under its name."""
        common = ["--params", str(self.params), "--data", str(self.data)]
        places = {"model": name, "metrics": f"{name}.json", "plots": f"{name}-plots"}
        outputs = [text for option, place in places.items() for text in (f"--{option}", str(self.folder / place))]
        with pytest.MonkeyPatch.context() as patch:
            for variable, value in (registry or self.stack.login()).items():
                patch.setenv(variable, value)
            assert train.main([*common, *outputs]) == 0
            for command in ("register", "staging", "production"):
                assert mlflow_registry.main([command, "--model", name, *common]) == 0

    def move_into_the_stack(self, train: Any, name: str) -> None:
        """Put a model into Production in an embedded database beside compose.yaml, and move that as the guide says."""
        folder = self.stack.folder
        self.put_into_production(train, name, {"MLFLOW_TRACKING_URI": f"sqlite:///{(folder / 'mlflow.db').as_posix()}"})
        mounted = ["--volume", f"{folder}:{folder}:ro", "--workdir", str(folder)]
        command = ["python", "scripts/migrate_mlflow.py", "sqlite:///mlflow.db"]
        said = self.stack.compose("run", "--rm", "--no-deps", *mounted, "mlflow", *command).stdout
        assert re.search(r"^model_versions +1$", said, re.MULTILINE), said

    def make_policy(self) -> None:
        """Have both models asked for every ticket."""
        policy = self.stack.folder / "models" / "agent" / "policy.json"
        options = {"params": self.params, "data": self.data, "policy": policy, "metrics": self.folder / "routing.json"}
        arguments = [str(text) for name, path in options.items() for text in (f"--{name}", path)]
        assert fit_routing.main([str(self.folder / "tfidf"), str(self.folder / "transformer"), *arguments]) == 0
        policy.write_text(json.dumps(json.loads(policy.read_text()) | {"ask_below": 1.0}), encoding="utf-8")


@pytest.mark.slow
def test_it_refuses_to_start_without_secrets(stack, tmp_path):
    """And with those of a version before MLflow had a login; it says what to do."""
    before = tmp_path / "before.env"
    lines = (stack.folder / ".env").read_text(encoding="utf-8").splitlines()
    before.write_text("\n".join(line for line in lines if not re.match(r"MLFLOW_(ADMIN|READER|SECRET)", line)))
    bare = {"PATH": os.environ["PATH"], "HOME": str(stack.folder)}
    for file in (os.devnull, str(before)):
        command = [str(stack.tools / "podman-compose"), "--env-file", file, "config"]
        done = subprocess.run(command, cwd=stack.folder, env=bare, capture_output=True, text=True)
        assert done.returncode != 0 and "run python scripts/make_secrets.py .env first" in done.stderr, file


@pytest.mark.slow
def test_without_a_model_it_is_alive_and_says_what_is_missing(stack):
    """Healthy, hardened as it runs, and 503 to a ticket."""
    status, problem = stack.agent("/predict", TICKET)
    assert status == 503 and "no model answers" in problem["detail"]
    for name in STARTED:
        wait_until(lambda name=name: stack.is_healthy(name), 60)
        assert stack.user(name) in ("999", "10001")


@pytest.fixture(scope="module")
def models(stack, trained, tmp_path_factory) -> Models:
    """A first model in Production, from an embedded database."""
    models = Models(stack, trained.data, tmp_path_factory.mktemp("models"))
    models.move_into_the_stack(train_tfidf, "tfidf")
    return models


@pytest.mark.slow
def test_it_answers_with_the_model_that_was_promoted_in_its_registry(stack, models):
    """Here by the migration of an embedded one; and keeps the answer in PostgreSQL, under a key."""
    wait_until(lambda: stack.agent("/predict", TICKET)[0] == 200, 30)
    answer = stack.agent("/predict", TICKET)[1]
    assert (answer["category"], answer["model"], answer["versions"]) == ("Hardware", "tfidf", {"tfidf": "1"})
    assert stack.agent("/tickets/T-1")[1]["category"] == "Hardware"
    assert stack.agent("/predict", TICKET, key="wrong")[0] == 401


@pytest.mark.slow
def test_the_agent_goes_on_when_the_transformer_is_killed(stack, models):
    """Both models answer together under a policy; then one alone, without a failed request; then both again."""
    need_pytorch()
    import train_transformer

    models.put_into_production(train_transformer, "transformer")
    models.make_policy()
    wait_until(lambda: stack.agent("/status")[1]["policy"]["in_force"], 30)

    def ask() -> tuple[int, str | None, bool | None]:
        status, answer = stack.agent("/predict", {"text": TICKET["text"]})
        return status, answer.get("model"), answer.get("degraded")

    assert ask() == (200, "both", False)
    stack.podman("kill", "transformer")
    assert {ask() for _ in range(10)} == {(200, "tfidf", True)}
    stack.podman("start", "transformer")
    wait_until(lambda: ask() == (200, "both", False), 60)
