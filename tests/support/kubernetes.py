"""The manifests of deploy/kubernetes, read without any tool, and the rules that Kubernetes' schema does not know."""

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
DOCUMENTED = FOLDER / "secret.env.example"
SETTINGS = {"tfidf": ModelSettings, "transformer": ModelSettings, "agent": AgentSettings, "web": WebSettings}
# One process alone may have the files that are being classified.
ALONE = ("web",)
# Which others may be named, by the label that every namespace has.
OTHER_NAMESPACES = ("kube-system", "monitoring", "traefik")
# MLflow's port and PostgreSQL's, which are not in the cluster's namespace.
OUTSIDE = (5000, 5432)
RESTRICTED = "pod-security.kubernetes.io/enforce"
COMPOSE = yaml.safe_load((REPOSITORY / "compose.yaml").read_text(encoding="utf-8"))["services"]

Manifest = dict[str, Any]


def read(path: Path) -> list[Manifest]:
    """Return the documents of a file."""
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def files(folder: Path) -> Iterator[Path]:
    """Yield the files that a kustomization names, and those of the folders that it names."""
    for name in read(folder / "kustomization.yaml")[0]["resources"]:
        path = (folder / name).resolve()
        yield from files(path) if path.is_dir() else [path]


def assembled() -> list[Manifest]:
    """Return all manifests of staging as they are written, before the overlay changes them."""
    return [manifest for path in files(STAGING) for manifest in read(path)]


def of(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    """Return the manifests of a kind by name."""
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == kind}


def pod(deployment: Manifest) -> Manifest:
    return deployment["spec"]["template"]["spec"]


def container(deployment: Manifest) -> Manifest:
    (only,) = pod(deployment)["containers"]
    return only


def selected(manifests: list[Manifest], selector: Manifest) -> list[str]:
    """Return the Deployments whose pods a selector chooses."""
    assert not selector.get("matchExpressions"), "the rules know no expressions"
    wanted = selector.get("matchLabels", {}).items()
    deployments = of(manifests, "Deployment").items()
    return [name for name, each in deployments if wanted <= each["spec"]["template"]["metadata"]["labels"].items()]


def ports(deployment: Manifest) -> dict[Any, int]:
    """Return a container's ports by name and by number."""
    there = container(deployment)["ports"]
    return {port["name"]: port["containerPort"] for port in there} | {
        port["containerPort"]: port["containerPort"] for port in there
    }


def recipe(name: str) -> str:
    return (REPOSITORY / f"Dockerfile.{name}").read_text(encoding="utf-8")


def in_bytes(size: str) -> int:
    """Return how much Kubernetes means by 512Mi or compose by 512m."""
    number, unit = re.fullmatch(r"(\d+)([mg]|[MG]i)", size).groups()
    return int(number) * {"m": 2**20, "g": 2**30}[unit[0].lower()]


def cores(amount: str) -> float:
    return int(amount[:-1]) / 1000 if amount.endswith("m") else float(amount)


def problems(manifests: list[Manifest]) -> list[str]:
    """Return what is wrong with a set of manifests; these are the rules."""
    found = []
    for name, deployment in of(manifests, "Deployment").items():
        for rule in (privileges, limits, probes, end, variables, placement):
            found += [f"{name}: {what}" for what in rule(name, deployment)]
    for rule in (budgets, scaling, services, network, entrance):
        found += rule(manifests)
    if [each["metadata"]["labels"].get(RESTRICTED) for each in of(manifests, "Namespace").values()] != ["restricted"]:
        found.append("the namespace takes pods that are not restricted")
    return found


def privileges(name: str, deployment: Manifest) -> Iterator[str]:
    spec, own = pod(deployment), container(deployment).get("securityContext", {})
    shared = spec.get("securityContext", {})
    user = re.search(r"^USER (\d+):(\d+)$", recipe(name), re.MULTILINE)
    if not shared.get("runAsNonRoot") or (shared.get("runAsUser"), shared.get("runAsGroup")) != tuple(
        map(int, user.groups())
    ):
        yield "it is not the image's user"
    if not own.get("readOnlyRootFilesystem"):
        yield "it can write to its files"
    if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
        yield "it can get privileges"
    if own.get("capabilities") != {"drop": ["ALL"]}:
        yield "it has capabilities"
    if shared.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "no seccomp profile"
    if spec.get("automountServiceAccountToken") is not False:
        yield "it has a key to the cluster"
    if any(name.startswith("host") for name in spec):
        yield "it shares something with its node"


def limits(name: str, deployment: Manifest) -> Iterator[str]:
    """As compose.yaml has them, files in memory included."""
    given, compose = container(deployment).get("resources", {}), COMPOSE[name]
    for kind, amount, most in (("cpu", cores, compose["cpus"]), ("memory", in_bytes, in_bytes(compose["mem_limit"]))):
        wanted, limit = (given.get(which, {}).get(kind) for which in ("requests", "limits"))
        if not wanted or not limit or amount(wanted) > amount(limit) or amount(limit) != most:
            yield f"{kind} is not limited as in compose.yaml"
    (size,) = (text.partition("size=")[2] for text in compose.get("tmpfs", ["/tmp:size=64m"]))
    volumes = {each["name"]: each for each in pod(deployment).get("volumes", [])}
    mounted = {
        each["mountPath"]: volumes.get(each["name"], {}) for each in container(deployment).get("volumeMounts", [])
    }
    place = mounted.get("/tmp", {}).get("emptyDir", {})
    if place.get("medium") != "Memory" or in_bytes(place.get("sizeLimit", "0Mi")) != in_bytes(size):
        yield "/tmp is not what compose.yaml gives it"


def probes(name: str, deployment: Manifest) -> Iterator[str]:
    """A service without a model is alive, and only services that have one are asked whether they have it."""
    asked = {"startup": "/health", "liveness": "/health", "readiness": "/health"}
    if SETTINGS[name] is ModelSettings:
        asked["readiness"] = "/ready"
    for kind, path in asked.items():
        probe = container(deployment).get(f"{kind}Probe", {}).get("httpGet", {})
        if probe.get("path") != path:
            yield f"its {kind} is not {path}"
        if probe.get("port") not in ports(deployment):
            yield f"its {kind} is asked at a port that it has not"
    if f"\nEXPOSE {ports(deployment).get('http')}\n" not in recipe(name):
        yield "its port is not the image's"


def end(name: str, deployment: Manifest) -> Iterator[str]:
    """Kubernetes kills what has not ended in time, so requests in flight must fit in."""
    kind, given = SETTINGS[name], literals(deployment)
    shutdown = int(given.get("SHUTDOWN_SECONDS", kind.model_fields["shutdown_seconds"].default))
    command = container(deployment).get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])
    if command[:1] != ["sleep"]:
        yield "it ends while requests still come"
    elif pod(deployment).get("terminationGracePeriodSeconds", 30) <= int(command[1]) + shutdown:
        yield "it is killed before its requests are answered"


def literals(deployment: Manifest) -> dict[str, str]:
    """Return the variables whose values stand in the manifest."""
    return {each["name"]: each["value"] for each in container(deployment)["env"] if "value" in each}


def secrets(deployment: Manifest) -> dict[str, Manifest]:
    """Return the variables that come from a Secret, and from where in it."""
    env = [each for each in container(deployment)["env"] if "valueFrom" in each]
    return {each["name"]: each["valueFrom"]["secretKeyRef"] for each in env}


def documented() -> set[str]:
    """Return what is said to be in the Secret."""
    return set(re.findall(r"^(\w+)=", DOCUMENTED.read_text(encoding="utf-8"), re.MULTILINE))


def variables(name: str, deployment: Manifest) -> Iterator[str]:
    given, secret = literals(deployment), secrets(deployment)
    known = {field.upper() for field in SETTINGS[name].model_fields}
    yield from (f"{variable} is none of its settings" for variable in {*given, *secret} - known)
    for variable, place in secret.items():
        if place["name"] != "callcenterai" or place["key"] not in documented():
            yield f"nobody is told where {variable} comes from"
    yield from (
        f"{variable} ships with a value" for variable in given if re.search("PASSWORD|KEY|SECRET|BASE", variable)
    )
    # By what the overlay adds, or has a default that fits.
    elsewhere = {"TRUSTED_PROXIES", "POLL_SECONDS"}
    yield from (f"no {each}" for each in COMPOSE[name]["environment"].keys() - {*given, *secret} - elsewhere)


def placement(name: str, deployment: Manifest) -> Iterator[str]:
    labels, spec = deployment["spec"]["template"]["metadata"]["labels"], deployment["spec"]
    if not spec["selector"]["matchLabels"].items() <= labels.items():
        yield "it does not know its own pods"
    if labels.get("app.kubernetes.io/name") != name or labels.get("app.kubernetes.io/part-of") != "callcenterai":
        yield "its pods do not say what they are"
    if name in ALONE:
        if spec.get("replicas") != 1 or spec.get("strategy", {}).get("type") != "Recreate":
            yield "there may be two of it"
        return
    if spec.get("strategy", {}).get("rollingUpdate", {}).get("maxUnavailable") != 0:
        yield "an update takes pods away first"
    spread = pod(deployment).get("topologySpreadConstraints", [])
    own = [each for each in spread if each["labelSelector"]["matchLabels"].items() <= labels.items()]
    if {each["topologyKey"] for each in own} != {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}:
        yield "its pods may all be on one node"


def budgets(manifests: list[Manifest]) -> Iterator[str]:
    found = of(manifests, "PodDisruptionBudget")
    chosen = [selected(manifests, each["spec"]["selector"]) for each in found.values()]
    yield from (f"{name}: no budget" for name in of(manifests, "Deployment") if chosen.count([name]) != 1)
    yield from (
        f"{name}: no node can be emptied" for name, each in found.items() if each["spec"].get("maxUnavailable") != 1
    )


def scaling(manifests: list[Manifest]) -> Iterator[str]:
    deployments = of(manifests, "Deployment")
    targets = [each["spec"]["scaleTargetRef"] for each in of(manifests, "HorizontalPodAutoscaler").values()]
    for target in targets:
        if target["kind"] != "Deployment" or target["name"] not in deployments:
            yield f"{target['name']}: scaled, and not there"
    scaled = {target["name"] for target in targets}
    for name, deployment in deployments.items():
        if name in ALONE and name in scaled:
            yield f"{name}: there may be two of it"
        if name not in ALONE and (name not in scaled or "replicas" in deployment["spec"]):
            yield f"{name}: its number is not the autoscaler's"


def services(manifests: list[Manifest]) -> Iterator[str]:
    deployments, found = of(manifests, "Deployment"), of(manifests, "Service")
    for name, service in found.items():
        chosen = selected(manifests, {"matchLabels": service["spec"]["selector"]})
        if chosen != [name]:
            yield f"{name}: a Service of other pods"
            continue
        for port in service["spec"]["ports"]:
            if ports(deployments[name]).get(port["targetPort"]) != port["port"]:
                yield f"{name}: a Service at another port"
    open_ports = {(name, port["port"]) for name, service in found.items() for port in service["spec"]["ports"]}
    for name, deployment in deployments.items():
        for address in re.findall(r"http://(\w+):(\d+)", " ".join(literals(deployment).values())):
            if (address[0], int(address[1])) not in open_ports:
                yield f"{name}: asks {address[0]}, where nobody is"


def network(manifests: list[Manifest]) -> Iterator[str]:
    deployments = of(manifests, "Deployment")
    denied = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    if denied not in [each["spec"] for each in of(manifests, "NetworkPolicy").values()]:
        yield "what nobody allows is not refused"
    for name, policy in of(manifests, "NetworkPolicy").items():
        own = selected(manifests, policy["spec"]["podSelector"])
        if not own:
            yield f"{name}: a policy of no pods"
        for rule, peers in [
            (rule, rule.get(side, []))
            for kind, side in (("ingress", "from"), ("egress", "to"))
            for rule in policy["spec"].get(kind, [])
        ]:
            inside = [
                pod for peer in peers if "podSelector" in peer for pod in selected(manifests, peer["podSelector"])
            ]
            if any("podSelector" in peer for peer in peers) and not inside:
                yield f"{name}: a peer that is not there"
            spaces = [peer["namespaceSelector"]["matchLabels"] for peer in peers if "namespaceSelector" in peer]
            if any(each.get("kubernetes.io/metadata.name") not in OTHER_NAMESPACES for each in spaces):
                yield f"{name}: a namespace that nobody knows"
            taking = own if "from" in rule else inside
            for port in [] if not taking else rule["ports"]:
                if any(port["port"] not in ports(deployments[each]) for each in taking):
                    yield f"{name}: a port that nobody has"
            if not peers and {port["port"] for port in rule["ports"]} - set(OUTSIDE):
                yield f"{name}: reaches anything"


def reaches(manifests: list[Manifest], source: str, target: str) -> bool:
    """Whether the policies let a service reach another at its port: both its own and the other's have to."""
    deployment = of(manifests, "Deployment")[target]
    policies = [each["spec"] for each in of(manifests, "NetworkPolicy").values()]

    def lets(kind: str, side: str, own: str, peer: str) -> bool:
        return any(
            peer in selected(manifests, each.get("podSelector", {"matchLabels": {"no": "pod"}}))
            and any(ports(deployment).get(port["port"]) for port in rule["ports"])
            for policy in policies
            if own in selected(manifests, policy["podSelector"])
            for rule in policy.get(kind, [])
            for each in rule.get(side, [])
        )

    return lets("egress", "to", source, target) and lets("ingress", "from", target, source)


def entrance(manifests: list[Manifest]) -> Iterator[str]:
    """What is reached from outside is the pages, over TLS."""
    services = of(manifests, "Service")
    for name, ingress in of(manifests, "Ingress").items():
        secure = {host for tls in ingress["spec"].get("tls", []) for host in tls["hosts"]}
        for rule in ingress["spec"]["rules"]:
            if rule["host"] not in secure:
                yield f"{name}: not over TLS"
            for path in rule["http"]["paths"]:
                asked = path["backend"]["service"]
                there = services.get(asked["name"], {"spec": {"ports": []}})["spec"]["ports"]
                if asked["name"] != "web" or asked["port"].get("name") not in {port["name"] for port in there}:
                    yield f"{name}: leads elsewhere"
