"""The manifests are what Kubernetes takes, and mean what they say; as far as that can be shown without a cluster."""

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

from support.kubernetes import (
    DOCUMENTED,
    FOLDER,
    SETTINGS,
    STAGING,
    Manifest,
    assembled,
    container,
    documented,
    files,
    literals,
    of,
    pod,
    problems,
    reaches,
    read,
    recipe,
    secrets,
)
from support.pods import played
from support.processes import wait_until
from support.repository import REPOSITORY

# The oldest and the newest Kubernetes that the manifests are held against.
VERSIONS = ("1.28", "1.37")
VALIDATE = """
import json, sys
import kubernetes_validate
for manifest in json.load(sys.stdin):
    for version in sys.argv[1:]:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except Exception as error:
            print(manifest["kind"], manifest["metadata"]["name"], version, type(error).__name__, error.message)
"""
SERVICES = list(SETTINGS)


def render(folder: Path) -> list[Manifest]:
    """Return what `kubectl apply -k` would send; skip the test where there is no kubectl."""
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl here, which renders the overlay; the files themselves are checked all the same")
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return list(yaml.safe_load_all(done.stdout))


def names(manifests: list[Manifest]) -> list[tuple[str, str]]:
    return sorted((each["kind"], each["metadata"]["name"]) for each in manifests)


@pytest.fixture(scope="module")
def refused(validators: Path) -> Callable[[list[Manifest]], list[str]]:
    """Returns what Kubernetes' schemas have against manifests; a kind without a schema is refused too."""

    def ask(manifests: list[Manifest]) -> list[str]:
        command = [validators / "python", "-c", VALIDATE, *VERSIONS]
        done = subprocess.run(command, input=json.dumps(manifests), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return ask


@pytest.mark.slow
@pytest.mark.parametrize("path", [*files(STAGING), STAGING / "web.yaml"], ids=lambda path: path.name)
def test_every_file_follows_kubernetes_schemas(refused, path):
    """Strictly: a field that Kubernetes does not know is refused. Of a patch that is all there is to check."""
    found = refused(read(path))
    if path.name == "web.yaml" and path.parent == STAGING:
        found = [line for line in found if "'selector' is a required property" not in line]
    assert found == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "spoil",
    [
        lambda deployment: deployment["spec"].update(replica=2),
        lambda deployment: deployment["spec"].update(replicas="two"),
        lambda deployment: deployment["spec"].pop("selector"),
        lambda deployment: container(deployment)["livenessProbe"].update(periodSecond=1),
        lambda deployment: deployment.update(apiVersion="apps/v1beta1"),
    ],
)
def test_a_manifest_that_kubernetes_would_not_take_is_refused(refused, spoil):
    deployment = copy.deepcopy(of(assembled(), "Deployment")["web"])
    spoil(deployment)
    assert len(refused([deployment])) == len(VERSIONS)


@pytest.mark.slow
def test_what_is_sent_follows_the_schemas_and_keeps_the_rules(refused):
    """Rendered: the same objects as in the files, in one namespace, with images by digest."""
    sent = render(STAGING)
    assert refused(sent) == [] and problems(sent) == []
    assert names(sent) == names(assembled())
    assert {each["metadata"].get("namespace") for each in sent if each["kind"] != "Namespace"} == {
        "callcenterai-staging"
    }
    for name, deployment in of(sent, "Deployment").items():
        assert re.fullmatch(
            rf"[\w.-]+(/[\w.-]+)*/callcenterai-{name}@sha256:[0-9a-f]{{64}}", container(deployment)["image"]
        )
        assert deployment["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/instance"] == "staging"


def test_the_base_can_be_rendered_alone():
    """For overlays elsewhere."""
    assert names(render(FOLDER / "base")) == names([each for path in files(FOLDER / "base") for each in read(path)])


def test_the_pages_believe_the_proxy_that_stands_in_front_of_them():
    """Otherwise cookies would not be Secure, and one wrong password would count for everybody."""
    (patch,) = read(STAGING / "web.yaml")
    assert "TRUSTED_PROXIES" in literals(patch)
    rendered = of(render(STAGING), "Deployment")["web"]
    assert literals(patch).items() <= literals(rendered).items() and len(secrets(rendered)) == 6


def test_no_file_is_left_out():
    """What no kustomization names would never be sent, nor checked."""
    (overlay,) = read(STAGING / "kustomization.yaml")
    patches = [STAGING / patch["path"] for patch in overlay["patches"]]
    kustomizations = list(FOLDER.rglob("kustomization.yaml"))
    assert sorted(FOLDER.rglob("*.yaml")) == sorted([*files(STAGING), *patches, *kustomizations])
    assert sorted(image["name"] for image in overlay["images"]) == sorted(f"callcenterai-{name}" for name in SERVICES)


def test_they_keep_the_rules():
    assert problems(assembled()) == []
    assert sorted(of(assembled(), "Deployment")) == sorted(of(assembled(), "Service")) == sorted(SERVICES)


def test_who_reaches_whom_is_what_compose_says():
    """The pages ask the agent, the agent asks the models, and nobody asks anybody else."""
    manifests = assembled()
    found = {(a, b) for a in SERVICES for b in SERVICES if reaches(manifests, a, b)}
    assert found == {("web", "agent"), ("agent", "tfidf"), ("agent", "transformer")}


Spoil = Callable[[list[Manifest]], Any]


def in_pod(name: str, **what: Any) -> Spoil:
    return lambda manifests: pod(of(manifests, "Deployment")[name]).update(what)


def in_container(name: str, key: str, /, **what: Any) -> Spoil:
    return lambda manifests: container(of(manifests, "Deployment")[name])[key].update(what)


def without(name: str, key: str) -> Spoil:
    return lambda manifests: container(of(manifests, "Deployment")[name]).pop(key)


def in_spec(kind: str, name: str, /, **what: Any) -> Spoil:
    return lambda manifests: of(manifests, kind)[name]["spec"].update(what)


def removed(kind: str, name: str) -> Spoil:
    return lambda manifests: manifests.remove(of(manifests, kind)[name])


def with_variable(name: str, /, **variable: Any) -> Spoil:
    return lambda manifests: container(of(manifests, "Deployment")[name])["env"].append(variable)


def from_secret(secret: str, key: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": secret, "key": key}}


def in_rule(policy: str, kind: str, **what: Any) -> Spoil:
    return lambda manifests: of(manifests, "NetworkPolicy")[policy]["spec"][kind][0].update(what)


NOBODY = {"matchLabels": {"app.kubernetes.io/name": "nobody"}}
SPOILED = [
    (in_pod("tfidf", securityContext={"runAsNonRoot": True}), "tfidf: it is not the image's user"),
    (in_pod("tfidf", securityContext={"runAsUser": 10001, "runAsGroup": 10001}), "tfidf: it is not the image's user"),
    (in_pod("tfidf", securityContext={"runAsNonRoot": True}), "tfidf: no seccomp profile"),
    (in_pod("agent", automountServiceAccountToken=True), "agent: it has a key to the cluster"),
    (in_pod("agent", hostNetwork=True), "agent: it shares something with its node"),
    (in_container("web", "securityContext", readOnlyRootFilesystem=False), "web: it can write to its files"),
    (in_container("web", "securityContext", allowPrivilegeEscalation=True), "web: it can get privileges"),
    (
        in_container("web", "securityContext", capabilities={"drop": ["ALL"], "add": ["NET_RAW"]}),
        "web: it has capabilities",
    ),
    (without("tfidf", "securityContext"), "tfidf: it can write to its files"),
    (without("tfidf", "resources"), "tfidf: memory is not limited as in compose.yaml"),
    (
        in_container("tfidf", "resources", limits={"cpu": "1", "memory": "1Gi"}),
        "tfidf: memory is not limited as in compose.yaml",
    ),
    (
        in_container("tfidf", "resources", requests={"cpu": "2", "memory": "1Mi"}),
        "tfidf: cpu is not limited as in compose.yaml",
    ),
    (in_pod("agent", volumes=[]), "agent: /tmp is not what compose.yaml gives it"),
    (without("web", "startupProbe"), "web: its startup is not /health"),
    (
        in_container("tfidf", "livenessProbe", httpGet={"path": "/ready", "port": "http"}),
        "tfidf: its liveness is not /health",
    ),
    (
        in_container("tfidf", "readinessProbe", httpGet={"path": "/health", "port": "http"}),
        "tfidf: its readiness is not /ready",
    ),
    (
        in_container("web", "livenessProbe", httpGet={"path": "/health", "port": 80}),
        "web: its liveness is asked at a port that it has not",
    ),
    (
        lambda these: container(of(these, "Deployment")["web"])["ports"][0].update(containerPort=80),
        "web: its port is not the image's",
    ),
    (without("agent", "lifecycle"), "agent: it ends while requests still come"),
    (in_pod("agent", terminationGracePeriodSeconds=20), "agent: it is killed before its requests are answered"),
    (
        with_variable("agent", name="SHUTDOWN_SECONDS", value="60"),
        "agent: it is killed before its requests are answered",
    ),
    (with_variable("agent", name="TFIDF_ADDRESS", value="x"), "agent: TFIDF_ADDRESS is none of its settings"),
    (with_variable("web", name="API_KEYS", value="x"), "web: API_KEYS ships with a value"),
    (with_variable("agent", name="DATABASE_URL", value="sqlite:///x"), "agent: DATABASE_URL ships with a value"),
    (
        with_variable("web", name="API_KEYS", valueFrom=from_secret("other", "AGENT_API_KEY")),
        "web: nobody is told where API_KEYS comes from",
    ),
    (
        with_variable("web", name="API_KEYS", valueFrom=from_secret("callcenterai", "KEY")),
        "web: nobody is told where API_KEYS comes from",
    ),
    (lambda these: container(of(these, "Deployment")["agent"])["env"].pop(0), "agent: no TFIDF_URL"),
    (in_spec("Deployment", "web", replicas=2), "web: there may be two of it"),
    (in_spec("Deployment", "web", strategy={"type": "RollingUpdate"}), "web: there may be two of it"),
    (
        lambda these: of(these, "HorizontalPodAutoscaler")["agent"]["spec"]["scaleTargetRef"].update(name="web"),
        "web: there may be two of it",
    ),
    (in_spec("Deployment", "agent", replicas=2), "agent: its number is not the autoscaler's"),
    (removed("HorizontalPodAutoscaler", "tfidf"), "tfidf: its number is not the autoscaler's"),
    (
        lambda these: of(these, "HorizontalPodAutoscaler")["agent"]["spec"]["scaleTargetRef"].update(name="agents"),
        "agents: scaled, and not there",
    ),
    (in_spec("Deployment", "agent", strategy={"type": "Recreate"}), "agent: an update takes pods away first"),
    (in_pod("agent", topologySpreadConstraints=[]), "agent: its pods may all be on one node"),
    (in_spec("Deployment", "agent", selector=NOBODY), "agent: it does not know its own pods"),
    (
        lambda these: of(these, "Deployment")["agent"]["spec"]["template"]["metadata"].update(labels={}),
        "agent: its pods do not say what they are",
    ),
    (removed("PodDisruptionBudget", "web"), "web: no budget"),
    (in_spec("PodDisruptionBudget", "web", selector=NOBODY), "web: no budget"),
    (in_spec("PodDisruptionBudget", "web", maxUnavailable=0), "web: no node can be emptied"),
    (in_spec("Service", "agent", selector={"app.kubernetes.io/name": "web"}), "agent: a Service of other pods"),
    (
        in_spec("Service", "agent", ports=[{"name": "http", "port": 80, "targetPort": "http"}]),
        "agent: a Service at another port",
    ),
    (
        in_spec("Service", "tfidf", ports=[{"name": "http", "port": 80, "targetPort": "http"}]),
        "agent: asks tfidf, where nobody is",
    ),
    (removed("NetworkPolicy", "default-deny"), "what nobody allows is not refused"),
    (in_spec("NetworkPolicy", "agent", podSelector=NOBODY), "agent: a policy of no pods"),
    (in_rule("agent", "ingress", **{"from": [{"podSelector": NOBODY}]}), "agent: a peer that is not there"),
    (in_rule("agent", "egress", to=[{"podSelector": NOBODY}]), "agent: a peer that is not there"),
    (in_rule("agent", "egress", ports=[{"port": 8002}]), "agent: a port that nobody has"),
    (in_rule("metrics", "ingress", ports=[{"port": "metrics"}]), "metrics: a port that nobody has"),
    (
        in_rule("metrics", "ingress", **{"from": [{"namespaceSelector": {"matchLabels": {}}}]}),
        "metrics: a namespace that nobody knows",
    ),
    (in_rule("tfidf", "egress", ports=[{"port": 443}]), "tfidf: reaches anything"),
    (in_spec("Ingress", "web", tls=[]), "web: not over TLS"),
    (lambda these: of(these, "Service")["web"]["spec"]["ports"][0].update(name="pages"), "web: leads elsewhere"),
    (
        lambda these: of(these, "Namespace")["callcenterai-staging"]["metadata"].update(labels={}),
        "the namespace takes pods that are not restricted",
    ),
]


@pytest.mark.parametrize("spoil, said", SPOILED, ids=[said for _, said in SPOILED])
def test_manifests_that_break_a_rule_are_found_out(spoil, said):
    # Through JSON, since labels that YAML has once and names twice would be changed in both places.
    spoiled = json.loads(json.dumps(assembled()))
    spoil(spoiled)
    assert said in problems(spoiled)


def test_nobody_else_is_reached_when_a_policy_is_missing():
    """Both sides have to agree: without either policy the agent does not reach the models."""
    for name in ("agent", "tfidf"):
        manifests = assembled()
        removed("NetworkPolicy", name)(manifests)
        assert not reaches(manifests, "agent", "tfidf")


def test_the_secret_is_documented_in_one_place_and_ships_empty():
    asked = {place["key"] for each in of(assembled(), "Deployment").values() for place in secrets(each).values()}
    assert asked == documented()
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


def test_what_is_made_by_hand_is_what_the_pods_ask_for(tmp_path):
    """By the guide's commands: the Secret of the example's file, and the policy where the agent looks for it."""
    filled_in = DOCUMENTED.read_text(encoding="utf-8").replace("=\n", "=x\n")
    (tmp_path / ".env").write_text(filled_in, encoding="utf-8")
    secret = created("secret", "generic", "callcenterai", f"--from-env-file={tmp_path / '.env'}")
    assert secret["data"].keys() == documented()
    (tmp_path / "policy.json").write_text("{}", encoding="utf-8")
    policy = created("configmap", "agent-policy", f"--from-file={tmp_path / 'policy.json'}")
    agent = of(assembled(), "Deployment")["agent"]
    (volume,) = [each for each in pod(agent)["volumes"] if each.get("configMap", {}).get("name") == "agent-policy"]
    (place,) = [each["mountPath"] for each in container(agent)["volumeMounts"] if each["name"] == volume["name"]]
    assert [f"POLICY_FILE={place}/{name}" in recipe("agent") for name in policy["data"]] == [True]


FILLED_IN = {
    "DATABASE_URL": "postgresql://agent:x@postgres.example:5432/agent",
    "MLFLOW_TRACKING_URI": "http://mlflow.example:5000",
}


def filled_in(name: str) -> dict[str, str]:
    """Return the variables that come from the Secret, when somebody has filled it in."""
    places = secrets(of(assembled(), "Deployment")[name]).items()
    return {variable: FILLED_IN.get(place["key"], "x" * 48) for variable, place in places}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_starts_with_what_it_is_given(name, monkeypatch):
    """Made with the image's variables and the manifest's, and nobody gets in without a key or the password."""
    for variable in SETTINGS[name].model_fields:
        monkeypatch.delenv(variable.upper(), raising=False)
    deployment = of(assembled(), "Deployment")[name]
    image = dict(re.findall(r"\b(HOST|PORT)=(\S+)", recipe(name)))
    for variable, value in (image | literals(deployment) | filled_in(name)).items():
        monkeypatch.setenv(variable, value)
    settings = SETTINGS[name]()
    importlib.import_module(f"services.{name}.app").make_app(settings)
    assert not settings.on_loopback and settings.port == container(deployment)["ports"][0]["containerPort"]
    assert settings.web_password if name == "web" else settings.needs_key


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVICES)
def test_a_pod_is_alive_as_it_is_written(builder, name, tmp_path):
    """By podman, in place of a cluster: unprivileged, read-only, and not ready without what it needs."""
    deployment = of(assembled(), "Deployment")[name]
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
