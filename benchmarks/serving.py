"""python benchmarks/serving.py

Compare the tfidf service with `mlflow models serve` and with a plain FastAPI service around the same model.

The model is the one in models/tfidf; MLflow serves it from the run that logged it. One service runs at a time, as one
process, and the same client sends it the tickets of the test part over kept-alive connections. The services take turns,
and each figure is the median of the rounds. Memory is the resident set of the service's processes after the load; ready
is the time from the start of the process to its first answer. Needs Linux, for /proc.

    python benchmarks/serving.py --each-choice

compares our service with itself instead: a model for each value of train_tfidf.features, trained on the same tickets.
"""

import argparse
import asyncio
import contextlib
import csv
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

from _path import ROOT
from callcenterai.core.cli import UserError, positive, run
from stages import stage_commands, tracking_variables, write_params

CLIENTS = (1, 8, 64)
TICKETS = 3000
PLAIN_SERVICE = """
import sys
sys.path.insert(0, ".")
from pathlib import Path
from fastapi import FastAPI
from pydantic import BaseModel
from callcenterai.artifact.folder import load_model
import uvicorn

model = load_model(Path(sys.argv[1]))
app = FastAPI()

class Ticket(BaseModel):
    text: str

@app.get("/ping")
def ping():
    return "ok"

@app.post("/predict")
def predict(ticket: Ticket):
    probabilities = model.predict_proba([ticket.text])[0]
    best = probabilities.argmax()
    return {"category": model.classes_[best], "confidence": float(probabilities[best])}

uvicorn.run(app, port=int(sys.argv[2]), log_level="warning")
"""


@dataclass
class Peer:
    """A service to measure: how to start it, where it answers, and the figures of each round."""

    name: str
    command: list[str]
    port: int
    ready_path: str
    path: str
    body: str
    environment: dict[str, str] = field(default_factory=dict)
    found: dict[int, list[tuple[float, float, float]]] = field(default_factory=dict)
    ready: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments, measure and print the table; return the exit code."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--each-choice", action="store_true")
    args, rest = parser.parse_known_args(argv)
    if not args.each_choice:
        return compare_services("tfidf", make_peers, __doc__, rest)
    with tempfile.TemporaryDirectory() as folder:
        return compare_services("tfidf", lambda model: train_choices(model, Path(folder)), __doc__, rest)


def compare_services(kind: str, make: Callable[[Path], list[Peer]], description: str, argv: list[str] | None) -> int:
    """Parse the arguments, measure the services that make returns for a model folder, and print the table."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / kind, help=f"folder; default: models/{kind}")
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "processed", help="default: data/processed")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each measurement; default: %(default)s")
    parser.add_argument("--rounds", type=positive, default=3, help="default: %(default)s")
    args = parser.parse_args(argv)
    return run(lambda: measure_services(args, make))


def measure_services(args: argparse.Namespace, make: Callable[[Path], list[Peer]]) -> None:
    """Measure all services and print the table."""
    with (args.data / "test.csv").open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)][:TICKETS]
    peers = make(args.model.resolve())
    for number in range(args.rounds):
        for peer in peers:
            print(f"round {number + 1} of {args.rounds}: {peer.name}", file=sys.stderr)
            measure_service(peer, texts, args.seconds, args.model.resolve())
    print(comparison_table(peers))


def make_peers(model: Path) -> list[Peer]:
    """Return our service and the two others, all with the same model."""
    from callcenterai.artifact.folder import MODEL_FILE, read_metadata
    from callcenterai.tracking import store

    experiment, client = store.connect("tfidf"), store.make_client()
    logged = f"tags.model_sha256 = '{read_metadata(model)['files'][MODEL_FILE]}'"
    runs = client.search_runs([experiment], logged, max_results=1)
    if not runs:
        raise UserError(f"no run in {store.tracking_uri()} has logged {model}: `python scripts/log_run.py` does")
    python = sys.executable
    served = ["-m", "mlflow", "models", "serve", "-m", f"runs:/{runs[0].info.run_id}/model", "--env-manager", "local"]
    return [
        Peer("ours", [python, "-m", "services.tfidf.app"], 8600, "/ready", "/predict", "text"),
        plain_peer(model),
        Peer("mlflow models serve", [python, *served, "--port", "8602"], 8602, "/ping", "/invocations", "inputs"),
    ]


def train_choices(model: Path, folder: Path) -> list[Peer]:
    """Return our service with a model for each kind of features, trained on the tickets of the given one."""
    from callcenterai.artifact.folder import read_metadata
    from callcenterai.tfidf.features import VECTORIZERS

    data = (ROOT / read_metadata(model)["data"]["train"]["path"]).parent
    peers = []
    for number, features in enumerate(VECTORIZERS):
        place = folder / features
        place.mkdir()
        write_params(place, train_tfidf={"features": features})
        command = [*stage_commands(place)["train_tfidf.py"], "--data", str(data)]
        environment = os.environ | tracking_variables(place)
        subprocess.run([sys.executable, *command], env=environment, stdout=sys.stderr, check=True)
        service = [sys.executable, "-m", "services.tfidf.app"]
        variables = {"MODEL_DIR": str(place / "tfidf")}
        peers.append(Peer(features, service, 8600 + number, "/ready", "/predict", "text", variables))
    return peers


def plain_peer(model: Path) -> Peer:
    """Return the service that one would write in an hour."""
    command = [sys.executable, "-c", PLAIN_SERVICE, str(model), "8601"]
    return Peer("plain FastAPI", command, 8601, "/ping", "/predict", "text")


def measure_service(peer: Peer, texts: list[str], seconds: float, model: Path) -> None:
    """Start a service, load it with each number of clients, record the figures, and stop it."""
    import uvloop

    from callcenterai.tracking import store

    ours = {"PORT": str(peer.port), "MODEL_DIR": str(model)} | peer.environment
    ours |= {"MLFLOW_TRACKING_URI": store.tracking_uri(), "MLFLOW_DISABLE_TELEMETRY": "true"}
    started = time.perf_counter()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(peer.command, cwd=ROOT, env=os.environ | ours, start_new_session=True, **quiet)
    try:
        wait_until_ready(f"http://127.0.0.1:{peer.port}{peer.ready_path}", process)
        peer.ready.append(time.perf_counter() - started)
        requests = [encode_request(peer, text) for text in texts]
        uvloop.run(send_load(peer.port, requests, 8, 1.0))
        for clients in CLIENTS:
            peer.found.setdefault(clients, []).append(uvloop.run(send_load(peer.port, requests, clients, seconds)))
        peer.megabytes.append(resident_megabytes(os.getpgid(process.pid)))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until_ready(url: str, process: subprocess.Popen) -> None:
    """Wait until the service answers; raise a RuntimeError when its process ends before."""
    while process.poll() is None:
        try:
            # bandit warns of file: addresses; this one is always http://127.0.0.1 and a path of ours.
            with urlopen(url, timeout=1):  # nosec B310
                return
        except OSError:
            time.sleep(0.01)
    raise RuntimeError(f"the service of {url} has ended with {process.returncode}")


def encode_request(peer: Peer, text: str) -> bytes:
    """Return the HTTP request that sends a text to this service."""
    body = json.dumps({"text": text} if peer.body == "text" else {"inputs": [text]}).encode()
    head = f"POST {peer.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Client(asyncio.Protocol):
    """A kept-alive connection that sends its next request as soon as the last is answered, with little CPU time."""

    def __init__(self, requests: list[bytes], first: int, end: float, latencies: list[float]) -> None:
        """Send requests in turn, from number `first` on, until the time `end`, when the future `done` is set."""
        self._requests, self._number, self._end, self._latencies = requests, first, end, latencies
        self._received, self.done = b"", asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Record the latency once an answer is complete, and send the next request."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]):
            return
        now = time.perf_counter()
        self._latencies.append(now - self._asked)
        self._received = b""
        if not head.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(f"an answer begins {head[:40]!r} {body!r}"))
        elif now < self._end:
            self._ask()
        else:
            self._transport.close()
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        """Fail if the service closed the connection."""
        if not self.done.done():
            self.done.set_exception(error or RuntimeError("the service has closed the connection"))

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        self._transport.write(self._requests[self._number % len(self._requests)])
        self._number += 1


async def send_load(port: int, requests: list[bytes], clients: int, seconds: float) -> tuple[float, float, float]:
    """Keep that many clients busy; return requests per second and the latency's median and 99th percentile in ms."""
    latencies: list[float] = []
    end = time.perf_counter() + seconds
    loop = asyncio.get_running_loop()
    made = [Client(requests, 97 * number, end, latencies) for number in range(clients)]
    for client in made:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)
    await asyncio.gather(*(client.done for client in made))
    cuts = statistics.quantiles(latencies, n=100)
    return len(latencies) / seconds, 1000 * cuts[49], 1000 * cuts[98]


def resident_megabytes(group: int) -> float:
    """Return the memory of a process group (Linux)."""
    pages = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(folder.name)) == group:
                pages += int((folder / "statm").read_text().split()[1])
        except OSError:
            continue  # the process has ended meanwhile
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def comparison_table(peers: list[Peer]) -> str:
    """Return the table: the figures of each service, and ours relative to each of the others."""
    header = ["", *(f"requests/s, {clients} clients" for clients in CLIENTS), "p50, p99 at 8 (ms)", "ready (s)", "MB"]
    rows = []
    for peer in peers:
        rates = [f"{median_figure(peer, clients, 0):,.0f}" for clients in CLIENTS]
        latency = f"{median_figure(peer, 8, 1):.1f}, {median_figure(peer, 8, 2):.1f}"
        ready, memory = statistics.median(peer.ready), statistics.median(peer.megabytes)
        rows.append([peer.name, *rates, latency, f"{ready:.1f}", f"{memory:.0f}"])
    ours = peers[0]
    for peer in peers[1:]:
        rates = [f"{median_figure(ours, clients, 0) / median_figure(peer, clients, 0):.1f} x" for clients in CLIENTS]
        latency = f"p99 1/{median_figure(peer, 8, 2) / median_figure(ours, 8, 2):.1f}"
        rows.append([f"{ours.name} against {peer.name}", *rates, latency, "", ""])
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def median_figure(peer: Peer, clients: int, which: int) -> float:
    """Return the median over the rounds of a figure that send_load() returns."""
    return statistics.median(figures[which] for figures in peer.found[clients])


if __name__ == "__main__":
    sys.exit(main())
