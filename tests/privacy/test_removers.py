"""A user can choose Presidio, which removes names that a spaCy model finds after the rules have removed the rest."""

import pickle
import sys

import pytest

from callcenterai.core.cli import UserError
from callcenterai.privacy.removers import make_remover
from callcenterai.privacy.scrub import scrub


@pytest.fixture
def model(tmp_path):
    """Return the folder of a spaCy model that knows one name, in lower case, which the rules do not find."""
    pytest.importorskip("presidio_analyzer", reason="Presidio is optional: pip install presidio-analyzer")
    spacy = pytest.importorskip("spacy")
    language = spacy.blank("en")
    pattern = [{"LOWER": "wojtek"}, {"LOWER": "zielinski"}]
    language.add_pipe("entity_ruler").add_patterns([{"label": "PERSON", "pattern": pattern}])
    language.to_disk(tmp_path / "model")
    return str(tmp_path / "model")


def test_the_rules_are_what_is_chosen_otherwise():
    assert make_remover() is scrub


def test_presidio_removes_names_that_the_rules_miss(model):
    text = "tell wojtek zielinski, a@example.com, and M. Dupont"
    assert scrub(text).text == "tell wojtek zielinski, [EMAIL], and M. [PERSON]"
    remover = make_remover("presidio", model)
    assert remover(text) == ("tell [PERSON], [EMAIL], and M. [PERSON]", {"email": 1, "person": 2})
    assert remover("no name") == ("no name", {})


def test_presidio_reads_long_texts_and_leaves_placeholders(model):
    remover = make_remover("presidio", model)
    text = "word " * 50_000 + "wojtek zielinski [PERSON] wojtek zielinski"
    assert remover(text) == ("word " * 50_000 + "[PERSON] [PERSON] [PERSON]", {"person": 2})


def test_presidio_can_be_sent_to_other_processes(model):
    remover = pickle.loads(pickle.dumps(make_remover("presidio", model)))
    assert remover("wojtek zielinski").text == "[PERSON]"


def test_a_model_that_is_not_installed_is_an_error_and_not_a_download(model, tmp_path):
    with pytest.raises(UserError, match="there is no spaCy model nothing_sm: python -m spacy download nothing_sm"):
        make_remover("presidio", "nothing_sm")


def test_presidio_that_is_not_installed_is_an_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(UserError, match="the remover presidio needs spacy, which is not installed: pip install"):
        make_remover("presidio")


def test_an_unknown_remover_is_an_error():
    with pytest.raises(UserError, match="there is no remover 'presido'; choose one of rules, presidio"):
        make_remover("presido")
