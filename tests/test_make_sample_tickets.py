"""The sample: the same bytes everywhere, varied, and never in the place of somebody's own data."""

import collections
import csv
import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import make_sample_tickets

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    path = tmp_path_factory.mktemp("sample") / "tickets.csv"
    assert make_sample_tickets.main([str(path)]) == 0
    return path


def rows(path: Path) -> list[dict]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


def test_pointer_in_git_matches_what_the_script_makes(sample):
    pointer = yaml.safe_load((ROOT / "data" / "raw" / "tickets.csv.dvc").read_text())["outs"][0]
    assert pointer["size"] == sample.stat().st_size
    assert pointer["md5"] == hashlib.md5(sample.read_bytes(), usedforsecurity=False).hexdigest()


def test_another_process_with_another_hash_seed_makes_the_same_bytes(sample, tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "make_sample_tickets.py"), str(tmp_path / "again.csv")]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": "12345"}, capture_output=True)
    assert (tmp_path / "again.csv").read_bytes() == sample.read_bytes()


def test_at_least_6000_tickets_of_eight_categories_in_two_languages(sample):
    tickets = rows(sample)
    counts = collections.Counter(ticket["category"] for ticket in tickets)
    assert len(tickets) >= 6000
    assert sorted(counts) == [
        "Access",
        "Administrative rights",
        "HR Support",
        "Hardware",
        "Internal Project",
        "Miscellaneous",
        "Purchase",
        "Storage",
    ]
    assert min(counts.values()) >= 300
    french = sum(f" {ticket['text']} ".lower().count(" le ") + ticket["text"].count("é") > 0 for ticket in tickets)
    assert 0.3 < french / len(tickets) < 0.5
    assert all(ticket["text"].strip() for ticket in tickets)
    assert len({ticket["text"] for ticket in tickets}) > 0.99 * len(tickets)


def test_own_data_is_not_overwritten_unless_forced(tmp_path, capsys):
    path = tmp_path / "tickets.csv"
    path.write_text("text,category\nmine,A\n")
    arguments = [str(path), "--tickets", "50"]
    assert make_sample_tickets.main(arguments) == 2
    assert "--force" in capsys.readouterr().err
    assert path.read_text() == "text,category\nmine,A\n"
    assert make_sample_tickets.main([*arguments, "--force"]) == 0
    assert len(rows(path)) == 50


def test_making_it_again_changes_nothing(tmp_path):
    path = tmp_path / "tickets.csv"
    assert make_sample_tickets.main([str(path), "--tickets", "50"]) == 0
    before = path.stat().st_mtime_ns
    assert make_sample_tickets.main([str(path), "--tickets", "50"]) == 0
    assert path.stat().st_mtime_ns == before


def test_no_tickets_is_refused(tmp_path, capsys):
    assert make_sample_tickets.main([str(tmp_path / "t.csv"), "--tickets", "0"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
