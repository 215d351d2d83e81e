"""A real image registry to deploy from, and a real ssh server to deploy to."""

import getpass
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest

from callcenterai.delivery.host import SSH
from support.processes import free_port, wait_until

SSHD = Path("/usr/sbin/sshd")


def podman(*arguments: str, feed: str | None = None) -> str:
    """Run podman and insist on success."""
    done = subprocess.run(["podman", *arguments], input=feed, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


class ImageRegistry:
    """An image registry on a free port, from which Podman pulls."""

    def __init__(self, folder: Path) -> None:
        """Start it; skip the test if docker-registry is not installed."""
        if shutil.which("docker-registry") is None:
            pytest.skip("no docker-registry here (apt-get install docker-registry)")
        self.folder, self.address = folder, f"127.0.0.1:{free_port()}"
        config = folder / "registry.yml"
        config.write_text(
            f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder / 'blobs'}}}}}\n"
            f"http: {{addr: '{self.address}'}}\n",
            encoding="utf-8",
        )
        # The registry speaks plain HTTP, and Podman has to be told so.
        self.podman_config = folder / "registries.conf"
        self.podman_config.write_text(f'[[registry]]\nlocation = "{self.address}"\ninsecure = true\n', encoding="utf-8")
        with (folder / "registry.log").open("wb") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log)
        try:
            wait_until(self._listens, 30)
        except BaseException:
            self.stop()
            raise

    def push(self, name: str, recipe: str = "") -> str:
        """Push a service's test image, with more Dockerfile lines if given, and return its name with digest."""
        built, there = f"callcenterai-{name}-test", f"{self.address}/callcenterai-{name}"
        if recipe:
            recipe = f"FROM localhost/callcenterai-{name}-test\n{recipe}\n"
            built = podman("build", "-q", "--format", "docker", "-", feed=recipe).splitlines()[-1]
        digest = self.folder / f"{name}.digest"
        podman("push", "-q", "--tls-verify=false", "--digestfile", str(digest), built, f"docker://{there}")
        if recipe:
            # Remove the local image, so that a deployment has to pull it.
            podman("rmi", built)
        return f"{there}@{digest.read_text(encoding='utf-8').strip()}"

    def is_here(self, image: str) -> bool:
        """Whether an image is on this machine."""
        repository, _, digest = image.partition("@")
        return f"{repository} {digest}" in podman("images", "--digests", "--format", "{{.Repository}} {{.Digest}}")

    def stop(self) -> None:
        """Stop it, and remove the images that were pulled from it."""
        self.process.terminate()
        self.process.wait()
        found = podman("images", "--digests", "--format", "{{.Repository}}@{{.Digest}}").splitlines()
        for name in set(found):
            if name.startswith(self.address):
                subprocess.run(["podman", "rmi", name], capture_output=True)

    def _listens(self) -> bool:
        assert self.process.poll() is None, (self.folder / "registry.log").read_text(encoding="utf-8")
        try:
            with urllib.request.urlopen(f"http://{self.address}/v2/", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False


class SshServer:
    """An sshd for this account on a free port, with a client configuration that knows its key."""

    def __init__(self, folder: Path, **variables: str) -> None:
        """Start it with these variables in its sessions; skip the test if sshd is not installed."""
        if not SSHD.is_file() or shutil.which("ssh") is None:
            pytest.skip("no sshd here (apt-get install openssh-server)")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self.folder, self.port = folder, free_port()
        for name in ("host_key", "key", "other_key"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / name)]
            subprocess.run(command, check=True, capture_output=True)
        shutil.copy(folder / "key.pub", folder / "authorized_keys")
        lines = [f"Port {self.port}", "ListenAddress 127.0.0.1", f"HostKey {folder / 'host_key'}", "UsePAM no"]
        lines += [f"AuthorizedKeysFile {folder / 'authorized_keys'}", "StrictModes no", "PidFile none"]
        lines += ["PasswordAuthentication no", "PermitRootLogin prohibit-password"]
        lines += [f"SetEnv {name}={value}" for name, value in variables.items()]
        (folder / "sshd_config").write_text("\n".join(lines) + "\n", encoding="utf-8")
        command = [str(SSHD), "-D", "-e", "-f", str(folder / "sshd_config")]
        with (folder / "sshd.log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.config = self.write_config("ssh_config", "host_key")
        try:
            wait_until(self._answers, 30)
        except BaseException:
            self.stop()
            raise

    def write_config(self, name: str, known: str, key: str = "key") -> Path:
        """Write a configuration for `ssh -F` with a host called staging, its known key and the key to log in with."""
        hosts, path = self.folder / f"{name}.known_hosts", self.folder / name
        public = (self.folder / f"{known}.pub").read_text(encoding="utf-8")
        hosts.write_text(f"[127.0.0.1]:{self.port} {public}", encoding="utf-8")
        path.write_text(
            f"Host staging\n  HostName 127.0.0.1\n  Port {self.port}\n  User {getpass.getuser()}\n"
            f"  IdentityFile {self.folder / key}\n  IdentitiesOnly yes\n  UserKnownHostsFile {hosts}\n"
            "  GlobalKnownHostsFile none\n",
            encoding="utf-8",
        )
        return path

    def stop(self) -> None:
        """Stop accepting connections."""
        self.process.terminate()
        self.process.wait()

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "sshd.log").read_text(encoding="utf-8")
        command = [*SSH, "-F", str(self.config), "--", "staging", "true"]
        return subprocess.run(command, capture_output=True).returncode == 0
