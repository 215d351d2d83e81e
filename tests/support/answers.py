"""An agent's database with tickets and people's answers."""

import csv
from pathlib import Path

import export_feedback
from services.agent.storage.database import make_engine
from services.agent.storage.store import StoredTicket, TicketStore

LAPTOP, PRINTER, LEAVE = "my laptop is broken", "call [PHONE], the printer is on fire", "about my leave"


class Answered:
    """An agent's database with tickets and answers, and the export from it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "agent.db"
        self.url, self.output = f"sqlite:///{self.path.as_posix()}", folder / "feedback.csv"
        self.store = TicketStore(make_engine(self.url))
        self.store.prepare()

    def ask(self, ticket_id: str, text: str, *categories: str) -> list[int]:
        """Have people answer a ticket, one after the other, and return the answers' numbers."""
        answer = {"category": "Access", "confidence": 0.5, "decision": "review", "language": "en"}
        self.store.add([StoredTicket(ticket_id, text, answer, [])])
        found = [self.store.add_answer(ticket_id, category, "Amina", None)[0] for category in categories]
        return [each["answer_id"] for each in found]

    def export(self) -> int:
        return export_feedback.main([str(self.output), "--database", self.url])

    def rows(self) -> list[tuple[str, str, str]]:
        with self.output.open(encoding="utf-8", newline="") as file:
            return [(row["text"], row["label"], row["ticket_id"]) for row in csv.DictReader(file)]
