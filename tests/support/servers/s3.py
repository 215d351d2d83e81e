"""An S3 server in its own process that accepts only requests signed with its key."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import boto3

from support.processes import environment, free_port, wait_until

BUCKET = "tickets"
# The permissions that the guide names for the user of a remote, and no more.
ALLOWED = ["s3:ListBucket", "s3:GetObject", "s3:PutObject"]


class S3:
    """moto's server with one bucket and one user; it checks the signature of every request."""

    def __init__(self, folder: Path) -> None:
        """Start it."""
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        with (folder / "moto.txt").open("wb") as log:
            command = [sys.executable, "-m", "moto.server", "--port", str(self.port)]
            self.process = subprocess.Popen(command, env=environment(), stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until(self.answers, 120)
            self.client("s3").create_bucket(Bucket=BUCKET)
            self.key_id, self.secret = self.make_user()
            self.ask("/moto-api/reset-auth", b"0")
        except BaseException:
            self.kill()
            raise

    def client(self, service: str) -> Any:
        """Return a client of AWS's API; its key is not checked until the user exists."""
        session = boto3.Session("anybody", "anything", region_name="us-east-1")
        return session.client(service, endpoint_url=self.address)

    def make_user(self) -> tuple[str, str]:
        """Create the user and return the id and the secret of its key."""
        iam = self.client("iam")
        iam.create_user(UserName="team")
        policy = {"Effect": "Allow", "Action": ALLOWED, "Resource": ["*"]}
        document = json.dumps({"Version": "2012-10-17", "Statement": [policy]})
        iam.put_user_policy(UserName="team", PolicyName="remote", PolicyDocument=document)
        key = iam.create_access_key(UserName="team")["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def answers(self) -> bool:
        """Whether it has started."""
        assert self.process.poll() is None, "the server has ended by itself"
        try:
            return self.ask("/moto-api/data.json") != b""
        except OSError:
            return False

    def ask(self, path: str, body: bytes | None = None) -> bytes:
        """Send a request to one of moto's own paths and return the answer."""
        request = urllib.request.Request(self.address + path, body, {"Content-Type": "text/plain"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def kill(self) -> None:
        """Stop it."""
        self.process.kill()
        self.process.wait()
