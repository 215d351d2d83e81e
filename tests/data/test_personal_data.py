"""Personal data in tickets is removed before anything learns from them, as the agent does before it asks a model."""

import csv
import json
import zipfile
from pathlib import Path

import pytest

import choose_features
import prepare_data
import train_tfidf
from callcenterai.privacy.scrub import scrub, without_placeholders
from support.repository import write_params
from support.tickets import invent, write_csv

PLANTED = {
    "email": "zanzibar.mertens@example.org",
    "phone": "+49 30 901820 4711",
    "iban": "DE89 3704 0044 0532 0130 00",
    "card": "4111 1111 1111 1111",
    "ip": "198.51.100.77",
    "mac": "3c:22:fb:9a:10:7e",
    "secret": "password: Xq7-Zebulon-99",
    "birth_date": "born on 17.03.1984",
    "address": "17 Kestrel Street",
    "person": "Regards,\nOttokar Quellmalz",
}
# Parts of the data that must not be found either, as they were written and as the words features would join them. Each
# is too long to stand by chance in the ids, hashes and times that a training leaves too.
PIECES = (
    "zanzibar",
    "9018204711",
    "901820 4711",
    "370400440532",
    "3704 0044",
    "4111 1111",
    "4111111111",
    "198.51.100",
    "198 51 100",
    "3c:22:fb",
    "3c 22 fb",
    "zebulon",
    "03.1984",
    "03 1984",
    "kestrel",
    "quellmalz",
)


@pytest.fixture
def trained(tmp_path, monkeypatch) -> Path:
    """A folder with everything that preparing and training tickets with planted data leaves."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path.as_posix()}/mlflow.db")
    sentences = [f"{text}\n{data}\n{number}" for data in PLANTED.values() for number, (text, _) in enumerate(invent(4))]
    rows = invent(300) + [[text, "AB"[number % 2]] for number, text in enumerate(sentences)]
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    tickets = write_csv(inputs / "tickets.csv", rows)
    write_params(
        tmp_path / "params.yaml",
        prepare={"input": str(tickets), "near_duplicate_similarity": 1.0},
        train_tfidf={"bootstrap_samples": 100, "min_df": 1},
    )
    params = ["--params", str(tmp_path / "params.yaml")]
    data, choice = ["--data", str(tmp_path / "data")], str(tmp_path / "features.json")
    outputs = [f"--{name}={tmp_path / name}" for name in ("model", "plots")] + [f"--metrics={tmp_path / 'm.json'}"]
    prepared = ["--output", str(tmp_path / "data"), "--metrics", str(tmp_path / "prepare.json")]
    assert prepare_data.main([*params, *prepared]) == 0
    assert choose_features.main([*params, *data, "--output", choice]) == 0
    assert train_tfidf.main([*params, *data, *outputs, "--features", choice]) == 0
    return tmp_path


def contents(folder: Path):
    """Yield the name and the content of every file, and of every member of an archive."""
    for path in sorted(each for each in folder.rglob("*") if each.is_file() and each.parent.name != "inputs"):
        yield path.name, path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield from ((f"{path.name}/{name}", archive.read(name)) for name in archive.namelist())


def test_planted_personal_data_is_in_nothing_that_a_training_leaves(trained):
    """Each piece was in four tickets, so that even n-grams that occur twice would have learned it."""
    found = [
        (name, piece)
        for name, content in contents(trained)
        for piece in PIECES
        if piece.encode() in content.lower() or piece in content.decode("utf-16-le", "ignore").lower()
    ]
    assert found == []
    names = {name for name, _ in contents(trained)}
    assert {
        "train.csv",
        "model.skops",
        "scorer.npz",
        "scorer.npz/terms.npy",
        "mlflow.db",
        "input_example.json",
    } <= names


def test_what_was_removed_is_counted_by_kind(trained):
    counted = json.loads((trained / "prepare.json").read_text(encoding="utf-8"))["personal_data"]
    assert set(PLANTED) <= set(counted) and all(counted[kind] >= 4 for kind in PLANTED)


def test_training_reads_a_text_as_the_agent_sends_it_to_a_model(prepare):
    text = f"the laptop of {PLANTED['email']} is broken"
    assert prepare.run(prepare.write([*invent(60), [text, "A"]])) == 0
    sent = without_placeholders(scrub(text).text)
    written = [row["text"] for part in ("train", "validation", "test") for row in prepare.read(part)]
    assert sent in written and text not in written


def test_removal_can_be_switched_off(prepare):
    text = f"the laptop of {PLANTED['email']} is broken"
    assert prepare.run(prepare.write([*invent(60), [text, "A"]]), remove_personal_data=False) == 0
    assert text in [row["text"] for part in ("train", "validation", "test") for row in prepare.read(part)]
    assert {} == prepare.metrics()["personal_data"]


def test_rejected_rows_show_no_personal_data_either(prepare):
    path = prepare.write([*invent(60), [f"no label, {PLANTED['email']}", ""]])
    with path.open("a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow([f"too many fields, {PLANTED['email']}", "A", "b", "c"])
    assert prepare.run(path, max_unreadable=0.1) == 0
    rejected = [row["text"] for row in prepare.read("rejected")]
    assert len(rejected) == 2 and not any("zanzibar" in text for text in rejected)
