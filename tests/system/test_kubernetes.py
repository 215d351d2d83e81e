"""The Kubernetes manifests are valid and mean what they should, as far as that can be shown without a cluster."""

import copy
import importlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.containers.kubernetes import (
    DOCUMENTED,
    FOLDER,
    SETTINGS,
    SHADOW,
    STAGING,
    Manifest,
    by_name,
    can_reach,
    container_spec,
    dockerfile_text,
    documented_secrets,
    find_problems,
    literal_variables,
    manifest_files,
    pod_spec,
    read,
    secret_variables,
    staging_manifests,
)
from support.containers.pods import played
from support.processes import wait_until
from support.repository import REPOSITORY

# The oldest and the newest version of Kubernetes that the manifests have to fit.
VERSIONS = ("1.28", "1.37")
# Prints a list of errors for each list of manifests.
VALIDATE = """
import json, sys
import kubernetes_validate

def errors(manifests):
    for manifest in manifests:
        for version in sys.argv[1:]:
            try:
                kubernetes_validate.validate(manifest, version, strict=True)
            except Exception as error:
                place = manifest["kind"], manifest["metadata"]["name"], version
                yield " ".join([*place, type(error).__name__, error.message])

print(json.dumps([list(errors(manifests)) for manifests in json.load(sys.stdin)]))
"""
PATCHES = [STAGING / "web.yaml", SHADOW / "agent.yaml"]
FILES = [*manifest_files(STAGING), *manifest_files(SHADOW), *PATCHES]
SERVICES = list(SETTINGS)


def render(folder: Path) -> list[Manifest]:
    """Return what `kubectl apply -k` would send; skip the test if kubectl is not installed."""
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl here to render the overlay; other tests check the files themselves")
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return list(yaml.safe_load_all(done.stdout))


def names(manifests: list[Manifest]) -> list[tuple[str, str]]:
    return sorted((each["kind"], each["metadata"]["name"]) for each in manifests)


def schema_errors(validators: Path, *lists: list[Manifest]) -> list[list[str]]:
    """Return the errors of each list of manifests against Kubernetes' schemas; a kind without a schema is one too."""
    command = [validators / "python", "-c", VALIDATE, *VERSIONS]
    done = subprocess.run(command, input=json.dumps(lists), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def errors_of_files(validators: Path) -> dict[Path, list[str]]:
    """The errors of each file, found by one process, because loading the schemas takes two seconds."""
    return dict(zip(FILES, schema_errors(validators, *map(read, FILES)), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_manifest_follows_the_kubernetes_schemas(errors_of_files, path):
    """Unknown fields are errors too. A patch is no complete manifest, so a missing selector is allowed there."""
    found = errors_of_files[path]
    if path in PATCHES:
        found = [line for line in found if "'selector' is a required property" not in line]
    assert found == []


@pytest.mark.slow
def test_schema_check_refuses_an_invalid_manifest(validators):
    """The validator itself is tested elsewhere; this shows that it is called strictly, for every version."""
    misspelt, outdated = (copy.deepcopy(by_name(staging_manifests(), "Deployment")["web"]) for _ in range(2))
    misspelt["spec"]["replica"] = 2
    outdated["apiVersion"] = "apps/v1beta1"
    assert [len(VERSIONS)] * 2 == [len(errors) for errors in schema_errors(validators, [misspelt], [outdated])]


@pytest.mark.slow
def test_rendered_manifests_follow_the_schemas_and_our_rules(validators):
    """Rendering keeps all objects, puts them into one namespace and pins the images by digest."""
    sent = render(STAGING)
    assert schema_errors(validators, sent) == [[]] and find_problems(sent) == []
    assert names(sent) == names(staging_manifests())
    assert {each["metadata"].get("namespace") for each in sent if each["kind"] != "Namespace"} == {
        "callcenterai-staging"
    }
    for name, deployment in by_name(sent, "Deployment").items():
        assert re.fullmatch(
            rf"[\w.-]+(/[\w.-]+)*/callcenterai-{name}@sha256:[0-9a-f]{{64}}", container_spec(deployment)["image"]
        )
        assert deployment["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/instance"] == "staging"


def test_kubernetes_base_can_be_rendered_alone():
    """So that others can write overlays of their own."""
    assert names(render(FOLDER / "base")) == names(
        [each for path in manifest_files(FOLDER / "base") for each in read(path)]
    )


def test_staging_pages_trust_the_ingress_proxy():
    """Otherwise cookies would not be Secure, and wrong passwords would be counted for all visitors together."""
    (patch,) = read(STAGING / "web.yaml")
    assert "TRUSTED_PROXIES" in literal_variables(patch)
    rendered = by_name(render(STAGING), "Deployment")["web"]
    assert (
        literal_variables(patch).items() <= literal_variables(rendered).items() and len(secret_variables(rendered)) == 6
    )


def test_shadow_component_adds_the_version_in_staging_which_the_agent_alone_may_ask(tmp_path):
    """Without its comment sign, the line in the overlay for staging adds the component."""
    copied = shutil.copytree(FOLDER, tmp_path / "kubernetes") / STAGING.relative_to(FOLDER)
    overlay = (copied / "kustomization.yaml").read_text(encoding="utf-8")
    (copied / "kustomization.yaml").write_text(overlay.replace("# components:", "components:"), encoding="utf-8")
    sent = render(copied)
    assert find_problems(sent) == [] and names(sent) != names(staging_manifests())
    deployments = by_name(sent, "Deployment")
    assert [name for name in deployments if can_reach(sent, name, "shadow")] == ["agent"]
    assert container_spec(deployments["shadow"])["image"] == container_spec(deployments["tfidf"])["image"]
    staging = {"MODEL_URI": "models:/callcenterai-tfidf-classifier@staging"}
    production = literal_variables(deployments["tfidf"])
    assert literal_variables(deployments["shadow"]) == production | staging
    assert literal_variables(deployments["agent"])["SHADOW_URL"] == "http://shadow:8000"
    key, expected = (secret_variables(deployments[name]) for name in ("agent", "shadow"))
    assert key["SHADOW_API_KEY"] == expected["API_KEYS"]


def test_every_manifest_file_is_named_by_a_kustomization():
    """A file that no kustomization names would neither be deployed nor checked."""
    (overlay,) = read(STAGING / "kustomization.yaml")
    kustomizations = list(FOLDER.rglob("kustomization.yaml"))
    patches = [path.parent / patch["path"] for path in kustomizations for patch in read(path)[0].get("patches", [])]
    assert sorted(patches) == sorted(PATCHES) and sorted(FOLDER.rglob("*.yaml")) == sorted([*FILES, *kustomizations])
    assert sorted(image["name"] for image in overlay["images"]) == sorted(f"callcenterai-{name}" for name in SERVICES)


def test_manifests_follow_our_rules():
    assert find_problems(staging_manifests()) == []
    assert (
        sorted(by_name(staging_manifests(), "Deployment"))
        == sorted(by_name(staging_manifests(), "Service"))
        == sorted(SERVICES)
    )


def test_network_policies_allow_the_connections_of_compose_only():
    """The pages ask the agent, the agent asks the model services, and no other connection is allowed."""
    manifests = staging_manifests()
    found = {(a, b) for a in SERVICES for b in SERVICES if can_reach(manifests, a, b)}
    assert found == {("web", "agent"), ("agent", "tfidf"), ("agent", "transformer")}


Spoil = Callable[[list[Manifest]], Any]


def in_pod(name: str, **what: Any) -> Spoil:
    return lambda manifests: pod_spec(by_name(manifests, "Deployment")[name]).update(what)


def in_container(name: str, key: str, /, **what: Any) -> Spoil:
    return lambda manifests: container_spec(by_name(manifests, "Deployment")[name])[key].update(what)


def without_field(name: str, key: str) -> Spoil:
    return lambda manifests: container_spec(by_name(manifests, "Deployment")[name]).pop(key)


def in_spec(kind: str, name: str, /, **what: Any) -> Spoil:
    return lambda manifests: by_name(manifests, kind)[name]["spec"].update(what)


def without_manifest(kind: str, name: str) -> Spoil:
    return lambda manifests: manifests.remove(by_name(manifests, kind)[name])


def with_variable(name: str, /, **variable: Any) -> Spoil:
    return lambda manifests: container_spec(by_name(manifests, "Deployment")[name])["env"].append(variable)


def from_secret(secret: str, key: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": secret, "key": key}}


def in_rule(policy: str, kind: str, **what: Any) -> Spoil:
    return lambda manifests: by_name(manifests, "NetworkPolicy")[policy]["spec"][kind][0].update(what)


NOBODY = {"matchLabels": {"app.kubernetes.io/name": "nobody"}}
SPOILED = [
    (in_pod("tfidf", securityContext={"runAsNonRoot": True}), "tfidf: does not run as the image's user"),
    (
        in_pod("tfidf", securityContext={"runAsUser": 10001, "runAsGroup": 10001}),
        "tfidf: does not run as the image's user",
    ),
    (in_pod("tfidf", securityContext={"runAsNonRoot": True}), "tfidf: has no seccomp profile"),
    (in_pod("agent", automountServiceAccountToken=True), "agent: has a token for the cluster"),
    (in_pod("agent", hostNetwork=True), "agent: shares a namespace with its node"),
    (in_container("web", "securityContext", readOnlyRootFilesystem=False), "web: its root file system is writable"),
    (in_container("web", "securityContext", allowPrivilegeEscalation=True), "web: can gain privileges"),
    (
        in_container("web", "securityContext", capabilities={"drop": ["ALL"], "add": ["NET_RAW"]}),
        "web: has capabilities",
    ),
    (without_field("tfidf", "securityContext"), "tfidf: its root file system is writable"),
    (without_field("tfidf", "resources"), "tfidf: memory limit differs from compose.yaml"),
    (
        in_container("tfidf", "resources", limits={"cpu": "1", "memory": "1Gi"}),
        "tfidf: memory limit differs from compose.yaml",
    ),
    (
        in_container("tfidf", "resources", requests={"cpu": "2", "memory": "1Mi"}),
        "tfidf: cpu limit differs from compose.yaml",
    ),
    (in_pod("agent", volumes=[]), "agent: /tmp differs from compose.yaml"),
    (without_field("web", "startupProbe"), "web: its startup probe is not /health"),
    (
        in_container("tfidf", "livenessProbe", httpGet={"path": "/ready", "port": "http"}),
        "tfidf: its liveness probe is not /health",
    ),
    (
        in_container("tfidf", "readinessProbe", httpGet={"path": "/health", "port": "http"}),
        "tfidf: its readiness probe is not /ready",
    ),
    (
        in_container("web", "livenessProbe", httpGet={"path": "/health", "port": 80}),
        "web: its liveness probe asks a port that does not exist",
    ),
    (
        lambda these: container_spec(by_name(these, "Deployment")["web"])["ports"][0].update(containerPort=80),
        "web: its port is not the image's",
    ),
    (without_field("agent", "lifecycle"), "agent: stops while requests still arrive"),
    (in_pod("agent", terminationGracePeriodSeconds=20), "agent: is killed before its requests are answered"),
    (
        with_variable("agent", name="SHUTDOWN_SECONDS", value="60"),
        "agent: is killed before its requests are answered",
    ),
    (with_variable("agent", name="TFIDF_ADDRESS", value="x"), "agent: TFIDF_ADDRESS is not one of its settings"),
    (with_variable("web", name="API_KEYS", value="x"), "web: API_KEYS ships with a value"),
    (with_variable("agent", name="DATABASE_URL", value="sqlite:///x"), "agent: DATABASE_URL ships with a value"),
    (
        with_variable("web", name="API_KEYS", valueFrom=from_secret("other", "AGENT_API_KEY")),
        "web: the source of API_KEYS is not documented",
    ),
    (
        with_variable("web", name="API_KEYS", valueFrom=from_secret("callcenterai", "KEY")),
        "web: the source of API_KEYS is not documented",
    ),
    (lambda these: container_spec(by_name(these, "Deployment")["agent"])["env"].pop(0), "agent: no TFIDF_URL"),
    (in_spec("Deployment", "web", replicas=2), "web: may run twice"),
    (in_spec("Deployment", "web", strategy={"type": "RollingUpdate"}), "web: may run twice"),
    (
        lambda these: by_name(these, "HorizontalPodAutoscaler")["agent"]["spec"]["scaleTargetRef"].update(name="web"),
        "web: may run twice",
    ),
    (in_spec("Deployment", "agent", replicas=2), "agent: its replicas are not the autoscaler's"),
    (without_manifest("HorizontalPodAutoscaler", "tfidf"), "tfidf: its replicas are not the autoscaler's"),
    (
        lambda these: by_name(these, "HorizontalPodAutoscaler")["agent"]["spec"]["scaleTargetRef"].update(
            name="agents"
        ),
        "agents: is scaled but does not exist",
    ),
    (in_spec("Deployment", "agent", strategy={"type": "Recreate"}), "agent: an update removes pods first"),
    (in_pod("agent", topologySpreadConstraints=[]), "agent: its pods may all run on one node"),
    (in_spec("Deployment", "agent", selector=NOBODY), "agent: its selector does not match its pods"),
    (
        lambda these: by_name(these, "Deployment")["agent"]["spec"]["template"]["metadata"].update(labels={}),
        "agent: its pods lack the standard labels",
    ),
    (without_manifest("PodDisruptionBudget", "web"), "web: has no disruption budget"),
    (in_spec("PodDisruptionBudget", "web", selector=NOBODY), "web: has no disruption budget"),
    (in_spec("PodDisruptionBudget", "web", maxUnavailable=0), "web: blocks draining a node"),
    (in_spec("Service", "agent", selector={"app.kubernetes.io/name": "web"}), "agent: the Service selects other pods"),
    (
        in_spec("Service", "agent", ports=[{"name": "http", "port": 80, "targetPort": "http"}]),
        "agent: the Service has another port",
    ),
    (
        in_spec("Service", "tfidf", ports=[{"name": "http", "port": 80, "targetPort": "http"}]),
        "agent: asks tfidf, which has no such Service",
    ),
    (without_manifest("NetworkPolicy", "default-deny"), "there is no default-deny policy"),
    (in_spec("NetworkPolicy", "agent", podSelector=NOBODY), "agent: the policy selects no pods"),
    (
        in_rule("agent", "ingress", **{"from": [{"podSelector": NOBODY}]}),
        "agent: the policy names a peer that does not exist",
    ),
    (in_rule("agent", "egress", to=[{"podSelector": NOBODY}]), "agent: the policy names a peer that does not exist"),
    (in_rule("agent", "egress", ports=[{"port": 8002}]), "agent: the policy names a port that does not exist"),
    (
        in_rule("metrics", "ingress", ports=[{"port": "numbers"}]),
        "metrics: the policy names a port that does not exist",
    ),
    (
        in_rule("metrics", "ingress", **{"from": [{"namespaceSelector": {"matchLabels": {}}}]}),
        "metrics: the policy names an unknown namespace",
    ),
    (in_rule("tfidf", "egress", ports=[{"port": 443}]), "tfidf: may reach any address"),
    (in_spec("Ingress", "web", tls=[]), "web: is not served over TLS"),
    (
        lambda these: by_name(these, "Service")["web"]["spec"]["ports"][0].update(name="pages"),
        "web: does not lead to the pages",
    ),
    (
        lambda these: by_name(these, "Namespace")["callcenterai-staging"]["metadata"].update(labels={}),
        "the namespace does not enforce the restricted standard",
    ),
]


@pytest.mark.parametrize("spoil, message", SPOILED, ids=[message for _, message in SPOILED])
def test_manifests_that_break_a_rule_are_found(spoil, message):
    # A copy through JSON: YAML aliases would otherwise share labels, and change in two places.
    spoiled = json.loads(json.dumps(staging_manifests()))
    spoil(spoiled)
    assert message in find_problems(spoiled)


def test_network_connection_needs_a_policy_on_both_sides():
    """Without either of the two policies, the agent does not reach the model service."""
    for name in ("agent", "tfidf"):
        manifests = staging_manifests()
        without_manifest("NetworkPolicy", name)(manifests)
        assert not can_reach(manifests, "agent", "tfidf")


def test_kubernetes_secret_is_documented_and_ships_empty():
    asked = {
        place["key"]
        for each in by_name(staging_manifests(), "Deployment").values()
        for place in secret_variables(each).values()
    }
    assert asked == documented_secrets()
    lines = DOCUMENTED.read_text(encoding="utf-8").splitlines()
    assert all(line.startswith("#") or line.endswith("=") for line in lines)
    ignored = subprocess.run(["git", "check-ignore", "-q", str(FOLDER / ".env")], cwd=REPOSITORY)
    assert ignored.returncode in (0, 128)  # 128: not a repository


def created(*command: str) -> Manifest:
    """Return what `kubectl create` would send."""
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl here")
    dry = ["kubectl", "create", *command, "--dry-run=client", "--output=yaml"]
    return yaml.safe_load(subprocess.run(dry, capture_output=True, text=True, check=True).stdout)


def test_kubectl_commands_of_the_guide_create_what_the_pods_need(tmp_path):
    """The Secret has the example's keys, and the routing policy is mounted where the agent looks for it."""
    filled_in = DOCUMENTED.read_text(encoding="utf-8").replace("=\n", "=x\n")
    (tmp_path / ".env").write_text(filled_in, encoding="utf-8")
    secret = created("secret", "generic", "callcenterai", f"--from-env-file={tmp_path / '.env'}")
    assert secret["data"].keys() == documented_secrets()
    (tmp_path / "policy.json").write_text("{}", encoding="utf-8")
    policy = created("configmap", "agent-policy", f"--from-file={tmp_path / 'policy.json'}")
    agent = by_name(staging_manifests(), "Deployment")["agent"]
    (volume,) = [each for each in pod_spec(agent)["volumes"] if each.get("configMap", {}).get("name") == "agent-policy"]
    (place,) = [each["mountPath"] for each in container_spec(agent)["volumeMounts"] if each["name"] == volume["name"]]
    assert [f"POLICY_FILE={place}/{name}" in dockerfile_text("agent") for name in policy["data"]] == [True]


FILLED_IN = {
    "DATABASE_URL": "postgresql://agent:x@postgres.example:5432/agent",
    "MLFLOW_TRACKING_URI": "http://mlflow.example:5000",
}


def filled_in(name: str) -> dict[str, str]:
    """Return the variables that come from the Secret, with values filled in."""
    places = secret_variables(by_name(staging_manifests(), "Deployment")[name]).items()
    return {variable: FILLED_IN.get(place["key"], "x" * 48) for variable, place in places}


@pytest.mark.parametrize("name", SERVICES)
def test_service_starts_with_the_variables_of_its_manifest(name, monkeypatch):
    """With the variables of image and manifest the service starts, and requires a key or the password."""
    for variable in SETTINGS[name].model_fields:
        monkeypatch.delenv(variable.upper(), raising=False)
    deployment = by_name(staging_manifests(), "Deployment")[name]
    image = dict(re.findall(r"\b(HOST|PORT)=(\S+)", dockerfile_text(name)))
    for variable, value in (image | literal_variables(deployment) | filled_in(name)).items():
        monkeypatch.setenv(variable, value)
    settings = SETTINGS[name]()
    importlib.import_module(f"services.{name}.app").make_app(settings)
    assert not settings.on_loopback and settings.port == container_spec(deployment)["ports"][0]["containerPort"]
    assert settings.web_password if name == "web" else settings.needs_key


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVICES)
def test_pod_runs_hardened_as_its_manifest_says(builder, name, tmp_path):
    """Podman stands in for a cluster: the pod is unprivileged and read-only, and not ready without its model."""
    deployment = by_name(staging_manifests(), "Deployment")[name]
    with played(deployment, builder.build_service(name), filled_in(name), tmp_path) as running:
        wait_until(lambda: running.statuses()["/health"] == 200, 60)
        assert running.statuses() == {"/health": 200, "/ready": 503}
        status = dict(line.split(":\t", 1) for line in running.execute("cat", "/proc/1/status").splitlines())
        assert set(status["Uid"].split()) == {"10001"} and status["NoNewPrivs"] == "1"
        assert int(status["CapEff"], 16) == 0 and status["Seccomp"] == "2"
        options = {
            line.split()[1]: line.split()[3].split(",") for line in running.execute("cat", "/proc/mounts").splitlines()
        }
        assert "ro" in options["/"] and "rw" in options["/tmp"]
