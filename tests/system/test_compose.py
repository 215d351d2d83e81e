"""compose.yaml needs secrets, publishes on loopback only and hardens its services; the stack starts and answers."""

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
from support.containers.compose_stack import STARTED, ComposeStack
from support.processes import wait_until
from support.repository import REPOSITORY, write_params
from support.transformer import SMALL, need_pytorch

COMPOSE = yaml.safe_load((REPOSITORY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
VARIABLE = re.compile(r"\$\{(\w+)(?:(:-|:\?)([^}]*))?\}")
TICKET = {"text": "my laptop is broken", "ticket_id": "T-1"}


def with_defaults(text: str) -> str:
    """Return a value with the defaults of its variables filled in."""
    return VARIABLE.sub(lambda match: match[3] if match[2] == ":-" else match[0], text)


def test_compose_publishes_on_loopback_by_default():
    ports = {name: with_defaults(port) for name, service in SERVICES.items() for port in service.get("ports", [])}
    assert set(ports) == {"mlflow", "agent", "web", "prometheus", "grafana"}
    assert [port for port in ports.values() if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)] == []


def test_prometheus_is_always_published_on_loopback():
    """Prometheus has no password, so BIND_ADDRESS does not apply to it; MLflow has its own MLFLOW_BIND_ADDRESS."""
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["prometheus"]["ports"])
    assert [port.split(":")[0] for port in SERVICES["mlflow"]["ports"]] == ["${MLFLOW_BIND_ADDRESS"]


def test_services_read_the_registry_as_a_read_only_user():
    """Only MLflow's own container gets the administrator's password."""
    for name in ("tfidf", "shadow", "transformer", "web"):
        environment = SERVICES[name]["environment"]
        assert environment["MLFLOW_TRACKING_USERNAME"] == "services"
        assert "MLFLOW_READER_PASSWORD" in environment["MLFLOW_TRACKING_PASSWORD"]
    given = [name for name, service in SERVICES.items() if "MLFLOW_ADMIN_PASSWORD" in str(service)]
    assert given == ["mlflow"]


def test_mlflow_allows_named_hosts_and_origins_only():
    """Both lists are explicit, and additions from .env do not replace what the stack needs."""
    environment = SERVICES["mlflow"]["environment"]
    hosts = environment["MLFLOW_SERVER_ALLOWED_HOSTS"]
    assert with_defaults(hosts).split(",")[:3] == [
        "mlflow:5000",
        "127.0.0.1:*",
        "localhost:*",
    ] and "*" not in hosts.split(",")
    assert (
        "${MLFLOW_ALLOWED_HOSTS:-" in hosts and with_defaults(environment["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"]) == ""
    )


def test_compose_has_no_default_for_any_secret():
    """Every password and key, also within an address, comes from a variable without a default."""
    secret = {}
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|KEY|SECRET", name):
                secret[name] = value
            elif "@" in value and "://" in value:
                secret[name] = re.search(r"//\w+:([^@]*)@", value)[1]
    assert len(secret) == 17
    assert [name for name, value in secret.items() if not VARIABLE.fullmatch(value) or ":-" in value] == []


def test_make_secrets_knows_every_secret_of_compose():
    found = VARIABLE.findall((REPOSITORY / "compose.yaml").read_text(encoding="utf-8"))
    assert {name for name, kind, _ in found if kind == ":?"} == set(SECRETS)
    assert {name for name, kind, _ in found if not kind} <= set(SECRETS)


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_hardened_limited_and_health_checked(name):
    """Read-only, without capabilities or new privileges, limited, health-checked and of a fixed version."""
    service = SERVICES[name]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"] and "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"] and not service.get("privileged")
    assert service["cpus"] and service["mem_limit"] and service["pids_limit"]
    assert service["restart"] == "unless-stopped"
    build = next(
        (each["build"] for each in SERVICES.values() if each["image"] == service["image"] and "build" in each), {}
    )
    if build:
        recipe = (REPOSITORY / build["dockerfile"]).read_text(encoding="utf-8")
        assert "\nHEALTHCHECK " in recipe and "\nUSER 10001:10001\n" in recipe
        assert set(re.findall(r"^FROM (\S+)", recipe, re.MULTILINE)) == {"python:3.11-slim-bookworm"}
    else:
        assert service["healthcheck"]["test"][0] == "CMD"
        assert re.fullmatch(r"docker\.io/\w+/\w+:v?\d+\.\d+(\.\d+)?(-\w+)?", service["image"])


def test_unpublished_services_are_in_an_internal_network():
    """Databases and model services are in a network without internet access, which the pages cannot reach."""
    assert COMPOSE["networks"]["back"] == {"internal": True}
    inside = {name for name, service in SERVICES.items() if service["networks"] == ["back"]}
    assert inside == {"postgres", "tfidf", "shadow", "transformer"} and SERVICES["web"]["networks"] == ["front"]


def test_shadow_differs_from_the_tfidf_service_in_its_profile_and_version_only():
    """It is not started unless the profile is named, and the agent asks it for no ticket unless a share is given."""
    own = {"profiles": ["shadow"], "environment": SERVICES["shadow"]["environment"]}
    assert SERVICES["shadow"] == {key: value for key, value in SERVICES["tfidf"].items() if key != "build"} | own
    staging = {"MODEL_URI": "models:/callcenterai-tfidf-classifier@staging", "API_KEYS": "${TFIDF_API_KEY}"}
    assert own["environment"] == SERVICES["tfidf"]["environment"] | staging
    assert with_defaults(SERVICES["agent"]["environment"]["SHADOW_SHARE"]) == "0"


def test_mounted_files_are_in_the_repository():
    """Docker would create a folder of root in place of a missing file."""
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


def test_mlflow_server_has_the_versions_of_the_development_environment():
    """Programs that share a tracking database need the same version of MLflow."""

    def locked(path: str) -> set[str]:
        return set(re.findall(r"^(\S+==\S+)", (REPOSITORY / path).read_text(encoding="utf-8"), re.MULTILINE))

    ours = locked("deploy/mlflow/requirements.txt")
    assert any(line.startswith("mlflow==") for line in ours) and ours <= locked("requirements-mlops.txt")


@pytest.mark.runs("python scripts/make_secrets.py .env")
def test_make_secrets_writes_once_for_the_owner_only(tmp_path, capsys, error_line):
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


def test_make_secrets_adds_missing_secrets_to_an_existing_file(tmp_path, capsys):
    """Existing secrets and other lines are kept."""
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


def test_git_ignores_the_secrets():
    listed = subprocess.run(["git", "check-ignore", ".env"], cwd=REPOSITORY, capture_output=True)
    assert listed.returncode in (0, 128)  # 128: not a repository


@pytest.mark.slow
def test_compose_file_follows_the_specification(validators):
    command = [validators / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", REPOSITORY / "compose.yaml"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def stack(builder, tmp_path_factory):
    """The stack without monitoring and without a model."""
    stack = ComposeStack(tmp_path_factory.mktemp("stack"), tmp_path_factory)
    yield stack
    stack.stop()


class Models:
    """Small models for the stack, trained and promoted."""

    def __init__(self, stack: ComposeStack, data: Path, folder: Path) -> None:
        """Write the parameters for small models; nothing is trained yet."""
        self.stack, self.data, self.folder = stack, data, folder
        low = {"minimum_accuracy": 0.5, "minimum_macro_f1": 0.3}
        quick = {"bootstrap_samples": 100}
        sections = {"train_tfidf": quick, "train_transformer": SMALL, "fit_routing": quick, "registry": low}
        self.params = write_params(folder / "params.yaml", **sections)

    def put_into_production(self, train: Any, name: str, registry: dict[str, str] | None = None) -> None:
        """Train, register and promote a model; its folder gets its name."""
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
        """Promote a model in an embedded database beside compose.yaml, and migrate that as the guide says."""
        folder = self.stack.folder
        self.put_into_production(train, name, {"MLFLOW_TRACKING_URI": f"sqlite:///{(folder / 'mlflow.db').as_posix()}"})
        mounted = ["--volume", f"{folder}:{folder}:ro", "--workdir", str(folder)]
        command = ["python", "scripts/migrate_mlflow.py", "sqlite:///mlflow.db"]
        output = self.stack.compose("run", "--rm", "--no-deps", *mounted, "mlflow", *command).stdout
        assert re.search(r"^model_versions +1$", output, re.MULTILINE), output

    def make_policy(self) -> None:
        """Write a routing policy that asks both models for every ticket."""
        policy = self.stack.folder / "models" / "agent" / "policy.json"
        options = {"params": self.params, "data": self.data, "policy": policy, "metrics": self.folder / "routing.json"}
        arguments = [str(text) for name, path in options.items() for text in (f"--{name}", path)]
        assert fit_routing.main([str(self.folder / "tfidf"), str(self.folder / "transformer"), *arguments]) == 0
        policy.write_text(json.dumps(json.loads(policy.read_text()) | {"ask_below": 1.0}), encoding="utf-8")


@pytest.mark.slow
def test_compose_refuses_to_start_without_secrets(stack, tmp_path):
    """Also with the .env of a version in which MLflow had no login; the error names make_secrets.py."""
    before = tmp_path / "before.env"
    lines = (stack.folder / ".env").read_text(encoding="utf-8").splitlines()
    before.write_text("\n".join(line for line in lines if not re.match(r"MLFLOW_(ADMIN|READER|SECRET)", line)))
    bare = {"PATH": os.environ["PATH"], "HOME": str(stack.folder)}
    for file in (os.devnull, str(before)):
        command = [str(stack.tools / "podman-compose"), "--env-file", file, "config"]
        done = subprocess.run(command, cwd=stack.folder, env=bare, capture_output=True, text=True)
        assert done.returncode != 0 and "run python scripts/make_secrets.py .env first" in done.stderr, file


@pytest.mark.slow
def test_stack_without_a_model_is_healthy_and_answers_503(stack):
    """Every service is healthy and runs as an unprivileged user; a ticket gets 503."""
    status, problem = stack.agent("/predict", TICKET)
    assert status == 503 and "no model answers" in problem["detail"]
    for name in STARTED:
        wait_until(lambda name=name: stack.is_healthy(name), 60)
        assert stack.user(name) in ("999", "10001")


@pytest.fixture(scope="module")
def models(stack, trained, tmp_path_factory) -> Models:
    """A first model in Production, migrated from an embedded database."""
    models = Models(stack, trained.data, tmp_path_factory.mktemp("models"))
    models.move_into_the_stack(train_tfidf, "tfidf")
    return models


@pytest.mark.slow
def test_stack_answers_with_the_model_promoted_in_its_registry(stack, models):
    """The registry was migrated from an embedded one; the agent stores the answer in PostgreSQL and requires a key."""
    wait_until(lambda: stack.agent("/predict", TICKET)[0] == 200, 30)
    answer = stack.agent("/predict", TICKET)[1]
    assert (answer["category"], answer["model"], answer["versions"]) == ("Hardware", "tfidf", {"tfidf": "1"})
    assert stack.agent("/tickets/T-1")[1]["category"] == "Hardware"
    assert stack.agent("/predict", TICKET, key="wrong")[0] == 401


@pytest.mark.slow
def test_agent_goes_on_when_the_transformer_is_killed(stack, models):
    """Both models answer together under a policy, then one alone without a failed request, then both again."""
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
