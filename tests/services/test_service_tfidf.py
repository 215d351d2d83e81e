"""The tfidf service as a process, over HTTP: answers, limits, keys, logs, and models that change."""

import csv
import hashlib
import json
import os
import re
import shutil
import socket
import time

import numpy as np
import pytest

from callcenterai.artifact.folder import load_model
from services.common.model_source import FolderSource, SourceError
from support.registry import NAME, RegistryCommands
from support.servers.mlflow_server import TrackingServer
from support.servers.services import (
    TRANSFORMER,
    Load,
    Service,
    assert_fuzzing_finds_nothing,
    assert_problem,
    fails_to_start,
)

TICKET = {"text": "my laptop is broken, the screen stays black"}
SECRET = "Zanzibar-4711"


@pytest.fixture(scope="module")
def service(folders, tmp_path_factory):
    """A service of the good model, with small limits."""
    limits = {"MAX_BODY_BYTES": 20_000, "MAX_TEXT_LENGTH": 5_000, "MAX_BATCH": 20, "BODY_SECONDS": 1}
    with Service(tmp_path_factory.mktemp("service"), MODEL_DIR=folders["good"], **limits) as running:
        yield running.ready()


@pytest.mark.runs("python -m services.tfidf.app")
def test_predictions_are_those_of_the_trained_pipeline(service, folders, trained):
    """One by one and in a batch: categories, probabilities, and whether a review is needed."""
    with (trained.data / "test.csv").open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)][:20]
    pipeline = load_model(folders["good"])
    metadata = json.loads((folders["good"] / "metadata.json").read_text(encoding="utf-8"))
    found = service.post("/predict/batch", {"texts": texts}).json["predictions"]
    assert found[:3] == [service.post("/predict", {"text": text}).json for text in texts[:3]]
    for prediction, expected in zip(found, pipeline.predict_proba(texts), strict=True):
        order = np.argsort(-expected, kind="stable")[:3]
        assert [choice["category"] for choice in prediction["best"]] == [metadata["labels"][place] for place in order]
        assert [choice["probability"] for choice in prediction["best"]] == pytest.approx(expected[order].tolist())
        assert prediction["category"] == prediction["best"][0]["category"]
        assert prediction["confidence"] == prediction["best"][0]["probability"]
        threshold = metadata["threshold"]
        assert prediction["needs_review"] == (threshold is None or prediction["confidence"] < threshold)
        assert "explanation" not in prediction


def test_a_model_with_a_threshold_for_each_category_uses_that_of_its_answer(service, folders, trained, tmp_path):
    with (trained.data / "test.csv").open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)][:20]
    answer = service.post("/predict", {"text": texts[0]}).json
    shutil.copytree(folders["good"], tmp_path / "model")
    path = tmp_path / "model" / "metadata.json"
    metadata = json.loads(path.read_text(encoding="utf-8"))
    limits = dict.fromkeys(metadata["labels"], 0.0) | {answer["category"]: None}
    path.write_text(json.dumps(metadata | {"threshold": None, "class_thresholds": limits}), encoding="utf-8")
    with Service(tmp_path, MODEL_DIR=tmp_path / "model") as running:
        card = running.ready().get("/model").json
        assert (card["threshold"], card["class_thresholds"]) == (None, limits)
        found = running.post("/predict/batch", {"texts": texts}).json["predictions"]
    assert found[0] == answer | {"needs_review": True, "threshold": None}
    assert {each["needs_review"] for each in found} == {True, False}
    assert all(each["needs_review"] == (each["category"] == answer["category"]) for each in found)


def test_a_subject_is_joined_before_the_text_as_prepare_joins_columns(service):
    """With a line break between them, which no word and no sequence of characters crosses."""
    text = "the screen stays black"
    joined = service.post("/predict?explain=true", {"text": f"laptop\n{text}"}).json
    assert service.post("/predict?explain=true", {"subject": "laptop", "text": text}).json == joined
    alone = service.post("/predict?explain=true", {"text": text}).json
    assert alone["confidence"] != joined["confidence"]
    for blank in (None, "", " \n"):
        assert service.post("/predict?explain=true", {"subject": blank, "text": text}).json == alone
    long = {"subject": "x" * 3000, "text": "y" * 3000}
    assert "together have more than 5000 characters" in assert_problem(service.post("/predict", long), 422)
    assert_problem(service.post("/predict", {"subject": "laptop", "text": " "}), 422)
    assert_problem(service.post("/predict", {"subject": 5, "text": text}), 422)


def test_an_explanation_names_the_words_that_decided(service):
    prediction = service.post("/predict?explain=true", TICKET).json
    terms = {weight["term"]: weight["weight"] for weight in prediction["explanation"]}
    assert prediction["category"] == "Hardware" and terms["laptop"] > 0
    assert list(map(abs, terms.values())) == sorted(map(abs, terms.values()), reverse=True)
    vague = service.post("/predict?explain=true", {"text": "laptop holiday"}).json
    assert vague["needs_review"] and len({weight["weight"] > 0 for weight in vague["contrast"]}) == 2
    assert "explain must be true or false" in assert_problem(service.post("/predict?explain=maybe", TICKET), 422)


def test_with_an_explanation_come_the_figures_by_which_drift_is_found(service):
    """Of the four words, the model knows none that is made up."""
    prediction = service.post("/predict?explain=true", {"text": "laptop qzx laptop vwk"}).json
    assert {"characters": 21, "unknown_words": 0.5} == prediction["text_figures"]
    assert service.post("/predict?explain=true", {"text": "!!!"}).json["text_figures"]["unknown_words"] is None
    assert "text_figures" not in service.post("/predict", TICKET).json


def test_the_parameter_top_sets_the_number_of_categories(service):
    """Clients that combine several models need every probability."""
    labels = service.get("/model").json["labels"]
    found = service.post("/predict?top=1000", TICKET).json["best"]
    assert sorted(choice["category"] for choice in found) == labels
    assert sum(choice["probability"] for choice in found) == pytest.approx(1)
    assert service.post("/predict?top=1", TICKET).json["best"] == found[:1]
    for wrong in ("0", "1001", "-1", "three", "2&top=3"):
        assert "top must be a whole number" in assert_problem(service.post(f"/predict?top={wrong}", TICKET), 422)


@pytest.mark.parametrize(
    "text, status",
    {
        "": 422,
        " \n\t": 422,
        "🙂🙂": 200,
        "الطابعة لا تعمل": 200,
        "nul \x00 inside": 200,
        "e\u0301 \u200b \u202e": 200,
        "x" * 5_000: 200,
        "x" * 5_001: 422,
        "x" * 1_000_000: 413,
    }.items(),
    ids=lambda value: repr(value)[:12],
)
def test_the_tfidf_service_answers_odd_texts_or_says_why_not(service, text, status):
    answer = service.post("/predict", {"text": text})
    assert answer.status == status
    assert status == 200 or assert_problem(answer, status)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"text"', b'{"text": 7}', b"{}", b'{"text": "a", "more": 1}', b'{"text": "\\ud800"}', b"\xff"],
)
def test_an_invalid_body_is_refused_without_repeating_it(service, body):
    answer = service.post("/predict", body)
    assert assert_problem(answer, 422) == "the body is not what /docs describes"
    assert answer.json["errors"]


def test_the_size_of_a_batch_is_limited(service):
    assert service.post("/predict/batch", {"texts": ["a"] * 20}).status == 200
    assert_problem(service.post("/predict/batch", {"texts": ["a"] * 21}), 422)
    assert_problem(service.post("/predict/batch", {"texts": []}), 422)
    assert service.post("/predict/batch", {"texts": ["a", " "]}).json["errors"][0].startswith("texts.1:")


def test_unknown_paths_methods_and_content_types_are_problems(service):
    assert_problem(service.get("/nothing"), 404)
    assert_problem(service.ask("DELETE", "/health"), 405)
    refused = service.get("/predict")
    assert_problem(refused, 405)
    assert refused.headers["allow"] == "POST"
    assert "Content-Type: application/json" in assert_problem(service.ask("POST", "/predict", b"{}"), 415)


def test_a_body_that_does_not_arrive_times_out(service):
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        head = (
            "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        )
        connection.sendall(head.encode() + b'{"text"')
        connection.settimeout(10)
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")


def test_the_tfidf_service_describes_its_model_and_its_api(service, folders):
    metadata = json.loads((folders["good"] / "metadata.json").read_text(encoding="utf-8"))
    card = service.get("/model").json
    assert card["sha256"] == metadata["files"]["model.skops"]
    assert (card["name"], card["version"], card["stage"]) == (NAME, card["sha256"][:12], None)
    assert card["labels"] == metadata["labels"] and card["threshold"] == metadata["threshold"]
    assert card["metrics"]["test"]["accuracy"] == metadata["metrics"]["test"]["accuracy"] > 0.5
    assert service.get("/ready").json == {"status": "ready", "model_version": card["version"]}
    paths = service.get("/openapi.json").json["paths"]
    assert set(paths) == {
        "/health",
        "/ready",
        "/model",
        "/model/reference",
        "/metrics",
        "/predict",
        "/predict/batch",
    }
    reference = json.loads((folders["good"] / "reference.json").read_text(encoding="utf-8"))
    del reference["format"]
    assert service.get("/model/reference").json == reference | {"version": card["version"]}
    assert b"swagger" in service.get("/docs").body


def test_metrics_count_requests_and_predictions(service):
    done, wrong = 'http_requests_total{path="/predict",status="200"}', 'http_requests_total{path="other",status="404"}'
    names = (done, wrong, 'predictions_total{category="Hardware"}', "prediction_confidence_count")
    before = [service.metric(name) for name in names]
    for _ in range(3):
        service.post("/predict", TICKET)
    service.get("/no/such/path")
    assert [service.metric(name) - start for name, start in zip(names, before, strict=True)] == [3, 1, 3, 3]
    assert service.metric("model_source_up") == 1
    card = service.get("/model").json
    labels = 'model_info{{name="{name}",sha256="{sha256}",stage="",version="{version}"}}'
    assert service.metric(labels.format(**card)) == 1
    assert 0 < time.time() - service.metric("model_loaded_timestamp_seconds") < 600


def test_the_log_contains_the_request_and_never_the_ticket(service):
    answer = service.post("/predict", {"text": f"please call {SECRET}"}, X_Request_Id="desk-42")
    assert answer.headers["x-request-id"] == "desk-42"
    service.post("/predict", {"text": f"{SECRET} \ud800", SECRET: 1})
    service.post("/predict", f"{SECRET} is no JSON".encode())
    made = service.post("/predict", TICKET, X_Request_Id="has spaces").headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", made)
    line = next(line for line in service.lines() if line.get("request_id") == "desk-42")
    assert (line["path"], line["status"], line["level"]) == ("/predict", 200, "info") and line["milliseconds"] > 0
    assert SECRET not in service.log.read_text(encoding="utf-8")


def test_a_key_is_required_if_one_is_configured(folders, tmp_path):
    with Service(tmp_path, MODEL_DIR=folders["good"], API_KEYS="first, sécond") as service:
        service.ready()
        refused = service.post("/predict", TICKET)
        assert "Authorization: Bearer" in assert_problem(refused, 401)
        assert refused.headers["www-authenticate"] == "Bearer"
        for wrong in ("Bearer firs", "Bearer", "Basic first", "Bearer first, sécond"):
            assert service.post("/predict", TICKET, Authorization=wrong).status == 401
        for right in ("Bearer first", "bearer first", "Bearer sécond".encode()):
            assert service.post("/predict", TICKET, Authorization=right).status == 200
        assert {service.get(path).status for path in ("/health", "/ready", "/model", "/metrics", "/docs")} == {200}
        assert service.get("/openapi.json").json["paths"]["/predict"]["post"]["security"] == [{"key": []}]


def test_beyond_loopback_a_key_is_required_unless_anonymous_access_is_allowed(folders, tmp_path):
    with Service(tmp_path, MODEL_DIR=folders["good"], HOST="0.0.0.0") as service:
        service.ready()
        assert "set API_KEYS" in assert_problem(service.post("/predict", TICKET, Authorization="Bearer "), 401)
    with Service(tmp_path, MODEL_DIR=folders["good"], HOST="0.0.0.0", ALLOW_ANONYMOUS="true") as service:
        assert service.ready().post("/predict", TICKET).status == 200


def test_too_many_requests_at_once_are_answered_with_503(folders, tmp_path):
    with Service(tmp_path, MODEL_DIR=folders["good"], MAX_IN_FLIGHT=2) as service:
        service.ready()
        head = (
            "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n"
        )
        slow = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(2)]
        for connection in slow:
            connection.sendall(head.encode())
        service.until(lambda: service.post("/predict", TICKET).status == 503)
        answer = service.post("/predict", TICKET)
        assert "too many" in assert_problem(answer, 503) and answer.headers["retry-after"] == "1"
        assert service.get("/health").status == 200
        for connection in slow:
            connection.sendall(b'{"text": "a"}')
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
            connection.close()
        assert service.post("/predict", TICKET).status == 200
        assert service.metric("http_requests_turned_away_total") >= 1


# Windows ends a process at once, without a signal.
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that a process could answer")
def test_a_request_in_flight_is_answered_after_sigterm(folders, tmp_path):
    with Service(tmp_path, MODEL_DIR=folders["good"]) as service, socket.socket() as connection:
        service.ready()
        connection.connect(("127.0.0.1", service.port))
        head = (
            "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n"
        )
        connection.sendall(head.encode() + b'{"text"')
        service.until(lambda: service.metric("http_requests_in_flight") >= 1)
        service.process.terminate()
        time.sleep(0.5)
        connection.sendall(b': "a"}')
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        assert service.process.wait(10) == 0


@pytest.mark.parametrize(
    "variables, said",
    [
        ({"PORT": "eighty"}, "PORT: Input should be a valid integer"),
        ({"MAX_BATCH": "0"}, "MAX_BATCH: Input should be greater than or equal to 1"),
        ({"MODEL_URI": "runs:/1"}, "MODEL_URI=runs:/1 is neither models:/NAME@ALIAS nor models:/NAME/VERSION"),
        ({"MODEL_URI": f"models:/{NAME}@production"}, "MODEL_URI needs MLFLOW_TRACKING_URI=http"),
    ],
)
def test_invalid_settings_of_a_model_service_are_reported_in_one_line(variables, said):
    assert said in fails_to_start(**variables)


def test_a_bare_folder_is_served_with_a_warning_a_metric_and_no_stage(service):
    version = service.get("/model").json["version"]
    assert service.get("/health").json == {"status": "ok", "model_version": version, "stage": None}
    assert "model_promoted 0.0" in service.get("/metrics").body.decode().splitlines()
    assert any("was not promoted" in line["message"] and line["level"] == "warning" for line in service.lines())


def test_a_service_that_is_told_nothing_says_how_to_promote_while_nothing_is_in_production(tmp_path):
    said = fails_to_start(PRODUCTION_DIR=tmp_path / "tfidf")
    assert "nothing is in Production" in said
    commands = ("mlflow_registry.py register`", "`staging`", "`production`", "MODEL_DIR=models/tfidf")
    assert all(command in said for command in commands)
    said = fails_to_start(TRANSFORMER, PRODUCTION_DIR=tmp_path / "transformer")
    assert "mlflow_registry.py --model transformer register`" in said


def test_an_mlflow_server_without_a_model_to_serve_from_it_is_an_error():
    assert "MODEL_URI=models:/NAME@production" in fails_to_start(MLFLOW_TRACKING_URI="http://127.0.0.1:5000")


@pytest.mark.runs("python -m services.tfidf.app")
def test_a_service_that_is_told_nothing_serves_production_and_follows_it(registry_commands, tmp_path):
    """Without a server: each version is announced, and replaced without a failed request by promotion and rollback."""
    registry_commands.register("good", "close")
    force = ("--force", "--reason", "a test")
    registry_commands.run("production", "--version", "1", *force)
    place = registry_commands.database.parent / "models" / "production" / "tfidf"
    with Service(tmp_path, PRODUCTION_DIR=place) as service, Load(service.ready()) as load:

        def serves(version: str) -> bool:
            return service.get("/health").json == {"status": "ok", "model_version": version, "stage": "Production"}

        assert serves("1") and service.get("/model").json["stage"] == "Production"
        loaded = next(line for line in service.lines() if line["message"] == "model loaded")
        assert (loaded["version"], loaded["stage"]) == ("1", "Production")
        registry_commands.run("production", "--version", "2", *force)
        service.until(lambda: serves("2"))
        card = service.get("/model").json
        labels = 'model_info{{name="{name}",sha256="{sha256}",stage="{stage}",version="{version}"}}'
        assert service.metric(labels.format(**card)) == service.metric("model_promoted") == 1
        registry_commands.run("rollback")
        service.until(lambda: serves("1"))
        shutil.rmtree(place)
        service.until(lambda: service.metric("model_source_up") == 0)
        assert service.post("/predict", TICKET).status == 200
        registry_commands.run("list")
        service.until(lambda: service.metric("model_source_up") == 1)
    assert load.statuses() == {200} and load.versions() == ["1", "2"]


@pytest.mark.parametrize("damaged", ["current.json", "metadata.json", "scorer.npz"])
def test_a_damaged_copy_of_production_is_not_served(registry_commands, tmp_path, damaged):
    registry_commands.register("good")
    registry_commands.run("production", "--version", "1", "--force", "--reason", "a test")
    place = registry_commands.database.parent / "models" / "production" / "tfidf"
    path = next(place.rglob(damaged))
    path.write_bytes(path.read_bytes()[:-2] + b" }")
    if damaged == "current.json":
        path.write_text('{"version": 1, "metadata_sha256": "", "stage": "Production", "folder": "../tfidf"}')
    with Service(tmp_path, PRODUCTION_DIR=place) as service:
        service.until(lambda: service.metric("model_load_failures_total") >= 1)
        assert_problem(service.get("/ready"), 503)


def test_a_service_without_a_model_is_alive_and_becomes_ready_with_one(folders, tmp_path):
    place = tmp_path / "model"
    with Service(tmp_path, MODEL_DIR=place) as service:
        assert "holds no model" in assert_problem(service.get("/ready"), 503)
        refused = service.post("/predict", TICKET)
        assert assert_problem(refused, 503) and refused.headers["retry-after"]
        shutil.copytree(folders["good"], place)
        assert service.ready().post("/predict", TICKET).status == 200


def test_a_new_model_in_the_folder_is_served_without_a_failed_request(folders, tmp_path):
    place = tmp_path / "model"
    shutil.copytree(folders["bad"], place)
    with Service(tmp_path, MODEL_DIR=place) as service:
        old = service.ready().get("/model").json["version"]
        assert service.metric("model_trained_timestamp_seconds") == trained_at(place)
        with Load(service) as load:
            for name in ("model.skops", "scorer.npz", "reference.json", "metadata.json"):
                shutil.copy(folders["good"] / name, tmp_path / name)
                (tmp_path / name).replace(place / name)
            service.until(lambda: service.get("/model").json["version"] != old)
            service.until(lambda: len(load.versions()) == 2)
        assert load.statuses() == {200}
        # run.json is no part of a model: the old one names another metadata.json and does not count.
        assert service.metric("model_trained_timestamp_seconds") == 0


def trained_at(folder):
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))["started_at"]


@pytest.mark.parametrize("broken", ["scorer.npz", "metadata.json", "a scorer whose hash is right", "no name"])
def test_a_broken_artifact_leaves_the_last_good_model_in_use(folders, tmp_path, broken):
    place = tmp_path / "model"
    shutil.copytree(folders["good"], place)
    with Service(tmp_path, MODEL_DIR=place) as service:
        before = service.ready().get("/model").json
        metadata = json.loads((place / "metadata.json").read_text(encoding="utf-8"))
        if broken == "a scorer whose hash is right":
            (place / "scorer.npz").write_bytes(b"no archive")
            metadata["files"]["scorer.npz"] = hashlib.sha256(b"no archive").hexdigest()
            (place / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
        elif broken == "no name":
            # A complete model whose metadata lacks a field: it must not be used in part.
            for path in folders["bad"].glob("[!m]*"):
                shutil.copy(path, place / path.name)
            metadata = json.loads((folders["bad"] / "metadata.json").read_text(encoding="utf-8"))
            del metadata["name"]
            (place / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
        else:
            (place / broken).write_bytes(b"{" + (place / broken).read_bytes())
            os.utime(place / "metadata.json")
        service.until(lambda: service.metric("model_source_up") == 0)
        assert service.get("/model").json == before
        assert service.post("/predict", TICKET).status == 200
        assert service.metric("model_load_failures_total") >= 1
        assert any(line.get("still_serving") == before["version"] for line in service.lines())
        for path in folders["good"].iterdir():
            shutil.copy(path, place / path.name)
        os.utime(place / "metadata.json")
        service.until(lambda: service.metric("model_source_up") == 1)


@pytest.mark.parametrize("content", ["", "7", "[]", "{}", '{"files": []}', '{"files": null}'])
def test_a_metadata_file_that_training_did_not_write_is_named(tmp_path, content):
    (tmp_path / "metadata.json").write_text(content, encoding="utf-8")
    source = FolderSource(tmp_path, lambda metadata: ("scorer.npz",))
    (tmp_path / "scorer.npz").touch()
    with pytest.raises(SourceError, match=r"^metadata\.json is not what training writes$"):
        source.load(source.current())


@pytest.mark.slow
def test_promotion_rollback_and_a_dead_registry_under_load(trained, tmp_path, monkeypatch, capsys):
    """Every request is answered, by a promoted version within seconds, and by the last one without a registry."""
    registry_commands = RegistryCommands(trained, tmp_path, monkeypatch, capsys)
    stores = ("--backend-store-uri", f"sqlite:///{(tmp_path / 'r.db').as_posix()}", "--artifacts-destination", "a")
    with TrackingServer(tmp_path, *stores) as server:
        for _ in range(2):
            registry_commands.register_in(server.address)
        force = ("--force", "--reason", "a test")
        registry_commands.run("production", "--version", "1", *force)
        source = {"MODEL_URI": f"models:/{NAME}@production", "MLFLOW_TRACKING_URI": server.address}
        with Service(tmp_path, **source) as service:
            service.ready()

            def serves(version: str) -> bool:
                return service.get("/model").json["version"] == version

            assert service.get("/model").json["stage"] == "Production"
            with Load(service) as load:
                registry_commands.run("production", "--version", "2", *force)
                service.until(lambda: serves("2"), 10)
                registry_commands.run("rollback")
                service.until(lambda: serves("1"), 10)
                server.kill()
                service.until(lambda: service.metric("model_source_up") == 0)
                asked = len(load.found)
                service.until(lambda: len(load.found) > asked + 50)
            assert load.statuses() == {200} and load.versions() == ["1", "2"]
            assert load.found[-1] == (200, "1")
            assert "does not answer" in service.log.read_text(encoding="utf-8")


@pytest.mark.slow
def test_fuzzing_the_tfidf_service_by_its_openapi_document_finds_nothing(service, tmp_path):
    """schemathesis: no server error, no answer that is not described, no bad request accepted, no good one refused."""
    # Subject and text together may be too long.
    assert_fuzzing_finds_nothing(service, tmp_path, {"POST /predict": ["422"]})
