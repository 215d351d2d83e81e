"""Helpers for tests of the agent: model services that misbehave on command, and policies for two of them."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from support.processes import free_port
from support.servers.services import AGENT, Service

LABELS = ["HR Support", "Hardware", "Storage"]
SURE, UNSURE = "my laptop is broken again, please help me", "it is a vague thing, please help me"
# The accuracy that training promises above the threshold.
TARGET = 0.95
# The models know nothing of a text that begins so.
UNKNOWN = "unheard-of"
# A service that refuses some refuses a request with a text that begins so.
REFUSED = "refused"
# The probabilities that the two services give, in the order of LABELS; the first is unsure of a vague ticket.
TFIDF_SURE, TFIDF_UNSURE, TRANSFORMER_SAYS = [0.06, 0.9, 0.04], [0.35, 0.45, 0.2], [0.7, 0.2, 0.1]
# Short times in seconds, so that tests do not wait long for a slow service or an open breaker.
QUICK = {"ATTEMPT_SECONDS": 0.5, "BUDGET_SECONDS": 2, "BREAKER_FAILURES": 4, "BREAKER_SECONDS": 1}


class ModelService:
    """Serves the API of a model service on a thread, records its requests, and misbehaves when told to.

    `trouble` is how it misbehaves, `times` for how many requests; None means for all.
    """

    def __init__(self, says: Callable[[str], list[float]], threshold: float = 0.8, sha256: str = "a" * 64) -> None:
        """Start the service; says returns the probabilities of a text in the order of LABELS."""
        self.port, self._first = free_port(), (says, threshold, sha256)
        self._server: ThreadingHTTPServer | None = None
        self.reset()

    def reset(self) -> None:
        """Return to the state after the start: up, well-behaved, without recorded requests."""
        self.says, self.threshold, self.sha256 = self._first
        self.version, self.trouble, self.times = self.sha256[:12], None, None
        self.asked: list[dict[str, Any]] = []
        if not self._server:
            self.start()

    def __enter__(self) -> "ModelService":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def texts(self) -> list[str]:
        """All tickets of the recorded requests."""
        return [text for request in self.asked for text in request["texts"]]

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), type("Bound", (Handler,), {"service": self}))
        threading.Thread(target=self._server.serve_forever, args=(0.05,)).start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def misbehave(self, trouble: str | None, times: int | None = None) -> None:
        self.trouble, self.times = trouble, times

    def next_trouble(self) -> str | None:
        """Return how to misbehave on this request."""
        if self.times is not None:
            self.times -= 1
            if self.times < 0:
                self.misbehave(None)
        return self.trouble

    def predictions(self, texts: list[str]) -> list[dict[str, Any]]:
        found = []
        for text in texts:
            best = sorted(zip(self.says(text), LABELS, strict=True), reverse=True)
            confidence, category = best[0]
            prediction = {"category": category, "confidence": confidence, "model_version": self.version}
            prediction["best"] = [{"category": label, "probability": probability} for probability, label in best]
            prediction["known_text"] = not text.startswith(UNKNOWN)
            prediction["needs_review"] = confidence < self.threshold
            prediction["threshold"] = self.threshold
            prediction["contrast"] = [{"term": text.split()[-1], "weight": 0.5}]
            prediction["text_figures"] = {"characters": len(text), "unknown_words": 0.25}
            found.append(prediction | {"explanation": [{"term": text.split()[0], "weight": 1.5}]})
        return found


class Handler(BaseHTTPRequestHandler):
    """Answers one connection of a ModelService."""

    service: ModelService

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        me = self.service
        card = {"name": "a model", "version": me.version, "stage": None, "sha256": me.sha256, "labels": LABELS}
        metrics = {"test": {"auto_route": {"target_accuracy": TARGET}}}
        self.respond(200, json.dumps(card | {"threshold": me.threshold, "metrics": metrics}))

    def do_POST(self) -> None:
        texts = json.loads(self.rfile.read(int(self.headers["content-length"])))["texts"]
        query = {name: value[0] for name, value in parse_qs(urlsplit(self.path).query).items()}
        self.service.asked.append({"texts": texts, "query": query, "headers": dict(self.headers)})
        found = {"predictions": self.service.predictions(texts)}
        trouble = self.service.next_trouble()
        if trouble is None:
            self.respond(200, json.dumps(found))
        elif trouble == "refuses some":
            refused = any(text.startswith(REFUSED) for text in texts)
            self.respond(422 if refused else 200, "{}" if refused else json.dumps(found))
        elif trouble.isdecimal():
            self.respond(int(trouble), "{}")
        elif trouble == "slow":
            time.sleep(2)
            self.respond(200, json.dumps(found))
        elif trouble == "in drops":
            self.drip(json.dumps(found).encode())
        elif trouble == "hangs up":
            self.close_connection = True
        else:
            self.respond(200, self.spoil(trouble, found))

    def spoil(self, trouble: str, found: dict[str, Any]) -> str:
        """Return an invalid answer."""
        predictions = found["predictions"]
        if trouble == "broken JSON":
            return json.dumps(found)[:-5]
        if trouble == "too few":
            return json.dumps({"predictions": predictions[1:]})
        if trouble == "too many":
            return json.dumps({"predictions": predictions * 2})
        if trouble == "no category":
            return json.dumps({"predictions": [each | {"best": []} for each in predictions]})
        if trouble == "not a number":
            best = [{"category": label, "probability": float("nan")} for label in LABELS]
            return json.dumps({"predictions": [each | {"best": best} for each in predictions]})
        assert trouble == "another shape"
        return json.dumps([1, 2, 3])

    def drip(self, content: bytes) -> None:
        """Send a byte every tenth of a second: each wait is short, but all together are long."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        for byte in content[:40]:
            try:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
            except OSError:
                return
            time.sleep(0.1)

    def respond(self, status: int, body: str) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body.encode())
        except OSError:
            # The agent has closed the connection.
            pass


def tfidf_says(text: str) -> list[float]:
    return TFIDF_UNSURE if "vague" in text else TFIDF_SURE


def start_tfidf() -> ModelService:
    return ModelService(tfidf_says)


def start_transformer() -> ModelService:
    return ModelService(lambda text: TRANSFORMER_SAYS, threshold=0.6, sha256="b" * 64)


def policy_of(tfidf: str, transformer: str, labels: list[str] = LABELS, **changes: Any) -> dict[str, Any]:
    """Return a policy as fit_routing.py writes it, for the models of these hashes."""
    policy = {
        "format": 1,
        "labels": labels,
        "models": {"tfidf": tfidf, "transformer": transformer},
        "ask_below": 0.6,
        "weights": {"tfidf": 0.4, "transformer": 0.8},
        "biases": [round(0.15 * (-1) ** place - 0.03 * place, 6) for place in range(len(labels))],
        "threshold": 0.55,
        "target_accuracy": 0.95,
        "parameters": {},
        "milliseconds": {"tfidf": 0.1, "transformer": 10.0, "mean": 2.0},
    }
    return policy | changes


def write_policy(path: Path, policy: dict[str, Any]) -> None:
    """Write a policy atomically, as the pipeline does."""
    path.with_suffix(".new").write_text(json.dumps(policy), encoding="utf-8")
    path.with_suffix(".new").replace(path)


def start_agent(folder: Path, tfidf: str, transformer: str | None = None, **variables: Any) -> Service:
    """Return an agent that asks the services at these addresses, once it can answer and store."""
    places = {"TFIDF_URL": tfidf, "POLICY_FILE": folder / "policy.json"} | QUICK
    places |= {"DATABASE_URL": f"sqlite:///{(folder / 'agent.db').as_posix()}"}
    if transformer:
        places["TRANSFORMER_URL"] = transformer
    agent = Service(folder, AGENT, **(places | variables))
    try:
        agent.ready()
        key = {"Authorization": f"Bearer {variables['API_KEYS']}"} if "API_KEYS" in variables else {}
        agent.until(lambda: agent.get("/reviews", **key).status == 200)
    except BaseException:
        agent.__exit__()
        raise
    return agent


class World(NamedTuple):
    """Two services and an agent that asks both, shared by the tests of a module."""

    tfidf: ModelService
    transformer: ModelService
    agent: Service
    policy: Path

    def use(self, policy: dict[str, Any]) -> None:
        """Make the agent use a policy."""
        write_policy(self.policy, policy)
        shown = {name: policy[name] for name in ("ask_below", "threshold")} | {"in_force": True}
        self.agent.until(lambda: shown.items() <= self.agent.get("/status").json["policy"].items())

    def reset(self) -> None:
        """Remove the policy, and return both services to the state after their start."""
        self.policy.unlink(missing_ok=True)
        services = {"tfidf": self.tfidf, "transformer": self.transformer}
        for service in services.values():
            service.reset()

        def well() -> bool:
            status = self.agent.get("/status")
            return (
                status.status == 200 and "not there" in status.json["policy"]["detail"] and all(map(serves, services))
            )

        def serves(name: str) -> bool:
            card = self.agent.get("/status").json["services"][name]["model"] or {}
            answered = self.agent.post("/predict", {"text": SURE, "force_model": name}).status == 200
            return answered and card.get("sha256") == services[name].sha256

        self.agent.until(well)
        for service in services.values():
            service.reset()
