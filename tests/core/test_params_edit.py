"""params.yaml keeps its comments and layout when a value changes."""

import re

import pytest
import yaml

import set_parameters
from callcenterai.core.params import read_yaml
from support.repository import shipped_params

ORIGINAL = shipped_params()


@pytest.fixture
def change(tmp_path):
    """Return a function that runs the command and returns its exit code and the text of params.yaml."""
    path = tmp_path / "params.yaml"
    path.write_text(ORIGINAL, encoding="utf-8")

    def run(*assignments):
        return set_parameters.main([*assignments, "--params", str(path)]), path.read_text(encoding="utf-8")

    return run


def test_only_the_value_changes(change):
    code, text = change("prepare.text_column=Document", "train_tfidf.C=2.0")
    assert code == 0
    expected = ORIGINAL.replace("text_column: text", "text_column: Document")
    assert text == re.sub("^  C: .*", "  C: 2.0", expected, flags=re.MULTILINE)


@pytest.mark.parametrize("column", ["2024", "yes", "a: b # c", "l'étiquette", '"quoted"', "null", " ", "1e5"])
def test_any_column_name_is_read_back_unchanged(change, column):
    code, text = change(f"prepare.label_column={column}")
    assert code == 0
    assert read_yaml(text)["prepare"]["label_column"] == column


@pytest.mark.parametrize("written, value", [("1e-3", 0.001), ("2.5E+2", 250.0), ("0.01", 0.01)])
def test_numbers_in_any_notation_stay_numbers(change, written, value):
    code, text = change(f"train_tfidf.tol={written}")
    assert code == 0
    assert yaml.safe_load(text)["train_tfidf"]["tol"] == value


def test_an_unknown_name_is_refused_with_a_list_of_the_known_ones(change, capsys):
    code, text = change("prepare.inptu=x.csv")
    assert (code, text) == (2, ORIGINAL)
    assert "input" in capsys.readouterr().err


def test_without_a_value_the_parameter_is_printed(change, capsys):
    code, text = change("prepare.input")
    assert (code, text) == (0, ORIGINAL)
    assert capsys.readouterr().out.strip() == "data/raw/tickets.csv"
