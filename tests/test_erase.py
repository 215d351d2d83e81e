"""scripts/erase.py erases tickets, with people's answers, from the agent's database."""

import hashlib

import pytest

import erase
from services.agent.storage.outcomes import OutcomeStore
from support.answers import LAPTOP, PRINTER


def digest(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()


def stored(answered) -> set[str]:
    return {row["ticket_id"] for row in answered.store.waiting(100)[1]} | {row[2] for row in exported(answered)}


def exported(answered) -> list:
    answered.output.unlink(missing_ok=True)
    return answered.rows() if answered.export() == 0 else []


@pytest.mark.runs("python scripts/erase.py --ticket-id 5f0c2a")
def test_a_ticket_is_erased_with_its_answers_and_is_in_no_later_export(answered, capsys):
    answered.ask("5f0c2a", LAPTOP, "Hardware")
    answered.ask("other", PRINTER, "Hardware")
    assert erase.main(["--database", answered.url, "--ticket-id", "5f0c2a"]) == 0
    assert "5f0c2a\n" == capsys.readouterr().out
    assert {"other"} == stored(answered)


def test_tickets_with_certain_words_are_found_by_their_hash(answered, capsys):
    answered.ask("a", 'The laptop of "Anna Schmidt" is broken', "Hardware")
    answered.ask("b", "Anna Schmidts laptop", "Hardware")
    answered.ask("c", "waits for a person: Anna Schmidt.")
    answered.ask("d", LAPTOP)
    OutcomeStore(answered.store).add("d", "skipped", "Amina", "ask Anna Schmidt")
    command = ["--database", answered.url, "--contains-sha256", digest("Anna Schmidt")]
    assert erase.main([*command, "--dry-run"]) == 0
    assert ["a", "c", "d"] == capsys.readouterr().out.split()
    assert {"a", "b", "c", "d"} == stored(answered)
    assert erase.main(command) == 0
    assert {"b"} == stored(answered)


def test_a_whole_text_is_found_whatever_its_length(answered):
    text = "word " * 40 + "end"
    answered.ask("long", text, "Hardware")
    assert erase.main(["--database", answered.url, "--contains-sha256", digest(text).upper()]) == 0
    assert set() == stored(answered)


@pytest.mark.parametrize(
    "arguments, said",
    [
        ([], "name what to erase"),
        (["--contains-sha256", "abc"], "64 hexadecimal digits"),
        (["--ticket-id", "nobody"], "there is no ticket nobody"),
    ],
)
def test_what_cannot_be_erased_is_said_in_one_line(answered, error_line, arguments, said):
    assert erase.main(["--database", answered.url, *arguments]) == 2
    assert said in error_line()
