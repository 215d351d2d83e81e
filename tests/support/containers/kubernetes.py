"""Read the manifests of deploy/kubernetes, and check the rules that Kubernetes' schemas do not know."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from services.agent.settings import AgentSettings
from services.common.settings import ModelSettings
from services.web.settings import WebSettings
from support.repository import REPOSITORY

FOLDER = REPOSITORY / "deploy" / "kubernetes"
STAGING = FOLDER / "overlays" / "staging"
SHADOW = FOLDER / "components" / "shadow"
DOCUMENTED = FOLDER / "secret.env.example"
SETTINGS = {"tfidf": ModelSettings, "transformer": ModelSettings, "agent": AgentSettings, "web": WebSettings}
# The settings of all Deployments, also of those that no overlay has by default.
ALL_SETTINGS = SETTINGS | {"shadow": ModelSettings}
# Services that must run only once: the pages keep the files being classified on their own disk.
SINGLETONS = ("web",)
# Other namespaces that policies may name.
OTHER_NAMESPACES = ("kube-system", "monitoring", "traefik")
# Ports of MLflow and PostgreSQL, which run outside the namespace.
OUTSIDE_PORTS = (5000, 5432)
ENFORCE_LABEL = "pod-security.kubernetes.io/enforce"
COMPOSE = yaml.safe_load((REPOSITORY / "compose.yaml").read_text(encoding="utf-8"))["services"]

Manifest = dict[str, Any]


def read(path: Path) -> list[Manifest]:
    """Return the documents of a file."""
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def manifest_files(folder: Path) -> Iterator[Path]:
    """Yield the files that a kustomization names, directly or through folders."""
    for name in read(folder / "kustomization.yaml")[0]["resources"]:
        path = (folder / name).resolve()
        yield from manifest_files(path) if path.is_dir() else [path]


def staging_manifests() -> list[Manifest]:
    """Return all manifests of staging as written, before the overlay patches them."""
    return [manifest for path in manifest_files(STAGING) for manifest in read(path)]


def by_name(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    """Return the manifests of a kind by name."""
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == kind}


def pod_spec(deployment: Manifest) -> Manifest:
    return deployment["spec"]["template"]["spec"]


def container_spec(deployment: Manifest) -> Manifest:
    (only,) = pod_spec(deployment)["containers"]
    return only


def selected_deployments(manifests: list[Manifest], selector: Manifest) -> list[str]:
    """Return the names of the Deployments whose pods match a selector."""
    assert not selector.get("matchExpressions"), "these rules do not support expressions"
    wanted = selector.get("matchLabels", {}).items()
    deployments = by_name(manifests, "Deployment").items()
    return [name for name, each in deployments if wanted <= each["spec"]["template"]["metadata"]["labels"].items()]


def ports(deployment: Manifest) -> dict[Any, int]:
    """Return a container's ports by name and by number."""
    there = container_spec(deployment)["ports"]
    return {port["name"]: port["containerPort"] for port in there} | {
        port["containerPort"]: port["containerPort"] for port in there
    }


def dockerfile_text(name: str) -> str:
    """Return the Dockerfile of a service's image, which two services may share."""
    (image,) = re.findall(r"callcenterai-(\w+)", COMPOSE[name]["image"])
    return (REPOSITORY / f"Dockerfile.{image}").read_text(encoding="utf-8")


def in_bytes(size: str) -> int:
    """Return the bytes of a size such as 512Mi (Kubernetes) or 512m (compose)."""
    number, unit = re.fullmatch(r"(\d+)([mg]|[MG]i)", size).groups()
    return int(number) * {"m": 2**20, "g": 2**30}[unit[0].lower()]


def in_cores(amount: str) -> float:
    return int(amount[:-1]) / 1000 if amount.endswith("m") else float(amount)


def find_problems(manifests: list[Manifest]) -> list[str]:
    """Check the manifests against all rules and return what is wrong."""
    found = []
    for name, deployment in by_name(manifests, "Deployment").items():
        for rule in (privileges, limits, probes, shutdown, variables, placement):
            found += [f"{name}: {what}" for what in rule(name, deployment)]
    for rule in (budgets, scaling, services, network, ingress):
        found += rule(manifests)
    if [each["metadata"]["labels"].get(ENFORCE_LABEL) for each in by_name(manifests, "Namespace").values()] != [
        "restricted"
    ]:
        found.append("the namespace does not enforce the restricted standard")
    return found


def privileges(name: str, deployment: Manifest) -> Iterator[str]:
    """The container runs as the image's user, read-only, without capabilities and without a token."""
    spec, own = pod_spec(deployment), container_spec(deployment).get("securityContext", {})
    shared = spec.get("securityContext", {})
    user = re.search(r"^USER (\d+):(\d+)$", dockerfile_text(name), re.MULTILINE)
    if not shared.get("runAsNonRoot") or (shared.get("runAsUser"), shared.get("runAsGroup")) != tuple(
        map(int, user.groups())
    ):
        yield "does not run as the image's user"
    if not own.get("readOnlyRootFilesystem"):
        yield "its root file system is writable"
    if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
        yield "can gain privileges"
    if own.get("capabilities") != {"drop": ["ALL"]}:
        yield "has capabilities"
    if shared.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "has no seccomp profile"
    if spec.get("automountServiceAccountToken") is not False:
        yield "has a token for the cluster"
    if any(name.startswith("host") for name in spec):
        yield "shares a namespace with its node"


def limits(name: str, deployment: Manifest) -> Iterator[str]:
    """CPU, memory and the size of /tmp are limited as in compose.yaml."""
    given, compose = container_spec(deployment).get("resources", {}), COMPOSE[name]
    for kind, amount, most in (
        ("cpu", in_cores, compose["cpus"]),
        ("memory", in_bytes, in_bytes(compose["mem_limit"])),
    ):
        wanted, limit = (given.get(which, {}).get(kind) for which in ("requests", "limits"))
        if not wanted or not limit or amount(wanted) > amount(limit) or amount(limit) != most:
            yield f"{kind} limit differs from compose.yaml"
    (size,) = (text.partition("size=")[2] for text in compose.get("tmpfs", ["/tmp:size=64m"]))
    volumes = {each["name"]: each for each in pod_spec(deployment).get("volumes", [])}
    mounted = {
        each["mountPath"]: volumes.get(each["name"], {}) for each in container_spec(deployment).get("volumeMounts", [])
    }
    place = mounted.get("/tmp", {}).get("emptyDir", {})
    if place.get("medium") != "Memory" or in_bytes(place.get("sizeLimit", "0Mi")) != in_bytes(size):
        yield "/tmp differs from compose.yaml"


def probes(name: str, deployment: Manifest) -> Iterator[str]:
    """A service without its model is alive; the readiness of model services is /ready, which needs the model."""
    asked = {"startup": "/health", "liveness": "/health", "readiness": "/health"}
    if ALL_SETTINGS[name] is ModelSettings:
        asked["readiness"] = "/ready"
    for kind, path in asked.items():
        probe = container_spec(deployment).get(f"{kind}Probe", {}).get("httpGet", {})
        if probe.get("path") != path:
            yield f"its {kind} probe is not {path}"
        if probe.get("port") not in ports(deployment):
            yield f"its {kind} probe asks a port that does not exist"
    if f"\nEXPOSE {ports(deployment).get('http')}\n" not in dockerfile_text(name):
        yield "its port is not the image's"


def shutdown(name: str, deployment: Manifest) -> Iterator[str]:
    """The grace period covers the preStop sleep and the time for requests in flight; after it, Kubernetes kills."""
    kind, given = ALL_SETTINGS[name], literal_variables(deployment)
    in_flight = int(given.get("SHUTDOWN_SECONDS", kind.model_fields["shutdown_seconds"].default))
    command = container_spec(deployment).get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])
    if command[:1] != ["sleep"]:
        yield "stops while requests still arrive"
    elif pod_spec(deployment).get("terminationGracePeriodSeconds", 30) <= int(command[1]) + in_flight:
        yield "is killed before its requests are answered"


def literal_variables(deployment: Manifest) -> dict[str, str]:
    """Return the variables whose values are in the manifest."""
    return {each["name"]: each["value"] for each in container_spec(deployment)["env"] if "value" in each}


def secret_variables(deployment: Manifest) -> dict[str, Manifest]:
    """Return the variables that come from a Secret, with its name and the key."""
    env = [each for each in container_spec(deployment)["env"] if "valueFrom" in each]
    return {each["name"]: each["valueFrom"]["secretKeyRef"] for each in env}


def documented_secrets() -> set[str]:
    """Return the keys that the example of the Secret names."""
    return set(re.findall(r"^(\w+)=", DOCUMENTED.read_text(encoding="utf-8"), re.MULTILINE))


def variables(name: str, deployment: Manifest) -> Iterator[str]:
    """Every variable is a setting of the service, and secrets come from the documented Secret."""
    given, secret = literal_variables(deployment), secret_variables(deployment)
    known = {field.upper() for field in ALL_SETTINGS[name].model_fields}
    yield from (f"{variable} is not one of its settings" for variable in {*given, *secret} - known)
    for variable, place in secret.items():
        if place["name"] != "callcenterai" or place["key"] not in documented_secrets():
            yield f"the source of {variable} is not documented"
    yield from (
        f"{variable} ships with a value" for variable in given if re.search("PASSWORD|KEY|SECRET|BASE", variable)
    )
    # Set by the overlay or a component, or with a default that fits.
    optional = {"TRUSTED_PROXIES", "POLL_SECONDS", "SHADOW_URL", "SHADOW_API_KEY", "SHADOW_SHARE"}
    yield from (f"no {each}" for each in COMPOSE[name]["environment"].keys() - {*given, *secret} - optional)


def placement(name: str, deployment: Manifest) -> Iterator[str]:
    """Pods are labelled and spread over nodes; an update keeps them running, except for singletons."""
    labels, spec = deployment["spec"]["template"]["metadata"]["labels"], deployment["spec"]
    if not spec["selector"]["matchLabels"].items() <= labels.items():
        yield "its selector does not match its pods"
    if labels.get("app.kubernetes.io/name") != name or labels.get("app.kubernetes.io/part-of") != "callcenterai":
        yield "its pods lack the standard labels"
    if name in SINGLETONS:
        if spec.get("replicas") != 1 or spec.get("strategy", {}).get("type") != "Recreate":
            yield "may run twice"
        return
    if spec.get("strategy", {}).get("rollingUpdate", {}).get("maxUnavailable") != 0:
        yield "an update removes pods first"
    spread = pod_spec(deployment).get("topologySpreadConstraints", [])
    own = [each for each in spread if each["labelSelector"]["matchLabels"].items() <= labels.items()]
    if {each["topologyKey"] for each in own} != {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}:
        yield "its pods may all run on one node"


def budgets(manifests: list[Manifest]) -> Iterator[str]:
    """Every Deployment has one disruption budget, which lets one pod go at a time."""
    found = by_name(manifests, "PodDisruptionBudget")
    chosen = [selected_deployments(manifests, each["spec"]["selector"]) for each in found.values()]
    yield from (
        f"{name}: has no disruption budget" for name in by_name(manifests, "Deployment") if chosen.count([name]) != 1
    )
    yield from (
        f"{name}: blocks draining a node" for name, each in found.items() if each["spec"].get("maxUnavailable") != 1
    )


def scaling(manifests: list[Manifest]) -> Iterator[str]:
    """Every Deployment except singletons is scaled by an autoscaler, which alone decides its replicas."""
    deployments = by_name(manifests, "Deployment")
    targets = [each["spec"]["scaleTargetRef"] for each in by_name(manifests, "HorizontalPodAutoscaler").values()]
    for target in targets:
        if target["kind"] != "Deployment" or target["name"] not in deployments:
            yield f"{target['name']}: is scaled but does not exist"
    scaled = {target["name"] for target in targets}
    for name, deployment in deployments.items():
        if name in SINGLETONS and name in scaled:
            yield f"{name}: may run twice"
        if name not in SINGLETONS and (name not in scaled or "replicas" in deployment["spec"]):
            yield f"{name}: its replicas are not the autoscaler's"


def services(manifests: list[Manifest]) -> Iterator[str]:
    """Services select their own pods, and every address in a variable is that of a Service."""
    deployments, found = by_name(manifests, "Deployment"), by_name(manifests, "Service")
    for name, service in found.items():
        chosen = selected_deployments(manifests, {"matchLabels": service["spec"]["selector"]})
        if chosen != [name]:
            yield f"{name}: the Service selects other pods"
            continue
        for port in service["spec"]["ports"]:
            if ports(deployments[name]).get(port["targetPort"]) != port["port"]:
                yield f"{name}: the Service has another port"
    open_ports = {(name, port["port"]) for name, service in found.items() for port in service["spec"]["ports"]}
    for name, deployment in deployments.items():
        for address in re.findall(r"http://(\w+):(\d+)", " ".join(literal_variables(deployment).values())):
            if (address[0], int(address[1])) not in open_ports:
                yield f"{name}: asks {address[0]}, which has no such Service"


def network(manifests: list[Manifest]) -> Iterator[str]:
    """Traffic is denied by default, and policies name existing pods, ports and namespaces."""
    deployments = by_name(manifests, "Deployment")
    denied = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    if denied not in [each["spec"] for each in by_name(manifests, "NetworkPolicy").values()]:
        yield "there is no default-deny policy"
    for name, policy in by_name(manifests, "NetworkPolicy").items():
        own = selected_deployments(manifests, policy["spec"]["podSelector"])
        if not own:
            yield f"{name}: the policy selects no pods"
        for rule, peers in [
            (rule, rule.get(side, []))
            for kind, side in (("ingress", "from"), ("egress", "to"))
            for rule in policy["spec"].get(kind, [])
        ]:
            inside = [
                pod
                for peer in peers
                if "podSelector" in peer
                for pod in selected_deployments(manifests, peer["podSelector"])
            ]
            if any("podSelector" in peer for peer in peers) and not inside:
                yield f"{name}: the policy names a peer that does not exist"
            spaces = [peer["namespaceSelector"]["matchLabels"] for peer in peers if "namespaceSelector" in peer]
            if any(each.get("kubernetes.io/metadata.name") not in OTHER_NAMESPACES for each in spaces):
                yield f"{name}: the policy names an unknown namespace"
            taking = own if "from" in rule else inside
            for port in [] if not taking else rule["ports"]:
                if any(port["port"] not in ports(deployments[each]) for each in taking):
                    yield f"{name}: the policy names a port that does not exist"
            if not peers and {port["port"] for port in rule["ports"]} - set(OUTSIDE_PORTS):
                yield f"{name}: may reach any address"


def can_reach(manifests: list[Manifest], source: str, target: str) -> bool:
    """Whether the policies of both services allow one to reach the other at its port."""
    deployment = by_name(manifests, "Deployment")[target]
    policies = [each["spec"] for each in by_name(manifests, "NetworkPolicy").values()]

    def allows(kind: str, side: str, own: str, peer: str) -> bool:
        return any(
            peer in selected_deployments(manifests, each.get("podSelector", {"matchLabels": {"no": "pod"}}))
            and any(ports(deployment).get(port["port"]) for port in rule["ports"])
            for policy in policies
            if own in selected_deployments(manifests, policy["podSelector"])
            for rule in policy.get(kind, [])
            for each in rule.get(side, [])
        )

    return allows("egress", "to", source, target) and allows("ingress", "from", target, source)


def ingress(manifests: list[Manifest]) -> Iterator[str]:
    """From outside, only the pages can be reached, and over TLS."""
    services = by_name(manifests, "Service")
    for name, each in by_name(manifests, "Ingress").items():
        secure = {host for tls in each["spec"].get("tls", []) for host in tls["hosts"]}
        for rule in each["spec"]["rules"]:
            if rule["host"] not in secure:
                yield f"{name}: is not served over TLS"
            for path in rule["http"]["paths"]:
                asked = path["backend"]["service"]
                there = services.get(asked["name"], {"spec": {"ports": []}})["spec"]["ports"]
                if asked["name"] != "web" or asked["port"].get("name") not in {port["name"] for port in there}:
                    yield f"{name}: does not lead to the pages"
