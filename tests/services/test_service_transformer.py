"""The transformer service over HTTP; test_service_tfidf.py tests what both services share."""

import json
import math
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

import mlflow_registry
from callcenterai.artifact.folder import load_model
from services.transformer import batching
from support.repository import write_params
from support.servers.services import TRANSFORMER, Load, Service, assert_fuzzing_finds_nothing
from support.tickets import read_csv

pytestmark = pytest.mark.slow
NAME = "callcenterai-transformer-classifier"


@pytest.fixture(scope="module")
def service(transformer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("service")
    limits = {"MAX_BODY_BYTES": 20_000, "MAX_TEXT_LENGTH": 5_000, "MAX_BATCH": 20, "BODY_SECONDS": 1}
    with Service(folder, TRANSFORMER, MODEL_DIR=transformer.model, **limits) as running:
        yield running.ready()


@pytest.fixture(scope="module")
def texts(transformer):
    return [row["text"] for row in read_csv(transformer.data / "test.csv")][:60]


@pytest.mark.runs("python -m services.transformer.app")
def test_predictions_are_those_of_the_exported_model(service, transformer, texts):
    model = load_model(transformer.model)
    found = service.post("/predict/batch", {"texts": texts[:20]}).json["predictions"]
    for text, prediction, expected in zip(texts, found, model.predict_proba(texts[:20]), strict=False):
        assert prediction["category"] == model.classes_[expected.argmax()]
        assert prediction["confidence"] == pytest.approx(expected.max(), abs=1e-5)
        alone = service.post("/predict", {"text": text}).json
        assert (alone["category"], alone["confidence"]) == (
            prediction["category"],
            pytest.approx(expected.max(), abs=1e-5),
        )


def test_concurrent_requests_form_batches_and_each_gets_its_own_answer(service, transformer, texts):
    expected = load_model(transformer.model).predict_proba(texts).max(axis=1)
    before = service.metric("model_batch_texts_count")
    with ThreadPoolExecutor(30) as clients:
        found = list(clients.map(lambda text: service.post("/predict", {"text": text}).json["confidence"], texts * 5))
    assert found == pytest.approx(expected.tolist() * 5, abs=1e-5)
    assert service.metric("model_batch_texts_count") - before < len(found)


def test_an_explanation_says_what_hiding_each_word_would_change(service):
    """A word counts once for all its occurrences; its weight is the loss of the category's logarithmic probability."""
    prediction = service.post("/predict?explain=true", {"text": "My laptop is broken, the Laptop is slow"}).json
    terms = {weight["term"]: weight["weight"] for weight in prediction["explanation"]}
    assert set(terms) == {"my", "laptop", "is", "broken", "the", "slow"}
    assert list(map(abs, terms.values())) == sorted(map(abs, terms.values()), reverse=True)
    hidden = service.post("/predict", {"text": "My [MASK] is broken, the [MASK] is slow"}).json
    left = {choice["category"]: choice["probability"] for choice in hidden["best"]}[prediction["category"]]
    assert terms["laptop"] == pytest.approx(math.log(prediction["confidence"] / left), abs=1e-4)
    assert service.post("/predict?explain=true", {"text": "🙂"}).json["explanation"] == []
    assert prediction["known_text"] is True


def test_a_text_without_a_known_word_says_so_and_goes_to_a_person(service):
    answer = service.post("/predict", {"text": "🙂 qqqq"}).json
    assert answer["known_text"] is False and answer["needs_review"] is True
    assert service.metric("predictions_unknown_texts_total") >= 1


@pytest.mark.parametrize("text", ["🙂🙂", "الطابعة لا تعمل", "nul \x00 inside", "e\u0301 \u200b", "x" * 5_000])
def test_the_transformer_service_answers_odd_texts(service, text):
    assert service.post("/predict", {"text": text}).status == 200


def test_the_transformer_service_describes_its_model(service, transformer):
    metadata = json.loads((transformer.model / "metadata.json").read_text(encoding="utf-8"))
    card = service.get("/model").json
    assert (card["name"], card["sha256"]) == (NAME, metadata["files"]["model.onnx"])
    assert card["labels"] == metadata["labels"] and card["metrics"] == metadata["metrics"]


def test_the_8_bit_export_is_served_if_the_metadata_names_it(transformer, tmp_path):
    shutil.copytree(transformer.model, tmp_path / "model")
    metadata = json.loads((tmp_path / "model" / "metadata.json").read_text(encoding="utf-8"))
    (tmp_path / "model" / "metadata.json").write_text(json.dumps(metadata | {"serves": "model.int8.onnx"}))
    (tmp_path / "model" / "model.onnx").unlink()
    with Service(tmp_path, TRANSFORMER, MODEL_DIR=tmp_path / "model") as service:
        assert service.ready().post("/predict", {"text": "my laptop is broken"}).json["category"] == "Hardware"


@pytest.mark.runs("python scripts/mlflow_registry.py register --model transformer")
def test_the_transformer_is_registered_promoted_and_exported_like_the_tfidf_model(
    transformer, tmp_path, monkeypatch, capsys
):
    """The same gates decide about it, and the service answers with the promoted version without a failed request."""
    shutil.copy(transformer.database, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{(tmp_path / 'mlflow.db').as_posix()}")
    low = {"minimum_accuracy": 0.5, "minimum_macro_f1": 0.3}
    params = write_params(tmp_path / "params.yaml", registry=low)
    judged = ["--params", str(params), "--data", str(transformer.data)]
    for command in ("register", "staging", "production"):
        assert mlflow_registry.main([command, "--model", "transformer", *judged]) == 0, capsys.readouterr().err
    assert mlflow_registry.main(["list", "--model", "transformer"]) == 0
    assert "Production" in capsys.readouterr().out
    place = tmp_path / "served"
    shutil.copytree(transformer.model, tmp_path / "other")
    metadata = json.loads((tmp_path / "other" / "metadata.json").read_text(encoding="utf-8"))
    swapped = {
        "model.onnx": metadata["files"]["model.int8.onnx"],
        "tokenizer.json": metadata["files"]["tokenizer.json"],
    }
    shutil.move(tmp_path / "other" / "model.int8.onnx", tmp_path / "other" / "model.onnx")
    (tmp_path / "other" / "metadata.json").write_text(json.dumps(metadata | {"files": swapped}), encoding="utf-8")
    shutil.move(tmp_path / "other", place)
    with Service(tmp_path, TRANSFORMER, MODEL_DIR=place) as service:
        old = service.ready().get("/model").json["version"]
        with Load(service) as load:
            assert mlflow_registry.main(["export", "production", str(place), "--model", "transformer"]) == 0
            service.until(lambda: service.get("/model").json["version"] != old)
            service.until(lambda: len(load.versions()) == 2)
        assert load.statuses() == {200}


def test_fuzzing_the_transformer_service_by_its_openapi_document_finds_nothing(service, tmp_path):
    """schemathesis: no server error, no answer that is not described, no bad request accepted, no good one refused."""
    # Subject and text together may be too long.
    assert_fuzzing_finds_nothing(service, tmp_path, {"POST /predict": ["422"]})


@pytest.mark.parametrize("limit, cores", [("100000 100000", 1), ("50000 100000", 1), ("max 100000", None)])
def test_the_service_uses_no_more_threads_than_its_container_has_cores(tmp_path, limit, cores):
    """A limit of half a core gives one thread; without a limit, all cores are used."""
    quota = tmp_path / "cpu.max"
    quota.write_text(limit + "\n")
    assert batching.cores(quota) == (cores or batching.cores(tmp_path / "absent"))
    assert batching.cores(tmp_path / "absent") >= 1
