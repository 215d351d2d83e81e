"""People's answers become tickets that prepare reads."""

import os
import sqlite3

import pytest

import export_feedback
from callcenterai.privacy.scrub import KINDS
from support.answers import LAPTOP, LEAVE, PRINTER
from support.tickets import invent


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_exported_answers_can_be_read_by_their_owner_alone(answered):
    answered.ask("first", LAPTOP, "Hardware")
    assert answered.export() == 0
    assert answered.output.stat().st_mode & 0o777 == 0o600


def test_the_last_standing_answer_counts(answered, capsys):
    """Neither a withdrawn answer counts, nor an earlier one, nor one to a text that differs only in case and spaces."""
    answered.ask("first", LAPTOP, "Hardware")
    answered.ask("second", PRINTER, "Storage", "Hardware")
    withdrawn = answered.ask("third", LEAVE, "HR Support", "Purchase")
    answered.store.withdraw(withdrawn[1])
    answered.ask("fourth", "nobody has answered this")
    answered.ask("fifth", f"  {LAPTOP.upper()} ", "Purchase")
    assert answered.export() == 0
    neutral = PRINTER.replace("[PHONE]", "\N{HORIZONTAL ELLIPSIS}")
    expected = [(neutral, "Hardware", "second"), (LEAVE, "HR Support", "third")]
    assert expected + [(f"  {LAPTOP.upper()} ", "Purchase", "fifth")] == answered.rows()
    assert capsys.readouterr().out == f"{answered.output}: tickets written: 3; answers read: 5\n"
    before = answered.output.read_bytes()
    assert answered.export() == 0
    assert answered.output.read_bytes() == before


def test_prepare_reads_the_export(answered, prepare):
    tickets = invent(90)
    answered.ask("hard", tickets[0][0], "B")
    assert answered.export() == 0
    assert prepare.run(prepare.write(tickets), feedback_input=str(answered.output)) == 0
    assert ["B"] == [row["label"] for row in prepare.read("train") if row["text"] == tickets[0][0]]


def test_every_placeholder_of_the_agent_becomes_an_ellipsis(answered):
    """The models read them so; [NAME] is none of the agent's and stays."""
    answered.ask("first", " ".join(["[NAME]", *(f"[{kind.upper()}]" for kind in KINDS)]), "Hardware")
    assert answered.export() == 0
    assert [" ".join(["[NAME]", *["\N{HORIZONTAL ELLIPSIS}"] * len(KINDS)])] == [row[0] for row in answered.rows()]


def test_a_failed_export_is_one_error_line(answered, tmp_path, error_line):
    assert answered.export() == 2
    assert error_line().startswith("nobody has answered a ticket yet")
    assert not answered.output.exists()
    output = str(answered.output)
    missing = tmp_path / "nowhere.db"
    assert export_feedback.main([output, "--database", f"sqlite:///{missing.as_posix()}"]) == 2
    assert f"{missing.as_posix()}: no such database; name the agent's with --database or DATABASE_URL" == error_line()
    assert not missing.exists()
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE something (id)").connection.close()
    for url in (f"sqlite:///{(tmp_path / 'other.db').as_posix()}", "postgresql://nobody@127.0.0.1:1/agent"):
        assert export_feedback.main([output, "--database", url]) == 2
        assert error_line().startswith("the agent's tables cannot be used (")
    for url in ("agent.db", "nosuch://x"):
        assert export_feedback.main([output, "--database", url]) == 2
        assert error_line().startswith("--database is not an address such as")
