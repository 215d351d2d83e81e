"""Features, accents, class_spread, min_df and C are chosen on train alone, once, and only as far as they are open."""

import json

import numpy as np
import pytest
import yaml

import choose_features
import prepare_data
import train_tfidf
from callcenterai.artifact.folder import read_metadata
from callcenterai.data.parts import Part
from callcenterai.data.split import assign_folds
from callcenterai.tfidf import choice
from support.languages import LANGUAGES, invent_tickets
from support.repository import REPOSITORY, write_params
from support.tfidf import parameters, part_of
from support.tickets import invent, write_csv

OPEN = dict.fromkeys(("features", "accents", "class_spread", "min_df", "C"), "auto")


class Stages:
    """The stages up to the training, run in a folder on tickets of it."""

    def __init__(self, folder, rows, **train) -> None:
        self.folder = folder
        tickets = write_csv(folder / "tickets.csv", rows)
        prepare = {"input": str(tickets), "near_duplicate_similarity": 1.0}
        self.write_params(prepare, **train)
        command = ["--output", self.at("data"), "--metrics", self.at("prepare.json")]
        assert prepare_data.main([*self.params, *command]) == 0

    def at(self, name: str) -> str:
        return str(self.folder / name)

    def write_params(self, prepare: dict, **train) -> None:
        self.prepare = prepare
        write_params(self.folder / "params.yaml", prepare=prepare, train_tfidf={"bootstrap_samples": 100} | train)
        self.params = ["--params", self.at("params.yaml")]

    def choose(self) -> int:
        return choose_features.main([*self.params, "--data", self.at("data"), "--output", self.at("features.json")])

    def chosen(self) -> dict:
        return json.loads((self.folder / "features.json").read_text(encoding="utf-8"))

    def train(self, *more: str) -> int:
        outputs = ["--model", self.at("model"), "--metrics", self.at("tfidf.json"), "--plots", self.at("plots")]
        return train_tfidf.main([*self.params, "--data", self.at("data"), *outputs, *more])


@pytest.fixture
def stages(tmp_path, monkeypatch):
    """Return a function that prepares tickets in a folder of this test."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path.as_posix()}/mlflow.db")
    return lambda rows, **train: Stages(tmp_path, rows, **train)


@pytest.mark.runs("python scripts/choose_features.py")
def test_the_training_takes_what_was_chosen_and_refuses_a_choice_for_other_tickets_or_parameters(
    stages, error_line, capsys
):
    """Another C does not need another choice, because the stage does not depend on it."""
    project = stages(invent(200))
    assert project.choose() == 0
    written = project.chosen()
    assert project.train("--features", project.at("features.json")) == 0
    metadata = read_metadata(project.folder / "model")
    assert {name: metadata["chosen"][name] for name in OPEN} == written["chosen"]
    assert metadata["cross_validation"] == {"tickets": written["tickets"], "tried": written["tried"]}
    project.write_params(project.prepare, C=0.7)
    assert project.train("--features", project.at("features.json")) == 0
    assert "C" not in read_metadata(project.folder / "model")["chosen"]
    project.write_params(project.prepare, sublinear_tf=True)
    capsys.readouterr()
    assert project.train("--features", project.at("features.json")) == 2
    assert "was made for other tickets or parameters; `dvc repro choose_features` makes it anew" in error_line()


def test_the_stage_depends_on_the_parameters_that_the_choice_reads():
    stage = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text(encoding="utf-8"))["stages"]["choose_features"]
    assert set(stage["params"]) == {"prepare.clean", *(f"train_tfidf.{name}" for name in choice.READ)}


@pytest.mark.parametrize("language", ["Chinese", "Korean"])
def test_eighty_tickets_are_enough(stages, language):
    """20 of each of four classes; no whole sentence occurs twice, so that words alone would have no feature."""
    rows = [[text, f"{label} {number % 4 // 2}"] for number, (text, label) in enumerate(pairs(language, 80))]
    project = stages(rows)
    assert project.choose() == 0 and project.train("--features", project.at("features.json")) == 0
    assert json.loads((project.folder / "tfidf.json").read_text(encoding="utf-8"))["test"]["unknown_texts"] == 0


def pairs(language: str, count: int) -> list[list[str]]:
    return invent_tickets(LANGUAGES[language], count)


def test_both_kinds_do_not_fail_where_one_has_no_feature(stages):
    """No two of these Chinese tickets share a whole sentence; characters are enough."""
    rows = [[text + chr(0x4E00 + number), label] for number, (text, label) in enumerate(pairs("Chinese", 120))]
    project = stages(rows, features="both", min_df=2)
    assert project.train() == 0
    assert json.loads((project.folder / "tfidf.json").read_text(encoding="utf-8"))["test"]["accuracy"] > 0.8


@pytest.mark.slow
def test_four_hundred_classes_are_compared():
    rows = [[f"case{n % 400} about{n % 20} item{n * 7 % 400} again", f"class {n % 400}"] for n in range(2400)]
    found = choice.choose_features(parameters(**OPEN), part_of(rows))
    assert found.tried[0]["accuracy"] > 0.95 and found.tickets == 2400


def test_what_is_not_open_is_not_tried():
    fixed = {"features": "characters", "class_spread": 0.5, "accents": "keep", "min_df": 2}
    found = choice.choose_features(parameters(**OPEN | fixed), part_of(invent(120)))
    for each in (found.chosen, *found.tried):
        assert {name: each[name] for name in fixed} == fixed
    assert len({each["C"] for each in found.tried}) > 1


def test_the_choice_is_the_same_when_repeated_and_names_the_best_first():
    first, second = (choice.choose_features(parameters(**OPEN), part_of(invent(150))) for _ in range(2))
    assert first == second
    scores = [each["accuracy"] + each["macro_f1"] for each in first.tried if each["folds"] == choice.FOLDS]
    assert scores == sorted(scores, reverse=True)
    kinds = {each["features"] for each in first.tried}
    assert kinds >= {"words", "characters", "characters_in_words", "both"}


def test_n_grams_of_a_single_ticket_are_tried_in_short_texts_alone(monkeypatch):
    """In long texts they are many, and gain nothing."""
    tickets = part_of(invent(120))
    assert {each["min_df"] for each in choice.choose_features(parameters(**OPEN), tickets).tried} == {1, 2}
    monkeypatch.setattr(choice, "SHORT", sum(map(len, tickets.texts)) - 1)
    assert {each["min_df"] for each in choice.choose_features(parameters(**OPEN), tickets).tried} == {2}


def test_near_duplicates_are_never_separated_and_classes_are_dealt_out_evenly():
    groups = np.repeat(np.arange(90), 4)
    labels = np.array(["rare"] * 24 + ["usual"] * 336, dtype=object)
    folds = assign_folds(labels, groups, 42, 3)
    assert all(len(set(folds[groups == group])) == 1 for group in range(90))
    for label in ("rare", "usual"):
        sizes = np.bincount(folds[labels == label], minlength=3)
        assert sizes.max() - sizes.min() <= 4


def test_no_more_than_so_many_tickets_are_compared_on(monkeypatch):
    """Whole groups of near-duplicates, drawn at random."""
    monkeypatch.setattr(choice, "TICKETS", 30)
    tickets = part_of(invent(120))
    rows = choice.draw_rows(Part(tickets.path, tickets.texts, tickets.labels, np.arange(120)), 42)
    assert len(rows) == 30 and len(set(rows)) == 30 and rows.max() > 60


def test_accents_are_tried_without_where_latin_words_have_them():
    rows = [[text.replace("ton", "té").replace("o", "ö"), label] for text, label in invent(120)]
    tried = choice.choose_features(parameters(**OPEN), part_of(rows)).tried
    assert {each["accents"] for each in tried} == {"keep", "strip"}
    tried = choice.choose_features(parameters(**OPEN), part_of(pairs("Hindi", 60))).tried
    assert {each["accents"] for each in tried} == {"keep"}
