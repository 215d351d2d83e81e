"""A user can name a spaCy model, with which Presidio removes names of people after the rules have removed the rest."""

import importlib.util
import os
import subprocess
import sys

import pytest

import prepare_data
from support.fork_server import run_to_end
from support.once import made_once
from support.repository import REPOSITORY, write_params
from support.servers.agent import start_agent, start_tfidf
from support.tickets import invent, write_csv

NAME = "wojtek zielinski"
LONG = "word " * 50_000 + f"{NAME} [PERSON] {NAME}"


@pytest.fixture(scope="module")
def presidio(tmp_path_factory):
    """The environment variables with which Python finds Presidio, and a spaCy model that knows one name.

    The rules do not find that name, since it is written in lower case.
    """

    def install(folder):
        packages = str(folder / "packages")
        # With the versions of what the project has locked too, since Python looks here first.
        pinned = ["presidio-analyzer==2.2.366", "spacy==3.8.18", "-c", str(REPOSITORY / "requirements-mlops.txt")]
        command = [sys.executable, "-m", "uv", "pip", "install", "-q", "--target", packages, *pinned]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"Presidio cannot be installed here: {done.stderr[-200:]}")
        make_model = (
            "import spacy; language = spacy.blank('fr');"
            "pattern = [{'LOWER': 'wojtek'}, {'LOWER': 'zielinski'}];"
            "language.add_pipe('entity_ruler').add_patterns([{'label': 'PERSON', 'pattern': pattern}]);"
            f"language.to_disk({str(folder / 'model')!r})"
        )
        subprocess.run([sys.executable, "-c", make_model], env=os.environ | {"PYTHONPATH": packages}, check=True)

    folder = made_once(tmp_path_factory, "presidio", install)
    return {"PYTHONPATH": str(folder / "packages"), "SPACY_MODEL": str(folder / "model")}


def prepare_in(folder, rows, spacy_model):
    """Write tickets and params.yaml; return the arguments of prepare_data.py."""
    tickets = write_csv(folder / "tickets.csv", rows)
    write_params(folder / "params.yaml", prepare={"input": str(tickets), "spacy_model": str(spacy_model)})
    data, metrics = folder / "data", folder / "prepare.json"
    return ["--params", f"{folder / 'params.yaml'}", "--output", str(data), "--metrics", str(metrics)]


def test_prepare_removes_names_that_a_spacy_model_finds(tmp_path, presidio):
    rows = [*invent(60), [f"tell {NAME}, a@example.com, and M. Dupont", "A"], [f"{LONG[:9000]} {NAME}", "B"]]
    command = [sys.executable, "scripts/prepare_data.py", *prepare_in(tmp_path, rows, presidio["SPACY_MODEL"])]
    done = run_to_end(command, REPOSITORY, os.environ | presidio)
    assert done.returncode == 0, done.stderr
    written = "".join((tmp_path / "data" / f"{part}.csv").read_text() for part in ("train", "validation", "test"))
    assert "tell …, …, and M. …" in written and "zielinski" not in written
    assert '"person": 3' in (tmp_path / "prepare.json").read_text()


def test_the_agent_removes_names_that_a_spacy_model_finds(tmp_path, presidio):
    with start_tfidf() as tfidf, start_agent(tmp_path, tfidf.url, **presidio) as agent:
        answer = agent.post("/predict", {"text": f"tell {NAME}, a@example.com, and M. Dupont"}).json
        assert answer["personal_data"] == {"email": 1, "person": 2}
        answer = agent.post("/predict", {"text": LONG[-15_000:]}).json
        assert answer["personal_data"] == {"person": 2}


@pytest.mark.parametrize("command", ["prepare_data.py", "the agent"])
def test_a_model_that_is_not_installed_is_an_error_and_not_a_download(tmp_path, presidio, command):
    if command == "the agent":
        arguments, variables = ["-m", "services.agent.app"], presidio | {"SPACY_MODEL": "nothing_sm"}
    else:
        arguments, variables = ["scripts/prepare_data.py", *prepare_in(tmp_path, invent(60), "nothing_sm")], presidio
    done = run_to_end([sys.executable, *arguments], REPOSITORY, os.environ | variables)
    assert done.returncode == 2
    assert "there is no spaCy model nothing_sm: `python -m spacy download nothing_sm`" in done.stderr


def test_presidio_that_is_not_installed_is_an_error(tmp_path, error_line):
    if importlib.util.find_spec("presidio_analyzer"):
        pytest.skip("Presidio is installed in this environment")
    assert prepare_data.main(prepare_in(tmp_path, invent(60), "en_core_web_sm")) == 2
    said = error_line()
    assert "a spaCy model needs spacy, which is not installed: pip install presidio-analyzer" in said
