"""Parameters: every rule is enforced, and an error names the parameter, its value and what is allowed."""

import math
import re

import pytest
import yaml

from callcenterai.core.cli import UserError
from callcenterai.core.params import PrepareParameters, TrainTfidfParameters, read_parameters
from support.repository import shipped_params, write_params
from support.tickets import invent

NUMBER, INTEGER, TEXT = (
    "input should be a valid number",
    "input should be a valid integer",
    "input should be a valid string",
)
EMPTY = "string should have at least 1 character (it is '')"
QUOTES = "a label must be text; write it in quotes, because YAML reads yes, no, on, off and dates"
BROKEN = {
    "input": [("", EMPTY), (None, f"{TEXT} (it is None)"), (["a.csv"], f"{TEXT} (it is ['a.csv'])")],
    "test_input": [("", EMPTY), (3, f"{TEXT} (it is 3)")],
    "feedback_input": [("", EMPTY), (3, f"{TEXT} (it is 3)")],
    "text_column": [
        ("", EMPTY),
        (1, f"{TEXT} or a valid list (it is 1)"),
        ([], "list should have at least 1 item after validation, not 0 (it is [])"),
    ],
    "label_column": [("", EMPTY), (None, f"{TEXT} (it is None)")],
    "slice_columns": [("site", "input should be a valid list (it is 'site')")],
    "label_map": [
        (
            "map.csv",
            "must be a mapping such as {Laptop: Hardware}; the name of a file belongs in prepare.label_map_file "
            "(it is 'map.csv')",
        ),
        ({True: "A"}, f"{QUOTES} (it is True)"),
        (["A"], "input should be a valid dictionary (it is ['A'])"),
    ],
    "label_map_file": [("", EMPTY), (3, f"{TEXT} (it is 3)")],
    "encoding": [("", EMPTY), (8, f"{TEXT} (it is 8)")],
    "delimiter": [("", EMPTY), (";;", "string should have at most 1 character (it is ';;')")],
    "sheet": [("", EMPTY), (1, f"{TEXT} (it is 1)")],
    "header": [("no", "input should be a valid boolean (it is 'no')")],
    "max_unreadable": [
        (-0.1, "input should be greater than or equal to 0 (it is -0.1)"),
        (1.1, "input should be less than or equal to 1 (it is 1.1)"),
    ],
    "clean": [("pdf", "input should be 'none', 'html' or 'mail' (it is 'pdf')")],
    "remove_personal_data": [("no", "input should be a valid boolean (it is 'no')")],
    "spacy_model": [("", EMPTY), (7, f"{TEXT} (it is 7)")],
    "min_text_length": [
        (0, "input should be greater than or equal to 1 (it is 0)"),
        (2.5, f"{INTEGER} (it is 2.5)"),
        (True, f"{INTEGER} (it is True)"),
    ],
    "max_text_length": [
        (9, "input should be greater than or equal to 10 (it is 9)"),
        ("long", f"{INTEGER} (it is 'long')"),
    ],
    "min_class_count": [
        (-1, "input should be greater than or equal to 1 (it is -1)"),
        (None, f"{INTEGER} (it is None)"),
        (False, f"{INTEGER} (it is False)"),
    ],
    "majority": [
        (0.5, "input should be greater than 0.5 (it is 0.5)"),
        (1.1, "input should be less than or equal to 1 (it is 1.1)"),
        ("most", f"{NUMBER} (it is 'most')"),
    ],
    "test_size": [
        (2, "input should be less than 1 (it is 2)"),
        (0, "input should be greater than 0 (it is 0)"),
        (math.nan, "input should be less than 1 (it is nan)"),
        ("much", f"{NUMBER} (it is 'much')"),
        (True, f"{NUMBER} (it is True)"),
    ],
    "validation_size": [
        (1.0, "input should be less than 1 (it is 1.0)"),
        (-0.1, "input should be greater than 0 (it is -0.1)"),
    ],
    "near_duplicate_similarity": [
        (0.49, "input should be greater than or equal to 0.5 (it is 0.49)"),
        (1.01, "input should be less than or equal to 1 (it is 1.01)"),
        (math.inf, "input should be less than or equal to 1 (it is inf)"),
        (True, f"{NUMBER} (it is True)"),
    ],
    "random_state": [
        (-1, "input should be greater than or equal to 0 (it is -1)"),
        (2**32, "input should be less than 4294967296 (it is 4294967296)"),
        (True, f"{INTEGER} (it is True)"),
    ],
}


@pytest.mark.parametrize("name, value, expected", [(name, *case) for name, cases in BROKEN.items() for case in cases])
def test_an_invalid_value_is_named_with_what_is_allowed(prepare, error_line, name, value, expected):
    assert prepare.run(prepare.folder / "none.csv", **{name: value}) == 2
    assert f"{prepare.params}: prepare.{name}: {expected}" == error_line()


def test_a_value_inside_another_is_named_by_its_place(prepare, error_line):
    changes = {"text_column": ["subject", 2], "label_map": {"open": False}}
    assert prepare.run(prepare.folder / "none.csv", **changes) == 2
    expected = f"prepare.text_column.1: {TEXT} (it is 2); prepare.label_map.open: {QUOTES} (it is False)"
    assert f"{prepare.params}: {expected}" == error_line()


def test_every_parameter_of_prepare_is_tested_with_invalid_values():
    assert list(PrepareParameters.model_fields) == list(BROKEN)


TOGETHER = {
    "too little to train on": (
        {"test_size": 0.6, "validation_size": 0.35},
        "test_size and validation_size together must leave at least 0.1 for training (they are 0.6 and 0.35)",
    ),
    "one column": (
        {"text_column": "body", "label_column": "body"},
        "text_column and label_column must differ (both are 'body')",
    ),
    "lengths": (
        {"min_text_length": 51, "max_text_length": 50},
        "min_text_length must not exceed max_text_length (they are 51 and 50)",
    ),
}


@pytest.mark.parametrize("changes, expected", TOGETHER.values(), ids=TOGETHER.keys())
def test_values_that_contradict_each_other_are_named(prepare, error_line, changes, expected):
    assert prepare.run(prepare.folder / "none.csv", **changes) == 2
    assert f"{prepare.params}: prepare: {expected}" == error_line()


def test_all_errors_are_reported_at_once(prepare, error_line):
    assert prepare.run(prepare.folder / "none.csv", test_size=2, tset_size=0.2) == 2
    assert error_line().endswith(
        "prepare.test_size: input should be less than 1 (it is 2); prepare.tset_size is not a parameter; known are "
        + ", ".join(BROKEN)
    )


def test_a_missing_parameter_is_named(prepare, error_line):
    content = yaml.safe_load(shipped_params())
    del content["prepare"]["min_class_count"]
    prepare.params.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert prepare.run_as_is() == 2
    assert f"{prepare.params}: prepare.min_class_count is missing" == error_line()


NO_SECTION = "has no section 'prepare:'; `git checkout "
FILES = {
    "empty": (b"", NO_SECTION),
    "another section": (b"train_tfidf: {C: 1}", NO_SECTION),
    "a list": (b"- prepare", NO_SECTION),
    "a section without parameters": (b"prepare:\n", NO_SECTION),
    "not YAML": (b"prepare: {input: [", "is not valid YAML: "),
    "tabs": (b"prepare:\n\tinput: a.csv\n", "is not valid YAML: "),
    "deep": (b"a: " + b"[" * 5000, "is not valid YAML: "),
    "a date that is none": (b"prepare:\n  input: 2026-13-45\n", "is not valid YAML: month must be in 1..12"),
    "a wrong tag": (b"prepare:\n  input: !!bool maybe\n", "is not valid YAML: a value does not fit its tag"),
    "not UTF-8": (b"prepare:\n  text_column: caf\xe9\n", "is not valid YAML: "),
    "NUL": (b"prepare:\0", "is not valid YAML: "),
}


@pytest.mark.parametrize("content, expected", FILES.values(), ids=FILES.keys())
def test_a_broken_params_yaml_is_one_line_on_stderr_and_the_outputs_stay(prepare, error_line, content, expected):
    assert prepare.run(prepare.write(invent(60))) == 0
    before = prepare.files()
    prepare.params.write_bytes(content)
    assert prepare.run_as_is() == 2
    assert error_line().startswith(f"{prepare.params} {expected}")
    assert before == prepare.files()


def test_a_missing_params_yaml_is_one_line_on_stderr(prepare, error_line):
    assert prepare.run_as_is() == 2
    assert f"{prepare.params}: no such file; run from the repository's root or name it with --params" == error_line()


def test_a_number_with_an_exponent_is_a_number(tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text(re.sub("  tol: .*", "  tol: 1e-3", shipped_params()), encoding="utf-8")
    assert read_parameters(params, "train_tfidf", TrainTfidfParameters).tol == 0.001


def read(path, **changes) -> PrepareParameters:
    return read_parameters(write_params(path / "params.yaml", prepare=changes), "prepare", PrepareParameters)


def test_the_values_at_the_limits_are_accepted(tmp_path):
    edges = {
        "min_text_length": 10, "max_text_length": 10, "min_class_count": 1, "near_duplicate_similarity": 0.5,
        "random_state": 2**32 - 1, "test_size": 0.34, "validation_size": 0.56,
    }  # fmt: skip
    params = read(tmp_path, **edges)
    assert edges == {name: getattr(params, name) for name in edges}
    assert 1.0 == read(tmp_path, near_duplicate_similarity=1, random_state=0).near_duplicate_similarity


def test_null_or_a_file_named_none_means_no_official_test_split(tmp_path):
    assert [None, None, "a/test.csv"] == [
        path and path.as_posix()
        for path in (read(tmp_path, test_input=value).official_test for value in (None, "data/raw/none", "a/test.csv"))
    ]


def test_parameters_do_not_change_after_reading(tmp_path):
    params = read(tmp_path)
    with pytest.raises(ValueError, match="frozen"):
        params.test_size = 0.5
    with pytest.raises(UserError, match="no section 'other:'"):
        read_parameters(tmp_path / "params.yaml", "other", PrepareParameters)
