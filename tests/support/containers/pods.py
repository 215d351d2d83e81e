"""Start a pod of a Deployment from its manifest with `podman kube play`."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from support.containers.kubernetes import Manifest, container_spec, pod_spec

PROGRAM = """
import json, os, urllib.request
def status(path):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{os.environ['PORT']}{path}", timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
print(json.dumps({path: status(path) for path in ("/health", "/ready")}))
"""


class Pod:
    """A running pod with one container."""

    def __init__(self, name: str, service: str) -> None:
        """Find the pod by the names that Podman gives; they depend on its version."""
        self.name, self.container = f"{name}-pod", f"{name}-pod-{service}"
        if podman("pod", "exists", self.name).returncode:
            self.name, self.container = f"{name}-pod-0", f"{name}-pod-0-{service}"

    def execute(self, *command: str) -> str:
        """Run a command inside and return its stdout."""
        done = podman("exec", self.container, *command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def statuses(self) -> dict[str, int]:
        """Return the service's status on /health and /ready; 0 if there is no answer."""
        return json.loads(self.execute("python", "-c", PROGRAM))


def podman(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(["podman", *arguments], capture_output=True, text=True)


@contextmanager
def played(deployment: Manifest, image: str, variables: dict[str, str], folder: Path) -> Iterator[Pod]:
    """Start a pod, and remove it on exit.

    Only a cluster can provide Secrets, probes and published ports, so values are filled in and the others left out.
    """
    name = f"pod-{uuid.uuid4().hex[:8]}"
    mine = json.loads(json.dumps(deployment))
    mine["metadata"]["name"] = name
    own = container_spec(mine)
    own["image"] = image
    own["env"] = [
        {"name": each["name"], "value": each.get("value", variables.get(each["name"]))} for each in own["env"]
    ]
    for key in ("ports", "startupProbe", "readinessProbe", "livenessProbe", "lifecycle"):
        own.pop(key)
    assert pod_spec(mine)["securityContext"] and own["securityContext"]
    (folder / "pod.yaml").write_text(yaml.safe_dump(mine), encoding="utf-8")
    try:
        done = podman("kube", "play", str(folder / "pod.yaml"))
        if "finding pause binary" in done.stderr:
            pytest.skip("no catatonit here, without which podman makes no pods")
        assert done.returncode == 0, done.stderr[-2000:]
        yield Pod(name, own["name"])
    finally:
        podman("kube", "down", str(folder / "pod.yaml"))
