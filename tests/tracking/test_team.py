"""MLflow for a team: users of a server with a login, and the migration of an embedded database to PostgreSQL."""

import hashlib
import secrets
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import pytest

import log_run
import migrate_mlflow
import mlflow_registry
import mlflow_users
import train_tfidf
from callcenterai.tracking.server_users import call_users_api
from callcenterai.tracking.store import translate_tracking_errors
from support.processes import environment, free_port
from support.registry import EXPERIMENT, NAME, RegistryCommands
from support.repository import REPOSITORY, write_params
from support.servers.services import Service
from support.servers.team import TeamServer


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["mlflow.db"], "'mlflow.db' is not an embedded database: give sqlite:/// and its file"),
        (["sqlite:///none.db"], "none.db: no such file"),
        (["sqlite:///there.db"], "the destination is incomplete: give a target, or MLFLOW_BACKEND_STORE_URI"),
        (
            ["sqlite:///there.db", "postgresql+pg8000://x@127.0.0.1/x"],
            "the destination is incomplete: give --artifacts",
        ),
    ],
)
def test_migration_names_what_is_missing_on_the_command_line(arguments, expected, tmp_path, monkeypatch, error_line):
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_BACKEND_STORE_URI", "MLFLOW_ARTIFACTS_DESTINATION"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "there.db").touch()
    assert migrate_mlflow.main(arguments) == 2
    assert expected in error_line()


@pytest.mark.parametrize(
    "target, expected",
    [
        ("sqlite:///other.db", "the target is sqlite: it has to be postgresql+pg8000://"),
        ("postgresql+nothing://x@127.0.0.1/x", "the target's address is not valid"),
        ("here", "the target's address is not valid"),
        ("postgresql+pg8000://x:{word}@127.0.0.1:{port}/x", "Can't create a connection to host 127.0.0.1"),
    ],
)
def test_migration_refuses_a_target_that_is_not_postgresql(target, expected, trained, tmp_path, error_line, capsys):
    """The message does not show a password that is in the address."""
    capsys.readouterr()
    target = target.format(port=free_port(), word="sesame")
    arguments = [f"sqlite:///{trained.database.as_posix()}", target, "--artifacts", str(tmp_path)]
    assert migrate_mlflow.main(arguments) == 2
    line = error_line()
    assert expected in line and "sesame" not in line


def test_migration_refuses_a_database_of_another_mlflow(trained, tmp_path, error_line, capsys):
    shutil.copy(trained.database, tmp_path / "mlflow.db")
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'another'")
    capsys.readouterr()
    arguments = [f"sqlite:///{(tmp_path / 'mlflow.db').as_posix()}", "postgresql+pg8000://x@127.0.0.1/x"]
    assert migrate_mlflow.main([*arguments, "--artifacts", str(tmp_path)]) == 2
    line = error_line()
    assert "is of another MLflow (its schema is another" in line and "`mlflow db upgrade sqlite:///" in line


def test_user_commands_need_a_server(monkeypatch, error_line):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert mlflow_users.main(["list"]) == 2
    assert "set MLFLOW_TRACKING_URI to its address" in error_line()


def test_server_without_its_secrets_names_the_command_that_makes_them():
    command = [sys.executable, str(REPOSITORY / "deploy" / "mlflow" / "team_server.py")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert "MLFLOW_READER_PASSWORD" in done.stderr and "`python scripts/make_secrets.py .env`" in done.stderr


class Embedded:
    """An embedded database in use: promotions and a rollback, a failed and a deleted run, a trace, odd values."""

    def __init__(self, registry_commands: RegistryCommands, folder: Path) -> None:
        """Make it."""
        self.registry_commands, self.folder, self.file = registry_commands, folder, registry_commands.database
        registry_commands.register("good", "close", "bad")
        for version in ("1", "2"):
            registry_commands.run("staging", "--version", version)
            registry_commands.run("production", "--force", "--reason", "better, she says: 100 % \u2713")
        registry_commands.run("rollback", "--reason", "wrong queue")
        client = mlflow.MlflowClient(registry_commands.uri, registry_commands.uri)
        experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
        failed = client.create_run(experiment, tags={"error": "no space\nleft"})
        client.log_metric(failed.info.run_id, "loss", float("inf"))
        client.log_metric(failed.info.run_id, "loss", float("nan"), step=2)
        client.set_terminated(failed.info.run_id, "FAILED")
        client.delete_run(failed.info.run_id)
        # A run logged through a server on this database, which keeps its files itself.
        other = client.create_experiment("through a server", "mlflow-artifacts:/7")
        self.served = client.create_run(other).info.run_id
        place = folder / "mlartifacts" / "7" / self.served / "artifacts"
        place.mkdir(parents=True)
        (place / "note.txt").write_bytes(b"kept by a server")
        # Through the client, because `set_experiment` would affect every later test.
        trace = client.start_trace("asked", inputs={"text": "my laptop"}, experiment_id=experiment)
        client.end_trace(trace.trace_id)
        mlflow.flush_trace_async_logging()

    def arguments(self, target: str, artifacts: Path) -> list[str]:
        """Return the command line of the migration."""
        return [f"sqlite:///{self.file.as_posix()}", target, "--artifacts", str(artifacts)]

    def rows(self, table: str) -> int:
        """Return how many rows a table has."""
        with sqlite3.connect(self.file) as database:
            return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


@pytest.fixture
def embedded(registry_commands, tmp_path) -> Embedded:
    return Embedded(registry_commands, tmp_path)


def read_everything(registry_commands: RegistryCommands) -> dict[str, Any]:
    """Return the JSON of the registry's reading commands for the first three versions."""
    shown = {name: registry_commands.read(name) for name in ("list", "history")}
    return shown | {f"show {number}": registry_commands.read("show", str(number)) for number in (1, 2, 3)}


@pytest.mark.runs(
    "python scripts/migrate_mlflow.py sqlite:///mlflow.db postgresql+pg8000://mlflow:...@db/mlflow --artifacts /srv",
)
@pytest.mark.slow
def test_a_team_continues_on_a_migrated_database(embedded, postgresql, tmp_path, monkeypatch, capsys, error_line):
    """Ids, stages, history and bytes are the same after the migration; then two people train, promote and roll back.

    Every command of the guide works for a user who is not an administrator, also on other people's versions. The
    services' account reads what a service needs and changes nothing. A user without permission gets a one-line error.
    """
    registry_commands, artifacts = embedded.registry_commands, tmp_path / "artifacts"
    before, exported = read_everything(registry_commands), tmp_path / "exported"
    registry_commands.run("export", "production", str(exported))
    bytes_before = embedded.file.read_bytes()
    capsys.readouterr()
    assert migrate_mlflow.main(embedded.arguments(database := postgresql.new_database("team"), artifacts)) == 0
    summary = capsys.readouterr().out
    assert embedded.file.read_bytes() == bytes_before
    for table in ("runs", "metrics", "logged_models", "model_versions", "registered_model_tags", "trace_info"):
        assert f"{table:<32} {embedded.rows(table):>9,}" in summary and embedded.rows(table), table

    with TeamServer(tmp_path, database, artifacts) as server:
        for name in ("amina", "ben"):
            server.add(name, monkeypatch, capsys)
        server.log_in("amina", monkeypatch)
        assert read_everything(registry_commands) == before
        registry_commands.run("export", "production", str(tmp_path / "again"))
        for path in exported.iterdir():
            assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()
        check_files(embedded)
        check_work_of_two(server, registry_commands, monkeypatch)
        check_service(server, tmp_path, monkeypatch)
        check_refusals(server, registry_commands, monkeypatch, capsys)

    assert migrate_mlflow.main(embedded.arguments(database, artifacts)) == 2
    assert "the target is not empty" in error_line()


def check_files(embedded: Embedded) -> None:
    """Check that the server gives the files of runs, and that MLflow loads the models."""
    client = mlflow.MlflowClient()
    run = client.get_run(embedded.registry_commands.trained.runs["good"])
    assert run.info.artifact_uri == f"mlflow-artifacts:/{run.info.experiment_id}/{run.info.run_id}/artifacts"
    assert {item.path for item in client.list_artifacts(run.info.run_id)} == {"metadata", "metrics", "plots", "report"}
    note = mlflow.artifacts.download_artifacts(run_id=embedded.served, artifact_path="note.txt")
    assert Path(note).read_bytes() == b"kept by a server"
    loaded = mlflow.sklearn.load_model(f"models:/{NAME}@production")
    assert loaded.predict(["my laptop is broken"])[0] == "Hardware"


def check_work_of_two(server: TeamServer, registry_commands: RegistryCommands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that two people can continue each other's work: train, log, register, promote, roll back, archive."""
    places = {"--model": "model", "--metrics": "m.json", "--plots": "plots"}
    outputs = [
        text
        for option, name in places.items()
        for text in (option, str(registry_commands.database.parent / "own" / name))
    ]
    quick = write_params(
        registry_commands.database.parent / "t.yaml", train_tfidf={"bootstrap_samples": 100, "min_df": 1}
    )
    server.log_in("amina", monkeypatch)
    assert train_tfidf.main(["--params", str(quick), "--data", str(registry_commands.trained.data), *outputs]) == 0
    server.log_in("ben", monkeypatch)
    registry_commands.capsys.readouterr()
    assert log_run.main(outputs) == 0
    run_id = registry_commands.capsys.readouterr().out.split()[-1]
    for name, command, *more in (
        ("amina", "register", "--run-id", run_id),
        ("ben", "staging", "--version", "4"),
        ("amina", "production", "--force", "--reason", "trained anew"),
        ("ben", "rollback"),
        ("amina", "archive", "3"),
        ("ben", "diff", "1", "4"),
    ):
        server.log_in(name, monkeypatch)
        by = [] if command == "diff" else ["--by", name]
        assert registry_commands.run(command, *more, *by), command
    stages = {row["version"]: row["stage"] for row in registry_commands.read("list")}
    assert stages == {1: "Production", 2: "Archived", 3: "Archived", 4: "Archived"}
    made = [
        (change["by"], change["action"]) for change in registry_commands.read("history") if change["version"] in (3, 4)
    ]
    assert made[-4:] == [("ben", "staging"), ("amina", "production"), ("ben", "rollback"), ("amina", "archive")]


def check_service(server: TeamServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that a service works with the account `services`, which can create nothing, not even an experiment."""
    variables = server.login("services") | {"MODEL_URI": f"models:/{NAME}@production"}
    with Service(folder, **variables) as service:
        answer = service.ready().post("/predict", {"text": "my laptop is broken"})
        assert (answer.status, answer.json["category"]) == (200, "Hardware")
    server.log_in("services", monkeypatch)
    with pytest.raises(mlflow.MlflowException, match="services may only read"):
        mlflow.MlflowClient(server.address, server.address).create_experiment("mine")
    with pytest.raises(mlflow.MlflowException, match="services may only read"):
        mlflow.MlflowClient(server.address, server.address).create_registered_model("mine")


def check_refusals(server: TeamServer, registry_commands: RegistryCommands, monkeypatch, capsys) -> None:
    """Check that every command ends in a one-line error without a login, a password or a permission."""
    places = {"--model": "model", "--metrics": "m.json", "--plots": "plots"}
    log = [text for option, name in places.items() for text in (option, str(registry_commands.trained.folder / name))]
    gate_options = ["--params", str(registry_commands.params), "--data", str(registry_commands.trained.data)]
    commands = [(mlflow_registry, ["staging", "--version", "2", *gate_options]), (log_run, log)]
    guest = {"MLFLOW_TRACKING_USERNAME": "guest", "MLFLOW_TRACKING_PASSWORD": secrets.token_hex()}
    server.log_in("admin", monkeypatch)
    with translate_tracking_errors():
        call_users_api("POST", "users/create", username="guest", password=guest["MLFLOW_TRACKING_PASSWORD"])
    nobody = {"MLFLOW_TRACKING_USERNAME": "", "MLFLOW_TRACKING_PASSWORD": ""}
    for changes, expected in (
        (nobody, "requires a login: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        (
            {"MLFLOW_TRACKING_PASSWORD": server.passwords["services"]},
            "does not accept this password for admin: set MLFLOW_TRACKING",
        ),
        (guest, "does not allow guest to do this: an administrator grants the right to train and promote with"),
        ({"MLFLOW_TRACKING_URI": f"http://localhost:{server.port}"}, "does not answer to this host name"),
        ({"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}"}, "start the server, or unset MLFLOW_TRACKING_URI"),
    ):
        for script, arguments in commands:
            server.log_in("admin", monkeypatch)
            for name, value in changes.items():
                monkeypatch.setenv(name, value)
            capsys.readouterr()
            assert script.main(arguments) == 2
            # `staging` says what it does before it is refused.
            assert expected in capsys.readouterr().err.splitlines()[-1], (script, changes)


@pytest.mark.slow
def test_a_failed_migration_leaves_no_row_and_can_be_repeated(embedded, postgresql, tmp_path, capsys, error_line):
    """The failure is a name that sqlite accepts and PostgreSQL refuses as too long."""
    database, artifacts = postgresql.new_database("failing"), tmp_path / "artifacts"
    run_id = embedded.registry_commands.trained.runs["good"]
    (tmp_path / "file").touch()
    capsys.readouterr()
    assert migrate_mlflow.main(embedded.arguments(database, tmp_path / "file" / "artifacts")) == 2
    assert "error: files cannot be kept in " in capsys.readouterr().err.splitlines()[-1]
    with sqlite3.connect(embedded.file) as source:
        source.execute("UPDATE runs SET name = ? WHERE run_uuid = ?", ("n" * 300, run_id))
    assert migrate_mlflow.main(embedded.arguments(database, artifacts)) == 2
    output = capsys.readouterr().err.splitlines()[-1]
    assert output.startswith("error: the database refuses: value too long for type character varying(250)")
    with postgresql.ask("failing") as connection:
        for table in ("runs", "metrics", "registered_models"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0
        assert connection.exec_driver_sql("SELECT name FROM experiments").scalar() == "Default"
    with sqlite3.connect(embedded.file) as source:
        source.execute("UPDATE runs SET name = 'short' WHERE run_uuid = ?", (run_id,))
    assert migrate_mlflow.main(embedded.arguments(database, artifacts)) == 0
    with postgresql.ask("failing") as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM runs").scalar() == embedded.rows("runs")
        # The server numbers new rows after those that were moved.
        query = "SELECT nextval(pg_get_serial_sequence('experiments', 'experiment_id')) > max(experiment_id)"
        assert connection.exec_driver_sql(f"{query} FROM experiments").scalar()


@pytest.mark.slow
def test_migration_names_missing_files_and_finds_moved_ones(embedded, postgresql, tmp_path, capsys, error_line):
    """MLflow records absolute paths, which are wrong after the folder was moved."""
    registry_commands, artifacts = embedded.registry_commands, tmp_path / "artifacts"
    recorded, place = registry_commands.trained.folder / "mlruns", tmp_path / "moved"
    shutil.copytree(recorded, place)
    gone = tmp_path / "gone"
    registry_commands.record_files_at(gone)
    arguments = embedded.arguments(postgresql.new_database("moved"), artifacts)
    capsys.readouterr()
    assert migrate_mlflow.main(arguments) == 2
    output = capsys.readouterr().err.splitlines()[-1]
    assert f"the files of version 1 of {NAME} ({gone.as_uri()}" in output and "--moved OLD NEW" in output
    assert migrate_mlflow.main([*arguments, "--moved", gone.as_posix(), place.as_posix()]) == 0
    model = next((place / "models").glob("*/artifacts/model.skops"))
    copy = next(artifacts.glob(f"*/models/{model.parts[-3]}/artifacts/model.skops"))
    assert hashlib.sha256(copy.read_bytes()).digest() == hashlib.sha256(model.read_bytes()).digest()


@pytest.mark.runs(
    "python scripts/mlflow_users.py add amina",
    "python scripts/mlflow_users.py add amina --admin",
    "python scripts/mlflow_users.py list",
    "python scripts/mlflow_users.py password amina",
    "python scripts/mlflow_users.py remove amina",
)
@pytest.mark.slow
def test_users_are_added_listed_and_removed(postgresql, tmp_path, monkeypatch, capsys, error_line):
    """A password is shown once, alone on stdout; a removed user cannot log in; only an administrator may do this."""
    with TeamServer(tmp_path, postgresql.new_database("people"), tmp_path / "artifacts") as server:
        server.add("amina", monkeypatch, capsys)
        server.add("ben", monkeypatch, capsys)
        assert len(server.passwords["amina"]) >= 32 and server.passwords["amina"] != server.passwords["ben"]
        assert mlflow_users.main(["add", "ben", "--admin"]) == 0
        output = capsys.readouterr()
        assert output.out == "" and "ben already exists and keeps the password; may now: do everything" in output.err
        assert mlflow_users.main(["list"]) == 0
        rows = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[1:]]
        assert rows == [
            ["admin", "do everything"],
            ["amina", "train and promote"],
            ["ben", "do everything"],
            ["services", "read"],
        ]
        old = server.login("amina")
        assert mlflow_users.main(["password", "amina"]) == 0
        server.passwords["amina"] = capsys.readouterr().out.strip()
        assert server.login("amina") != old
        server.log_in("amina", monkeypatch)
        assert mlflow_users.main(["list"]) == 0
        capsys.readouterr()
        assert mlflow_users.main(["add", "carla"]) == 2
        assert "amina is not an administrator" in error_line()
        server.log_in("admin", monkeypatch)
        for name, expected in (("nobody", "there is no user 'nobody'"), ("services", "services belongs to the server")):
            assert mlflow_users.main(["remove", name]) == 2
            assert expected in error_line()
        assert mlflow_users.main(["remove", "amina"]) == 0
        capsys.readouterr()
        server.log_in("amina", monkeypatch)
        assert mlflow_users.main(["list"]) == 2
        assert "does not accept this password for amina" in error_line()


@pytest.mark.slow
def test_only_named_origins_may_change_the_server(postgresql, tmp_path):
    """A password in the environment becomes that of admin and services at the next start."""
    import requests

    database = postgresql.new_database("pages")

    def status(server: TeamServer, origin: str, password: str | None = None) -> int:
        headers = {"Origin": origin}
        login = ("admin", password or server.passwords["admin"])
        address = f"{server.address}/ajax-api/2.0/mlflow/experiments/search"
        return requests.post(address, json={"max_results": 1}, headers=headers, auth=login, timeout=60).status_code

    (tmp_path / "one").mkdir()
    with TeamServer(tmp_path / "one", database, tmp_path / "artifacts", MLFLOW_SERVER_CORS_ALLOWED_ORIGINS="") as one:
        assert (status(one, one.address), status(one, "https://mlflow.example")) == (200, 403)
    named = {"MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "https://mlflow.example"}
    (tmp_path / "two").mkdir()
    with TeamServer(tmp_path / "two", database, tmp_path / "artifacts", **named) as two:
        assert (status(two, "https://mlflow.example"), status(two, "https://evil.example")) == (200, 403)
        assert status(two, two.address, one.passwords["admin"]) == 401
