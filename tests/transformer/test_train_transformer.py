"""Training the transformer: its outputs, how it resumes after a kill, and what it refuses."""

import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import unicodedata
from collections import Counter

import mlflow
import numpy as np
import pytest

import compare_models
import prepare_data
import train_transformer
from callcenterai.artifact.folder import load_model
from support.languages import LANGUAGES, invent_tickets
from support.processes import environment, run, wait_until
from support.repository import REPOSITORY, SCRIPTS, unpack, write_params
from support.tickets import PARTS, read_csv, write_csv
from support.tracking import new_tracking_database
from support.transformer import SMALL, arguments, need_pytorch

EXPERIMENT = "callcenterai-transformer-classification"
slow = pytest.mark.slow


def words_of(data, part, at_least=1):
    """Return the words with at least so many occurrences in a part, in lower case."""
    texts = [unicodedata.normalize("NFC", row["text"]).lower() for row in read_csv(data / f"{part}.csv")]
    counts = Counter(word for text in texts for word in re.findall(r"\w+", text))
    return {word for word, count in counts.items() if count >= at_least}


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@slow
def test_a_training_leaves_a_model_its_figures_and_a_run(transformer):
    """The files are the evaluated ones: both exports, tokenizer, metrics, plots, and one run with all of them."""
    metadata = json.loads((transformer.model / "metadata.json").read_text(encoding="utf-8"))
    metrics = json.loads((transformer.folder / "metrics.json").read_text(encoding="utf-8"))
    assert list(metadata["files"]) == ["model.onnx", "model.int8.onnx", "tokenizer.json", "held_out.npy"]
    assert all(sha256(transformer.model / name) == recorded for name, recorded in metadata["files"].items())
    assert not list(transformer.model.glob(".*"))
    tickets = read_csv(transformer.data / "test.csv")
    predicted = load_model(transformer.model).predict([row["text"] for row in tickets])
    accuracy = np.mean([row["label"] == label for row, label in zip(tickets, predicted, strict=True)])
    assert metrics["test"]["accuracy"] == pytest.approx(accuracy, abs=1e-6) and accuracy > 0.7
    assert metadata["metrics"]["test"]["accuracy"] == metrics["test"]["accuracy"]
    assert (transformer.folder / "plots" / "confusion.csv").is_file()
    client = mlflow.MlflowClient(f"sqlite:///{transformer.database.as_posix()}")
    (logged,) = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    assert logged.data.tags["model_sha256"] == metadata["files"]["model.onnx"]
    assert logged.data.metrics["test.accuracy"] == pytest.approx(accuracy, abs=1e-6)


@slow
def test_both_exports_answer_as_pytorch_does(transformer):
    """Single precision gives PyTorch's probabilities; the accuracy of both exports is recorded.

    It is the accuracy of the first training, which did not see these tickets; the final model's would be too good.
    """
    metrics = json.loads((transformer.folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["onnx_difference"] < 1e-4
    exports = {name: figures["validation_accuracy"] for name, figures in metrics["exports"].items()}
    assert exports["float32"] == metrics["validation"]["accuracy"]
    assert exports["int8"] == pytest.approx(exports["float32"], abs=0.05)
    sizes = [(transformer.model / name).stat().st_size for name in ("model.int8.onnx", "model.onnx")]
    assert sizes[0] < 0.6 * sizes[1]


@slow
def test_every_text_gets_probabilities(transformer):
    texts = ["", " \t", "🙂", "\x00", "\ud800 lone", "word " * 5000, "الطابعة لا تعمل"]
    found = load_model(transformer.model).predict_proba(texts)
    assert found.shape[0] == len(texts) and np.isfinite(found).all() and np.allclose(found.sum(axis=1), 1)


@slow
@pytest.mark.parametrize(
    "checkpoint, changes",
    [(".checkpoint.tmp", {}), pytest.param(".refit.tmp", {"members": 1}, marks=pytest.mark.long)],
)
def test_a_killed_training_resumes_and_ends_with_the_same_model(
    transformer, tmp_path, monkeypatch, capsys, checkpoint, changes
):
    """Killed after an epoch, it resumes there, and the final model is bit for bit the same.

    A model of one member is trained twice. Both trainings save and resume with the same code, so on a push only that of
    several members is killed.
    """
    uri = new_tracking_database(tmp_path)
    command = [sys.executable, str(SCRIPTS / "train_transformer.py"), *arguments(tmp_path, transformer.data, **changes)]
    variables = environment() | {"MLFLOW_TRACKING_URI": uri}
    process = subprocess.Popen(command, cwd=REPOSITORY, env=variables, stderr=subprocess.DEVNULL)
    try:
        wait_until((tmp_path / "model" / checkpoint).is_file, 240)
    finally:
        process.kill()
    assert process.wait() != 0 and not (tmp_path / "model" / "metadata.json").exists()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert train_transformer.main(arguments(tmp_path, transformer.data, **changes)) == 0
    assert re.search(rf"resuming after epoch \d+, from .*{checkpoint}$", capsys.readouterr().err, re.MULTILINE)
    expected = transformer.model
    if changes:
        expected = tmp_path / "again" / "model"
        expected.parent.mkdir()
        assert train_transformer.main(arguments(expected.parent, transformer.data, **changes)) == 0
    for name in ("model.onnx", "tokenizer.json", "held_out.npy"):
        assert sha256(tmp_path / "model" / name) == sha256(expected / name)
    assert not list((tmp_path / "model").glob(".*"))


@slow
def test_every_ticket_of_train_and_validation_has_an_answer_by_a_member_that_left_it_out(transformer):
    """The final model, all members together, has learned from each of them, and knows it better than that member."""
    metrics = json.loads((transformer.folder / "metrics.json").read_text(encoding="utf-8"))
    model, rows = load_model(transformer.model), [read_csv(transformer.data / f"{part}.csv") for part in PARTS[:2]]
    texts, labels = zip(*((row["text"], row["label"]) for part in rows for row in part), strict=True)
    held_out, final = np.load(transformer.model / "held_out.npy"), model.predict_proba(texts)
    assert held_out.shape == final.shape and metrics["threshold_tickets"] == len(texts)
    right = [np.array([model.classes_[best] for best in each.argmax(axis=1)]) == labels for each in (held_out, final)]
    assert metrics["validation"]["accuracy"] == pytest.approx(right[0][-len(rows[1]) :].mean(), abs=1e-6)
    assert right[0].mean() > 0.7 and right[1].mean() > right[0].mean()
    learned = set(json.loads((transformer.model / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"])
    assert learned & (words_of(transformer.data, "validation", at_least=2) - words_of(transformer.data, "train"))


@slow
def test_a_single_member_learns_from_validation_and_its_figures_do_not(transformer, tmp_path, monkeypatch):
    """Without `refit` the figures of validation are the same, and they are those of the model that is written."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_tracking_database(tmp_path))
    first, final = (tmp_path / name for name in ("first", "final"))
    for folder in (first, final):
        folder.mkdir()
        changes = {"members": 1, "epochs": 3, "refit": folder == final}
        assert train_transformer.main(arguments(folder, transformer.data, **changes)) == 0
    figures = [json.loads((folder / "metrics.json").read_text()) for folder in (first, final)]
    for name in ("validation", "exports", "temperature", "epochs"):
        assert figures[0][name] == figures[1][name]
    texts = [row["text"] for row in read_csv(transformer.data / "validation.csv")]
    held_out = np.load(final / "model" / "held_out.npy")
    assert sha256(first / "model" / "held_out.npy") == sha256(final / "model" / "held_out.npy")
    assert np.allclose(load_model(first / "model").predict_proba(texts), held_out, atol=1e-5)
    assert not np.allclose(load_model(final / "model").predict_proba(texts), held_out, atol=1e-2)
    seen = [each["test"]["near_duplicates_of_training"] for each in figures]
    groups = {part: [row["group"] for row in read_csv(transformer.data / f"{part}.csv")] for part in PARTS}
    for count, parts in zip(seen, (("train",), ("train", "validation")), strict=True):
        assert count == sum(group in [one for part in parts for one in groups[part]] for group in groups["test"])


@slow
def test_a_checkpoint_of_another_training_is_not_resumed(transformer, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_tracking_database(tmp_path))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / ".checkpoint.tmp").write_bytes(b"no checkpoint at all")
    assert train_transformer.main(arguments(tmp_path, transformer.data, epochs=1)) == 0
    assert "starting anew" in capsys.readouterr().err


@slow
def test_a_pretrained_encoder_is_fine_tuned_from_a_folder(transformer, tmp_path, monkeypatch):
    """Any encoder saved by transformers, with its own weights, word pieces and limits; one member, to be quick."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = sorted({word for row in read_csv(transformer.data / "train.csv") for word in row["text"].lower().split()})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
    pieces += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"] + [word for word in words if word.isalpha()]
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    (encoder / "vocab.txt").write_text("\n".join(dict.fromkeys(pieces)) + "\n", encoding="utf-8")
    BertTokenizerFast(str(encoder / "vocab.txt")).save_pretrained(encoder)
    size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(set(pieces)), max_position_embeddings=48, **size)).save_pretrained(encoder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_tracking_database(tmp_path))
    assert train_transformer.main(arguments(tmp_path, transformer.data, encoder=str(encoder), members=1)) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["onnx_difference"] < 1e-4
    assert metrics["test"]["accuracy"] > 0.5
    assert load_model(tmp_path / "model").predict(["my laptop is broken"]).shape == (1,)


@slow
@pytest.mark.parametrize(
    "changes, message",
    [
        ({"encoder": "./no/such/folder"}, "train_transformer.encoder: './no/such/folder' cannot be used"),
        ({"heads": 3}, "width must be a multiple of heads (they are 32 and 3)"),
        ({"precision": "float16"}, "train_transformer.precision: input should be 'float32' or 'int8'"),
    ],
)
def test_parameters_that_cannot_work_end_with_one_line(
    transformer, tmp_path, monkeypatch, error_line, changes, message
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_tracking_database(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert train_transformer.main(arguments(tmp_path, transformer.data, **changes)) == 2
    assert message in error_line()
    assert not (tmp_path / "model").exists()


@slow
@pytest.mark.parametrize("language", ["Chinese", "Thai"])
def test_a_small_set_in_a_script_without_spaces_is_learned(tmp_path, monkeypatch, language):
    """Its tokens are characters, since hardly any whole sentence comes twice; an unknown text is told from others."""
    need_pytorch()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{(tmp_path / 'mlflow.db').as_posix()}")
    tickets = write_csv(tmp_path / "tickets.csv", invent_tickets(LANGUAGES[language], 300))
    params, data = tmp_path / "prepare.yaml", tmp_path / "data"
    write_params(params, prepare={"input": str(tickets), "near_duplicate_similarity": 1.0})
    command = ["--params", str(params), "--output", str(data), "--metrics", str(tmp_path / "prepare.json")]
    assert prepare_data.main(command) == 0
    assert train_transformer.main(arguments(tmp_path, data, members=1, refit=False)) == 0
    figures = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))["test"]
    assert figures["accuracy"] >= 0.9 and figures["unknown_texts"] == 0
    model = load_model(tmp_path / "model").model
    assert model.find_known([tickets.read_text(encoding="utf-8"), "☎ qqq", ""]).tolist() == [True, False, False]


def test_without_pytorch_training_names_the_command_that_installs_it(trained, tmp_path, monkeypatch, error_line):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert train_transformer.main(arguments(tmp_path, trained.data)) == 2
    assert error_line().startswith("torch, transformers, onnx not installed: `python setup_mlops.py transformer` ")


@slow
def test_the_two_models_are_compared_on_test(transformer, trained, tmp_path, capsys, error_line):
    """The test counts every share itself, from the models' predictions."""
    tfidf = trained.folder / "model"
    command = [str(tfidf), str(transformer.model), "--data", str(transformer.data)]
    assert compare_models.main([*command, "--metrics", str(tmp_path / "agreement.json")]) == 0
    figures = json.loads((tmp_path / "agreement.json").read_text(encoding="utf-8"))
    tickets = read_csv(transformer.data / "test.csv")
    texts, labels = [row["text"] for row in tickets], np.array([row["label"] for row in tickets])
    first, second = (load_model(folder).predict(texts) for folder in (tfidf, transformer.model))
    assert figures["agreement"] == pytest.approx(np.mean(first == second), abs=1e-6)
    assert figures["only_second_right"] == pytest.approx(np.mean((second == labels) & (first != labels)), abs=1e-6)
    assert figures["first_accuracy"] == pytest.approx(np.mean(first == labels), abs=1e-6)
    right = figures["only_first_right"] + figures["only_second_right"] + figures["both_wrong"]
    assert right <= 1 and figures["together_accuracy"] > 0.5
    assert f"agreement: {100 * figures['agreement']:.2f}%" in capsys.readouterr().out
    other = tmp_path / "other"
    other.mkdir()
    write_csv(other / "test.csv", [[row["text"], row["label"], 1] for row in tickets[5:]], ("text", "label", "group"))
    assert compare_models.main([*command[:2], "--data", str(other)]) == 2
    assert "is not the test part of" in error_line()


@pytest.mark.runs("dvc --cd transformer repro")
@slow
def test_the_transformer_pipeline_runs_and_leaves_the_main_one_unchanged(trained, tmp_path):
    """`dvc --cd transformer repro` trains, compares and routes; the root stays as it was, without PyTorch."""
    need_pytorch()
    clone = tmp_path / "clone"
    unpack(clone)
    for command in (["git", "init", "-q"], ["git", "add", "-A"]):
        subprocess.run(command, cwd=clone, check=True)
    shutil.copy(trained.folder / "tickets.csv", clone / "data" / "raw" / "tickets.csv")
    changes = [f"train_transformer.{name}={value}" for name, value in (SMALL | {"epochs": 1}).items()]
    run(clone, "scripts/set_parameters.py", *changes)
    run(clone, "-m", "dvc", "repro")
    run(clone, "-m", "dvc", "--cd", "transformer", "repro")
    assert "up to date" in run(clone, "-m", "dvc", "status").stdout
    assert "up to date" in run(clone, "-m", "dvc", "--cd", "transformer", "status").stdout
    assert json.loads((clone / "metrics" / "agreement.json").read_text(encoding="utf-8"))["tickets"] > 100
    policy = json.loads((clone / "models" / "agent" / "policy.json").read_text(encoding="utf-8"))
    routing = json.loads((clone / "metrics" / "routing.json").read_text(encoding="utf-8"))
    metadata = json.loads((clone / "models" / "transformer" / "metadata.json").read_text(encoding="utf-8"))
    assert policy["models"]["transformer"] == metadata["files"]["model.onnx"]
    assert 0 < routing["test"]["accuracy"] <= 1
    left = subprocess.run(["git", "status", "--short", "models", "plots"], cwd=clone, capture_output=True, text=True)
    new = [line for line in left.stdout.splitlines() if not line.startswith("A ")]
    assert not [line for line in new if "transformer" in line or "agent" in line]
    assert (clone / "models" / "transformer" / "model.onnx").is_file()
