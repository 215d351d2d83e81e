"""Slices of the tickets: carried by prepare, measured by training, and named when they are worse than the rest."""

import csv

import numpy as np
import pytest

import prepare_data
import train_tfidf
from callcenterai.training.evaluation import Predictions
from callcenterai.training.slices import evaluate_slices
from support.tfidf_project import Project
from support.tickets import PARTS, read_csv


@pytest.fixture(scope="module")
def sliced(tmp_path_factory):
    """A project whose tickets come from two sites; those of the site South have labels that are not theirs."""
    folder = tmp_path_factory.mktemp("sliced")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder.as_posix()}/mlflow.db")
        project = Project(folder)
        write_sites(folder / "tickets.csv")
        project.params["prepare"]["slice_columns"] = ["Site"]
        project.write_params()
        places = ["--output", project.at("data"), "--metrics", project.at("p.json")]
        assert prepare_data.main(["--params", project.at("params.yaml"), *places]) == 0
        yield project


def write_sites(path):
    rows = read_csv(path)
    labels = sorted({row["category"] for row in rows})
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "category", "Site", "Mail"])
        for number, row in enumerate(rows):
            south = number % 3 == 0
            wrong = labels[(labels.index(row["category"]) + 1) % len(labels)]
            writer.writerow([row["text"], wrong if south else row["category"], "South" if south else "North", "x"])


def test_prepare_carries_the_columns_that_are_named(sliced):
    site_of = {row["text"]: row["Site"] for row in read_csv(sliced.folder / "tickets.csv")}
    for part in PARTS:
        rows = read_csv(sliced.folder / "data" / f"{part}.csv")
        assert list(rows[0]) == ["source", "row", "group", "label", "text", "slice.Site"]
        assert {site_of[row["text"]] == row["slice.Site"] for row in rows} == {True}


def test_a_slice_that_is_worse_is_said_and_the_better_ones_are_not(sliced, capsys):
    assert train_tfidf.main(sliced.arguments()) == 0
    slices = sliced.metrics()["slices"]
    assert set(slices) == {"language", "length", "column Site"}
    south, north = slices["column Site"]["South"], slices["column Site"]["North"]
    assert south["tickets"] + north["tickets"] == sliced.metrics()["test"]["tickets"]
    assert south["accuracy"]["low"] < south["accuracy"]["share"] < south["accuracy"]["high"] < north["accuracy"]["low"]
    warnings = [line for line in capsys.readouterr().err.splitlines() if "worse than the rest" in line]
    assert [line.partition(" is worse")[0] for line in warnings] == ["warning: column Site 'South'"]
    assert sliced.metrics()["warnings"][-1] == warnings[0].removeprefix("warning: ")


def test_personal_data_in_a_column_is_removed_and_feedback_has_no_values(prepare):
    rows = [[f"word{number} other{number} third{number}", "AB"[number % 2], "jo@example.com"] for number in range(60)]
    tickets = prepare.folder / "tickets.csv"
    feedback = prepare.folder / "feedback.csv"
    with tickets.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["text", "category", "who"], *rows])
    feedback.write_text("text,label\na ticket that nobody has sent,A\n", encoding="utf-8")
    assert prepare.run(tickets, slice_columns=["who"], feedback_input=str(feedback)) == 0
    values = {(row["source"], row["slice.who"]) for part in PARTS for row in prepare.read(part)}
    assert values == {("input", "\N{HORIZONTAL ELLIPSIS}"), ("feedback", "")}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["category"], "slice_columns must be other columns than text and label ('category' is one of them)"),
        (["site", "site"], "slice_columns must name each column once"),
        (["site"], "no column 'site'"),
    ],
)
def test_a_column_that_cannot_be_carried_is_one_error_line(prepare, error_line, columns, message):
    tickets = prepare.write([[f"word{number} other", "AB"[number % 2]] for number in range(60)])
    assert prepare.run(tickets, slice_columns=columns) == 2
    assert message in error_line()


def test_equally_good_slices_are_called_worse_at_most_as_often_as_promised():
    """Of 200 draws with 12 slices that do not matter, at most 5% may have a warning."""
    generator = np.random.default_rng(3)

    def warns() -> bool:
        of_a = generator.uniform(0.5, 1, 600)
        true = np.where(generator.random(600) < 0.9, "a", "b").astype(object)
        predictions = Predictions(["a", "b"], true, np.stack([of_a, 1 - of_a], axis=1))
        slices = {name: generator.integers(0, 6, 600).astype(str).astype(object) for name in ("one", "two")}
        return bool(evaluate_slices(predictions, slices, 0.7)[1])

    assert sum(warns() for _ in range(200)) <= 0.05 * 200 + 2 * np.sqrt(200 * 0.05 * 0.95)
