"""The pages as a process, and a test double of the agent's HTTP API that fails when it is told to."""

import json
import re
import sys
import threading
import time
import unicodedata
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.servers.services import Answer, Service

AGENT = [sys.executable, "-m", "services.agent.app"]
WEB = [sys.executable, "-m", "services.web.app"]
LABELS = ["Access", "HR Support", "Hardware", "Network", "Purchase", "Storage"]
# Together with these there are 77 categories, as in a data set of bank intents.
THINGS = ["card", "cheque", "currency", "direct_debit", "exchange", "loan", "mortgage", "refund", "top_up", "transfer"]
TROUBLES = ["is_declined", "takes_too_long", "fee_is_wrong", "not_recognised", "is_lost", "was_cancelled", "limits"]
MANY_LABELS = LABELS + [f"{thing}_{trouble}" for thing in THINGS for trouble in TROUBLES]
MANY_LABELS += ["balance_not_updated_after_cheque_or_cash_deposit"]
# The category that each word indicates, by its place in LABELS.
WORDS = {
    "password": 0,
    "acces": 0,
    "holiday": 1,
    "laptop": 2,
    "screen": 2,
    "printer": 2,
    "wifi": 3,
    "order": 4,
    "disk": 5,
}
TEST = {"accuracy": 0.938475, "accuracy_ci95": {"low": 0.928782, "high": 0.948167}}
TEST |= {"macro_f1": 0.938001, "macro_f1_ci95": {"low": 0.927332, "high": 0.947926}}
EMAIL = re.compile(r"\S+@\S+\.\w+")


class AgentDouble:
    """Answers like the agent, by words; `trouble` makes it fail: a status, "slow" or "nonsense"."""

    def __init__(self) -> None:
        """Listen on a free port."""
        self.labels = LABELS
        self.trouble: int | str | None = None
        self.waiting: dict[str, dict[str, Any]] = {}
        self.holds: dict[str, str | None] = {}
        self.answers: list[dict[str, Any]] = []
        self.outcomes: list[dict[str, Any]] = []
        self.team: dict[str, Any] = {}
        self.batches: dict[str, list[int]] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.days: list[dict[str, Any]] = []
        self.audits: dict[str, Any] = {"share": 0.01, "deciding": None, "recent": [], "weeks": []}
        self.pause, self.order = 0.0, ""
        self.lock = threading.Lock()
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                double.handle(self)

            do_POST = do_DELETE = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self) -> "AgentDouble":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take no connection any more."""
        self.server.shutdown()
        self.server.server_close()

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        path, length = urlsplit(request.path), int(request.headers.get("Content-Length") or 0)
        body = json.loads(request.rfile.read(length)) if length else {}
        self.asked.append((request.command, path.path, dict(request.headers)))
        if self.trouble == "slow":
            time.sleep(3)
        status, value = self.route(request.command, path.path, parse_qs(path.query), body)
        if isinstance(self.trouble, int):
            status, value = self.trouble, {"status": self.trouble, "detail": "the double was told to fail"}
        content = b"<html>" if self.trouble == "nonsense" else json.dumps(value).encode()
        try:
            request.send_response(status)
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            request.wfile.write(content)
        except OSError:
            request.close_connection = True  # the client has closed the connection

    def route(self, method: str, path: str, query: dict, body: dict) -> tuple[int, Any]:
        """Return status and answer."""
        with self.lock:
            if path == "/predict":
                return 200, self.predict(
                    "\n".join(filter(None, [body.get("subject"), body["text"]])),
                    body.get("store", True),
                    "explain" in query,
                )
            if path == "/predict/batch":
                time.sleep(self.pause)
                if any(text == "REFUSE ME" for text in body["texts"]):
                    return 422, {"status": 422, "detail": "the body is not what /docs describes", "errors": ["texts"]}
                found = [self.predict(text, body["store"], False) for text in body["texts"]]
                return 200, {"predictions": found}
            if path == "/reviews/next":
                return 200, {"waiting": len(self.waiting), "ticket": self.next_review(**body)}
            if path == "/feedback":
                return self.answer(body)
            if path == "/reviews/search":
                return 200, self.search({name: values[0] for name, values in query.items()})
            if path == "/feedback/bulk":
                return self.answer_all(body)
            if method == "DELETE" and path.startswith("/feedback/bulk/"):
                for number in self.batches[path.rpartition("/")[2]]:
                    self.withdraw(number)
                return 200, {"withdrawn": 1}
            if path == "/outcomes":
                return self.end_review(body)
            if method == "DELETE" and path.startswith("/outcomes/"):
                return self.withdraw(int(path.rpartition("/")[2]), self.outcomes)
            if method == "DELETE" and path.startswith("/tickets/"):
                return (204, {}) if self.waiting.pop(path.rpartition("/")[2], None) else (404, {})
            if method == "DELETE":
                return self.withdraw(int(path.rpartition("/")[2]))
            if path == "/team":
                return 200, self.team
            if path == "/audits":
                return 200, self.audits
            if path == "/volumes":
                return 200, {"days": self.days}
            return 200, self.status() if path == "/status" else {"status": "ok"}

    def predict(self, text: str, store: bool, explain: bool) -> dict[str, Any]:
        """Classify by words: one word leaves the model unsure, several of one category make it sure."""
        self.texts.append(text)
        scrubbed, removed = EMAIL.subn("[EMAIL]", text)
        plain = "".join(c for c in unicodedata.normalize("NFKD", scrubbed.lower()) if not unicodedata.combining(c))
        found = [word for word in re.findall(r"\w+", plain) if word in WORDS]
        counts = [1 + 4 * sum(WORDS[word] == place for word in found) ** 2 for place in range(len(LABELS))]
        order = sorted(range(len(LABELS)), key=lambda place: -counts[place])
        best = [{"category": LABELS[place], "probability": counts[place] / sum(counts)} for place in order[:3]]
        confidence, number = best[0]["probability"], len(self.texts)
        review = confidence < 0.6
        ticket = {
            "ticket_id": f"t-{number}",
            "category": LABELS[order[0]],
            "confidence": confidence,
            "best": best,
            "model": "tfidf",
            "reason": "the TF-IDF model answers alone",
            "reason_code": "alone_review" if review else "alone_auto",
            "language": "fr" if "é" in text else "en",
        }
        own = list(dict.fromkeys(found))
        terms = [{"term": w, "weight": 0.9 / (n + 1) if WORDS[w] == order[0] else -0.3} for n, w in enumerate(own)]
        if review and store:
            at = f"2026-11-24T09:{number % 60:02d}:00+00:00"
            kept = {"received_at": at, "text": scrubbed, "explanation": terms, "contrast": terms, "threshold": 0.8226}
            self.waiting[ticket["ticket_id"]] = ticket | kept
        more = {
            "decision": "review" if review else "auto",
            "degraded": False,
            "versions": {"tfidf": "3", "policy": "1"},
        }
        more["personal_data"] = {"email": removed} if removed else {}
        return ticket | more | ({"text": scrubbed, "explanation": terms} if explain else {})

    def next_review(
        self, reviewer: str, after: str = "", ticket_id: str = "", order: str = ""
    ) -> dict[str, Any] | None:
        """Give a reviewer a ticket that nobody else holds; it is held until the reviewer gets another one."""
        taken = {ticket for other, ticket in self.holds.items() if other != reviewer}
        free, own = [each for each in self.waiting if each not in taken], self.holds.get(reviewer)
        behind = [each for each in free if after and int(each[2:]) > int(after[2:])]
        choice = [ticket_id, *([own] if own != after else []), *behind, *free]
        found = next((each for each in choice if each in free), None)
        self.holds[reviewer], self.order = found, order
        return self.waiting[found] | {"answers": []} if found else None

    def answer(self, body: dict[str, Any]) -> tuple[int, Any]:
        """Store an answer; the ticket no longer waits."""
        if body["category"] not in self.labels:
            return 422, {"status": 422, "detail": f"there is no such category; there are: {', '.join(self.labels)}"}
        ticket = self.waiting.pop(body["ticket_id"], None)
        times = {"answered_at": "2026-11-24T10:00:00+00:00", "withdrawn_at": None}
        noted = {"answer_id": len(self.answers) + 1, "by": None} | times | body
        self.answers.append(noted | {"ticket": ticket, "withdrawn": False})
        return 201, noted

    def search(self, wanted: dict[str, str]) -> dict[str, Any]:
        """Return a page of two waiting tickets, filtered by words and category alone."""
        words, category = wanted.get("text", "").lower().split(), wanted.get("category")
        rows = [
            {name: ticket[name] for name in ("ticket_id", "received_at", "text", "language", "category", "confidence")}
            | {"kind": "unsure", "held": False}
            for ticket in self.waiting.values()
            if all(word in ticket["text"].lower() for word in words) and category in (None, ticket["category"])
        ]
        behind = [row for row in rows if int(row["ticket_id"][2:]) > int(wanted.get("after", "t-0")[2:])]
        following = behind[1]["ticket_id"] if len(behind) > 2 else None
        return {"count": len(rows), "tickets": behind[:2], "next": following}

    def answer_all(self, body: dict[str, Any]) -> tuple[int, Any]:
        """Give several tickets one category."""
        batch, found = f"{len(self.batches):032x}", [each for each in body["ticket_ids"] if each in self.waiting]
        answers = [self.answer({"ticket_id": each, "category": body["category"]})[1]["answer_id"] for each in found]
        self.batches[batch] = answers
        left_out = len(body["ticket_ids"]) - len(found)
        return 201, {"batch_id": batch, "category": body["category"], "answered": len(found), "left_out": left_out}

    def end_review(self, body: dict[str, Any]) -> tuple[int, Any]:
        """Store how a review ended without a category; the ticket no longer waits, unless it was skipped."""
        skipped = body["outcome"] == "skipped"
        ticket = (self.waiting.get if skipped else self.waiting.pop)(body["ticket_id"], None)
        times = {"given_at": "2026-11-24T10:00:00+00:00", "withdrawn_at": None}
        noted = {"outcome_id": len(self.outcomes) + 1, "by": None, "comment": None} | times | body
        self.outcomes.append(noted | {"ticket": ticket, "withdrawn": False})
        if ticket and skipped:
            ticket["outcomes"] = [noted]
        return 201, noted

    def withdraw(self, number: int, kept: list[dict[str, Any]] | None = None) -> tuple[int, Any]:
        """Withdraw an answer or an outcome; the ticket waits again, before those that arrived later."""
        answer = (self.answers if kept is None else kept)[number - 1]
        answer["withdrawn"] = True
        if answer["ticket"]:
            again = {answer["ticket_id"]: answer["ticket"]} | self.waiting
            self.waiting = dict(sorted(again.items(), key=lambda item: int(item[0][2:])))
        return 200, {}

    def status(self) -> dict[str, Any]:
        """Return the categories, one service that is ready and one that is not."""
        card = {"name": "callcenterai-tfidf-classifier", "version": "3", "stage": "Production", "threshold": 0.8226}
        card |= {"metrics": {"test": TEST, "validation": TEST}, "labels": self.labels}
        ready = {"ready": True, "version": "3", "breaker": "closed", "detail": "", "model": card}
        broken = {"ready": False, "version": None, "breaker": "opened", "detail": "connection refused", "model": None}
        return {"labels": self.labels, "policy": {}, "services": {"tfidf": ready, "transformer": broken}}


def start(folder: Path, agent_url: str, **variables: Any) -> Service:
    """Start the pages in front of an agent."""
    return Service(folder, WEB, AGENT_URL=agent_url, **variables)


class Visitor:
    """A visitor without a browser, who keeps the cookie and fills in forms."""

    def __init__(self, service: Service, **headers: str) -> None:
        """Starts without a session; the headers are sent with every request."""
        self.service, self.cookie, self.headers = service, "", headers

    def get(self, path: str, **headers: str) -> Answer:
        """Load a page."""
        return self._keep(self.service.get(path, Cookie=self.cookie, **self.headers, **headers))

    def post(self, path: str, token: str | None = None, **fields: str) -> Answer:
        """Send a form with the token of this session, or another one."""
        parts = fields | {"csrf": self.token() if token is None else token}
        return self.send(path, {name: (None, value.encode()) for name, value in parts.items()})

    def upload(self, content: bytes, name: str = "tickets.csv", **fields: str) -> Answer:
        """Upload a file, and return the response."""
        parts = {key: (None, value.encode()) for key, value in ({"csrf": self.token()} | fields).items()}
        return self.send("/batch", parts | {"file": (name, content)})

    def send(self, path: str, parts: dict[str, tuple[str | None, bytes]]) -> Answer:
        """Send a form as a browser does, multipart."""
        body = b""
        for field, (filename, content) in parts.items():
            of = f'; filename="{filename}"' if filename else ""
            body += f'--edge\r\nContent-Disposition: form-data; name="{field}"{of}\r\n\r\n'.encode() + content + b"\r\n"
        kind = {"Content-Type": "multipart/form-data; boundary=edge", "Cookie": self.cookie}
        return self._keep(self.service.ask("POST", path, body + b"--edge--\r\n", **kind, **self.headers))

    def token(self) -> str:
        """Return the token of this session's forms."""
        found = re.search(r'name="csrf" value="(\w+)"', self.get("/login").body.decode() + self.get("/").body.decode())
        return found[1] if found else ""

    def _keep(self, answer: Answer) -> Answer:
        if cookie := answer.headers["set-cookie"]:
            self.cookie = cookie.partition(";")[0]
        return answer
