"""The sample: the same bytes everywhere, varied tickets, and nobody's own data is overwritten."""

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
from callcenterai.data.fingerprints import fold, sign
from callcenterai.data.near_duplicates import near_duplicate_groups
from support.repository import REPOSITORY


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    path = tmp_path_factory.mktemp("sample") / "tickets.csv"
    assert make_sample_tickets.main([str(path)]) == 0
    return path


def rows(path: Path) -> list[dict]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


def test_the_sample_matches_the_dvc_pointer_in_git(sample):
    path = REPOSITORY / "data" / "raw" / "tickets.csv.dvc"
    if not path.exists():
        pytest.skip("DVC does not track the sample here: other tickets have replaced it")
    pointer = yaml.safe_load(path.read_text())["outs"][0]
    assert pointer["size"] == sample.stat().st_size
    assert pointer["md5"] == hashlib.md5(sample.read_bytes(), usedforsecurity=False).hexdigest()


def test_the_sample_does_not_depend_on_the_hash_seed(sample, tmp_path):
    command = [sys.executable, str(REPOSITORY / "scripts" / "make_sample_tickets.py"), str(tmp_path / "again.csv")]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": "12345"}, capture_output=True)
    assert (tmp_path / "again.csv").read_bytes() == sample.read_bytes()


def test_the_sample_has_6000_tickets_of_eight_categories_in_two_languages(sample):
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


def test_few_tickets_of_the_sample_are_duplicates_or_near_duplicates(sample):
    """As in real queues: enough for prepare to find some, too few to raise the accuracy."""
    texts = [ticket["text"] for ticket in rows(sample)]
    assert 0.99 * len(texts) < len(set(texts)) < len(texts)
    signatures = sign([fold(text) for text in sorted(set(texts))])
    groups = collections.Counter(near_duplicate_groups(signatures, 0.8).tolist())
    assert 0.01 < sum(size for size in groups.values() if size > 1) / len(texts) < 0.04


def test_the_seed_changes_the_tickets_and_a_smaller_sample_is_the_beginning_of_a_larger_one(sample, tmp_path):
    made = {}
    for seed in ("42", "43"):
        assert make_sample_tickets.main([str(tmp_path / seed), "--tickets", "100", "--seed", seed]) == 0
        made[seed] = rows(tmp_path / seed)
    assert rows(sample)[:100] == made["42"]
    assert not {ticket["text"] for ticket in made["42"]} & {ticket["text"] for ticket in made["43"]}


def test_own_data_is_not_overwritten_unless_forced(tmp_path, capsys):
    path = tmp_path / "tickets.csv"
    path.write_text("text,category\nmine,A\n")
    arguments = [str(path), "--tickets", "50"]
    assert make_sample_tickets.main(arguments) == 2
    assert "--force" in capsys.readouterr().err
    assert path.read_text() == "text,category\nmine,A\n"
    assert make_sample_tickets.main([*arguments, "--force"]) == 0
    assert len(rows(path)) == 50


def test_with_if_missing_an_existing_file_stays_whatever_it_holds(tmp_path):
    path = tmp_path / "tickets.csv"
    path.write_text("text,category\nmine,A\n")
    assert make_sample_tickets.main([str(path), "--if-missing"]) == 0
    assert path.read_text() == "text,category\nmine,A\n"
    assert make_sample_tickets.main([str(tmp_path / "new.csv"), "--tickets", "50", "--if-missing"]) == 0
    assert len(rows(tmp_path / "new.csv")) == 50


def test_making_the_sample_again_does_not_rewrite_it(tmp_path):
    path = tmp_path / "tickets.csv"
    assert make_sample_tickets.main([str(path), "--tickets", "50"]) == 0
    before = path.stat().st_mtime_ns
    assert make_sample_tickets.main([str(path), "--tickets", "50"]) == 0
    assert path.stat().st_mtime_ns == before


def test_a_sample_of_no_tickets_is_refused(tmp_path, error_line):
    assert make_sample_tickets.main([str(tmp_path / "t.csv"), "--tickets", "0"]) == 2
    assert "--tickets must be at least 1, not 0" == error_line()
    assert [] == list(tmp_path.iterdir())


def test_a_folder_is_not_replaced_even_with_force(tmp_path, error_line):
    assert make_sample_tickets.main([str(tmp_path), "--tickets", "5", "--force"]) == 2
    assert error_line().startswith(f"{tmp_path}: ")
