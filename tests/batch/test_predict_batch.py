"""Every ticket is classified exactly once and as by the model, despite broken rows, killed runs and dead workers."""

import gzip
import io
import shutil
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import predict_batch
from callcenterai.artifact.folder import load_model, read_metadata
from callcenterai.core import cluster
from callcenterai.core.cli import UserError
from support.processes import environment, free_port, run_killed, wait_until
from support.repository import SCRIPTS
from support.servers.dask_workers import Workers, only_error
from support.tickets import invent, write_csv

# A gzip file with damaged bytes in the middle. Test names are made from it, so it must not hold the time: pytest-xdist
# stops when its processes collect different names.
DAMAGED = gzip.compress(b"text\n" + b"a laptop\n" * 9, mtime=0)
DAMAGED = DAMAGED[:14] + b"\xff\xff\xff" + DAMAGED[17:]
# A Parquet file whose text column is not UTF-8.
LATIN = io.BytesIO()
pq.write_table(pa.table({"text": pa.array([b"caf\xe9"]).view(pa.string())}), LATIN)
LATIN = LATIN.getvalue()
TEXTS = [
    "my laptop is broken",
    'it says "no", then\nnothing',
    "mot de passe oublié",
    "🙂 the printer, again",
    "İstanbul office has no network",
]


@pytest.fixture
def batch(scheduler, folders, tmp_path, monkeypatch):
    """Runs the command with the good model on the shared Dask cluster, and reads its output."""
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", scheduler)
    return Batch(folders["good"], tmp_path)


class Batch:
    """Runs the command and reads its output."""

    def __init__(self, model: Path, folder: Path) -> None:
        self.model, self.folder, self.output = model, folder, folder / "predictions"

    def run(self, path: Path, *more: str) -> int:
        return predict_batch.main([str(path), str(self.output), "--model", str(self.model), *more])

    def predictions(self) -> pd.DataFrame:
        return self._read(self.output)

    def rejected(self) -> pd.DataFrame:
        return self._read(self.output / "_rejected")

    def assert_predicted(self, texts: list[str]) -> None:
        """Assert that the predictions are the model's own for these texts, in this order."""
        found = self.predictions()
        probabilities = load_model(self.model).predict_proba(texts)
        metadata = read_metadata(self.model)
        assert found["category"].tolist() == [metadata["labels"][place] for place in probabilities.argmax(axis=1)]
        np.testing.assert_array_equal(found["confidence"], probabilities.max(axis=1))
        threshold = metadata["threshold"]
        doubted = [threshold is None or confidence < threshold for confidence in probabilities.max(axis=1)]
        assert found["needs_review"].tolist() == doubted

    @staticmethod
    def _read(folder: Path) -> pd.DataFrame:
        frames = [pq.ParquetFile(path).read().to_pandas() for path in sorted(folder.glob("part-*.parquet"))]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def write(folder: Path, kind: str, texts: list[str]) -> Path:
    """Write texts to a file of this kind, with their numbers in a column n."""
    path, frame = folder / f"tickets{kind}", pd.DataFrame({"n": range(len(texts)), "text": texts})
    if kind.startswith(".parquet"):
        content = frame.to_parquet()
    elif kind.startswith(".jsonl"):
        content = frame.to_json(orient="records", lines=True, force_ascii=False).encode()
    else:
        content = frame.to_csv(sep="\t" if kind.startswith(".tsv") else ",", index=False).encode()
    path.write_bytes(gzip.compress(content) if kind.endswith(".gz") else content)
    return path


@pytest.mark.runs("python scripts/predict_batch.py tickets.csv predictions")
@pytest.mark.parametrize("kind", [".csv", ".csv.gz", ".tsv", ".jsonl", ".parquet", ".parquet.gz"])
def test_every_kind_of_file_gets_the_predictions_of_the_model(batch, kind, capsys):
    """Texts with line breaks, quotes and accents too; ids are copied, and rows are numbered."""
    path = write(batch.folder, kind, TEXTS)
    assert batch.run(path, "--id-column", "n", "--rows", "2") == 0
    assert "5 tickets classified, 0 rejected" in capsys.readouterr().out
    found = batch.predictions()
    assert found["row"].tolist() == [1, 2, 3, 4, 5] and found["id"].tolist() == ["0", "1", "2", "3", "4"]
    assert set(found["file"]) == {path.name}
    batch.assert_predicted(TEXTS)


def test_the_output_folder_can_be_read_as_one_table(batch):
    """The job and the rejected rows lie in it under names that programs for Parquet folders skip."""
    assert batch.run(write(batch.folder, ".csv", [*TEXTS, ""]), "--rows", "2") == 0
    assert pd.read_parquet(batch.output)["row"].tolist() == [1, 2, 3, 4, 5]
    assert batch.rejected()["row"].tolist() == [6]


def test_tickets_that_are_all_rejected_are_an_error(batch, capsys):
    assert batch.run(write(batch.folder, ".csv", ["", " "])) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: no ticket was classified, 2 were rejected") and "_rejected" in said


@pytest.mark.slow
def test_a_local_run_does_not_ask_for_the_port_of_a_dashboard(folders, tmp_path, monkeypatch):
    """8787, the usual port of Dask's dashboard, belongs to somebody else here."""
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    write_csv(tmp_path / "tickets.csv", [[text, ""] for text in TEXTS])
    with socket.socket() as other:
        with suppress(OSError):  # or somebody has it already
            other.bind(("127.0.0.1", 8787))
            other.listen()
        paths = [str(tmp_path / "tickets.csv"), str(tmp_path / "predictions"), "--model", str(folders["good"])]
        command = [sys.executable, str(SCRIPTS / "predict_batch.py"), *paths, "--workers", "1"]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0 and "8787" not in done.stderr


def test_a_text_of_which_the_model_knows_nothing_says_so_and_goes_to_a_person(batch):
    assert batch.run(write(batch.folder, ".csv", [*TEXTS, "☎☎☎☎"])) == 0
    found = batch.predictions()
    assert found["known_text"].tolist() == [True] * len(TEXTS) + [False]
    assert bool(found["needs_review"].iloc[-1]) is True


def test_all_ticket_files_of_a_folder_are_classified(batch):
    """Files are read sorted by name, each row names its file, and other files are skipped."""
    place = batch.folder / "in"
    (place / "deep").mkdir(parents=True)
    (place / "notes.txt").write_text("no tickets")
    for name, texts in {"a.csv": TEXTS[:2], "deep/b.csv": TEXTS[2:]}.items():
        write_csv(place / name, [[text, ""] for text in texts])
    assert batch.run(place, "--rows", "3") == 0
    assert batch.predictions()["file"].tolist() == ["a.csv"] * 2 + ["deep/b.csv"] * 3
    batch.assert_predicted(TEXTS)


def test_a_large_partition_causes_no_warning_of_dask(batch, recwarn):
    """One partition holds 12 MB."""
    assert batch.run(write(batch.folder, ".csv", ["laptop " * 1000] * 1800)) == 0
    assert len(batch.predictions()) == 1800
    assert not [str(warning.message) for warning in recwarn if "large graph" in str(warning.message)]


def test_broken_rows_of_a_csv_file_are_rejected_with_a_reason(batch):
    """Each row is in one of the two outputs, and the good rows around a broken one are classified."""
    path = batch.folder / "tickets.csv"
    lines = [
        b"text,n",
        b"my laptop,1",
        b"  ,2",
        b"too,many,fields",
        b"caf\xe9 au lait,4",
        b'"broken"quote,5',
        b"fine,6",
    ]
    # é as UTF-8 shows that the other one is damaged.
    path.write_bytes(b"\n".join([*lines, "été,7".encode()]) + b"\n")
    assert batch.run(path, "--id-column", "n") == 0
    assert batch.predictions()["row"].tolist() == [1, 6, 7]
    reasons = dict(zip(batch.rejected()["row"], batch.rejected()["reason"], strict=True))
    assert reasons == {2: "no_text", 3: "field_count", 4: "undecodable", 5: "broken_quoting"}
    assert batch.rejected()["text"].tolist() == ["  ", "too,many,fields", "caf\ufffd au lait,4", '"broken"quote,5']
    assert sorted([*batch.predictions()["row"], *reasons]) == list(range(1, 8))


def test_broken_lines_of_a_json_lines_file_are_rejected_with_a_reason(batch):
    path = batch.folder / "tickets.jsonl"
    path.write_text('{"text": "my laptop"}\n{"text":\n[1]\n{"text": {}}\n{"other": 1}\n{"text": "\\ud800"}\n')
    assert batch.run(path) == 0
    assert batch.predictions()["row"].tolist() == [1]
    assert batch.rejected()["reason"].tolist() == [*("not_json", "not_json", "not_text", "no_text", "undecodable")]


def test_a_second_run_writes_only_the_partitions_that_are_missing(batch):
    path = write(batch.folder, ".csv", TEXTS)
    assert batch.run(path, "--rows", "2") == 0
    parts = sorted(batch.output.glob("part-*"))
    parts[1].unlink()
    before = {part: part.stat().st_mtime_ns for part in parts if part.exists()}
    assert batch.run(path, "--rows", "2") == 0
    assert {part: part.stat().st_mtime_ns for part in before} == before and parts[1].exists()
    batch.assert_predicted(TEXTS)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda batch, path: ["--rows", "3"], "predictions of other tickets, another model or other options"),
        (lambda batch, path: write(batch.folder, ".csv", TEXTS[1:]) and [], "predictions of other tickets"),
        (lambda batch, path: (batch.output / "_job.json").unlink() or [], "holds no predictions"),
        (lambda batch, path: ["--text-column", "body"], "predictions of other tickets"),
    ],
)
def test_a_folder_with_predictions_of_another_job_is_refused(batch, capsys, change, message):
    path = write(batch.folder, ".csv", TEXTS)
    assert batch.run(path) == 0
    more = change(batch, path)
    capsys.readouterr()
    assert batch.run(path, *more) == 2
    assert message in only_error(capsys)


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("tickets.xlsx", b"PK\x03\x04", "is not a zip archive that can be read"),
        ("tickets.csv", b"body\nx\n", "no column 'text'; there are 'body'"),
        ("tickets.parquet", b"PAR1", "not a readable Parquet file"),
        ("tickets.csv.gz", b"text\n", "holds no ticket, only a header"),
        ("damaged.csv.gz", DAMAGED, "not a complete gzip file"),
        ("latin.parquet", LATIN, "latin.parquet is not a readable Parquet file"),
        ("empty", None, "holds no file whose name ends in"),
        ("absent.csv", ..., "no such file"),
    ],
)
def test_unreadable_input_is_one_line_on_stderr(batch, capsys, name, content, message):
    path = batch.folder / name
    if content is None:
        path.mkdir()
    elif content is not ...:
        path.write_bytes(content)
    assert batch.run(path) == 2
    assert message in only_error(capsys)


def test_an_address_without_a_scheduler_is_one_line_on_stderr(batch, monkeypatch, error_line):
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", f"tcp://127.0.0.1:{free_port()}")
    monkeypatch.setattr("callcenterai.core.cluster.TIMEOUT_SECONDS", 2)
    assert batch.run(write(batch.folder, ".csv", TEXTS)) == 2
    assert "no Dask scheduler answers at" in error_line()


def test_a_model_that_does_not_match_its_metadata_is_refused(batch, error_line, tmp_path):
    batch.model = shutil.copytree(batch.model, tmp_path / "model")
    (batch.model / "model.skops").write_bytes(b"other")
    assert batch.run(write(batch.folder, ".csv", TEXTS)) == 2
    assert "is not the file that metadata.json vouches for" in error_line() and not batch.output.exists()


@pytest.mark.slow
def test_a_run_killed_before_any_write_can_be_resumed(batch):
    """Kill it before its first, second and third write; in the end every row is there once."""
    texts = [text for text, _ in invent(40)] + [""]
    path = write(batch.folder, ".jsonl", texts)
    code = "import predict_batch; sys.exit(predict_batch.main(sys.argv[1:]))"
    arguments = [str(path), str(batch.output), "--model", str(batch.model), "--rows", "10"]
    for number in range(3):
        assert run_killed(number, code, *arguments)
    assert batch.run(path, "--rows", "10") == 0
    assert batch.predictions()["row"].tolist() == list(range(1, 41)) and batch.rejected()["row"].tolist() == [41]
    assert not list(batch.output.rglob("*.tmp"))
    batch.assert_predicted(texts[:-1])


@pytest.mark.slow
def test_a_killed_worker_loses_and_doubles_no_ticket(folders, tmp_path, monkeypatch):
    """A second worker joins before the first dies in the middle of its work, and takes over its partitions."""
    batch = Batch(folders["good"], tmp_path)
    texts = [text for text, _ in invent(20_000)]
    path = write(tmp_path, ".csv", texts)
    workers = Workers(tmp_path, 1)
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", workers.address)
    try:
        running = begin(batch, path)
        workers.suspend_first()
        workers.processes.append(workers.worker())
        workers.wait_for_workers(2)
        workers.kill_first()
        assert running.wait(300) == 0
    finally:
        workers.stop()
    assert batch.predictions()["row"].tolist() == list(range(1, 20_001))
    batch.assert_predicted(texts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "message"),
    [
        pytest.param(2, "has killed several workers", id="two"),
        pytest.param(1, "no worker is left: start one", id="the only one", marks=pytest.mark.long),
    ],
)
def test_when_workers_die_the_run_ends_in_one_line_and_can_be_resumed(folders, tmp_path, monkeypatch, count, message):
    """Without allowed failures one killed worker is enough; written partitions stay, and the next run resumes there.

    The only worker dies in the long form: on a push, the next test shows that its loss is an error.
    """
    batch = Batch(folders["good"], tmp_path)
    path = write(tmp_path, ".csv", [text for text, _ in invent(20_000)])
    allowed = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0" if count == 2 else "3"}
    workers = Workers(tmp_path, count, **allowed)
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", workers.address)
    try:
        workers.wait_for_workers(count)
        running = begin(batch, path)
        workers.suspend_first()
        workers.kill_first()
        stderr = running.communicate(timeout=300)[1]
        errors = [line for line in stderr.splitlines() if line.startswith("error: ")]
        assert running.returncode == 2 and message in errors[0] and "Traceback" not in stderr
        assert len(list(batch.output.glob("part-*"))) >= 5
        workers.processes.append(workers.worker())
        workers.wait_for_workers(count)
        assert batch.run(path, "--rows", "50") == 0
    finally:
        workers.stop()
    assert batch.predictions()["row"].tolist() == list(range(1, 20_001))


@pytest.mark.slow
def test_a_result_lost_with_the_only_worker_is_an_error(tmp_path, monkeypatch):
    """The task was finished, but no worker is left to run it again."""
    workers = Workers(tmp_path, 1)
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", workers.address)
    try:
        with cluster.dask_client(None) as client:
            monkeypatch.setattr(cluster, "TIMEOUT_SECONDS", 3)
            (done,) = cluster.wait_for_first(client, [client.submit(len, "four")])
            assert cluster.wait_for_result(client, done) == 4
            workers.kill_first()
            with pytest.raises(UserError, match="no worker is left: start one"):
                cluster.wait_for_result(client, done)
    finally:
        workers.stop()


@pytest.mark.slow
def test_a_lost_scheduler_is_one_line_on_stderr(folders, tmp_path, monkeypatch):
    batch = Batch(folders["good"], tmp_path)
    path = write(tmp_path, ".csv", [text for text, _ in invent(20_000)])
    workers = Workers(tmp_path, 1)
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", workers.address)
    try:
        running = begin(batch, path)
        workers.processes[0].kill()
        stderr = running.communicate(timeout=300)[1]
    finally:
        workers.stop()
    (error,) = [line for line in stderr.splitlines() if line.startswith("error: ")]
    assert running.returncode == 2 and "Traceback" not in stderr
    assert "the connection to the Dask scheduler is lost" in error


def begin(batch: Batch, path: Path) -> subprocess.Popen:
    """Start classifying in partitions of 50, with a short timeout; return once five are written."""
    code = "import predict_batch; from callcenterai.core import cluster; cluster.TIMEOUT_SECONDS = 5; "
    code += "sys.exit(predict_batch.main(sys.argv[1:]))"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); {code}", str(path)]
    command += [str(batch.output), "--model", str(batch.model), "--rows", "50"]
    running = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True)
    wait_until(lambda: len(list(batch.output.glob("part-*"))) >= 5, 120)
    return running
