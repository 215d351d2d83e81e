"""Every ticket of a file or folder is answered once, as the model answers it, whatever is broken, killed or begun."""

import gzip
import io
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import predict_batch
from callcenterai.artifact.folder import load_model, read_metadata
from callcenterai.core import cluster as dask_cluster
from callcenterai.core.cli import UserError
from support.dask_workers import Workers, only_error
from support.processes import environment, free_port, run_killed, wait_until
from support.repository import SCRIPTS
from support.tickets import invent, write_csv

# The middle of its packed text is another one. It names a test, so it must not hold the time: pytest-xdist refuses
# to run when its processes have not collected the same names.
DAMAGED = gzip.compress(b"text\n" + b"a laptop\n" * 9, mtime=0)
DAMAGED = DAMAGED[:14] + b"\xff\xff\xff" + DAMAGED[17:]
# Says that it holds UTF-8.
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
    """Classifies with the good model, and gives back what it wrote."""
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", scheduler)
    return Batch(folders["good"], tmp_path)


class Batch:
    """Runs the script and reads its output."""

    def __init__(self, model: Path, folder: Path) -> None:
        self.model, self.folder, self.output = model, folder, folder / "predictions"

    def run(self, path: Path, *more: str) -> int:
        return predict_batch.main([str(path), str(self.output), "--model", str(self.model), *more])

    def predictions(self) -> pd.DataFrame:
        return self._read(self.output)

    def rejected(self) -> pd.DataFrame:
        return self._read(self.output / "rejected")

    def assert_answers(self, texts: list[str]) -> None:
        """The predictions are those of the model for these texts, in their order."""
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
    """Write texts, numbered in a column n, to a file of a kind."""
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
def test_every_kind_of_file_is_answered_as_the_model_answers(batch, kind, capsys):
    """Line breaks, quotes and accents included; the id is kept, and rows are numbered."""
    path = write(batch.folder, kind, TEXTS)
    assert batch.run(path, "--id-column", "n", "--rows", "2") == 0
    assert "5 tickets classified, 0 rejected" in capsys.readouterr().out
    found = batch.predictions()
    assert found["row"].tolist() == [1, 2, 3, 4, 5] and found["id"].tolist() == ["0", "1", "2", "3", "4"]
    assert set(found["file"]) == {path.name}
    batch.assert_answers(TEXTS)


def test_a_folder_is_read_whole(batch):
    """Files in the order of their names, each row named by its file."""
    place = batch.folder / "in"
    (place / "deep").mkdir(parents=True)
    (place / "notes.txt").write_text("no tickets")
    for name, texts in {"a.csv": TEXTS[:2], "deep/b.csv": TEXTS[2:]}.items():
        write_csv(place / name, [[text, ""] for text in texts])
    assert batch.run(place, "--rows", "3") == 0
    assert batch.predictions()["file"].tolist() == ["a.csv"] * 2 + ["deep/b.csv"] * 3
    batch.assert_answers(TEXTS)


def test_tickets_of_any_size_are_no_reason_for_a_warning(batch, recwarn):
    """12 MB in one partition."""
    assert batch.run(write(batch.folder, ".csv", ["laptop " * 1000] * 1800)) == 0
    assert len(batch.predictions()) == 1800
    assert not [str(warning.message) for warning in recwarn if "large graph" in str(warning.message)]


def test_bad_rows_go_aside_with_the_reason(batch):
    """Each row is in one of both outputs, and the good ones around a bad one are answered."""
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
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert batch.run(path, "--id-column", "n") == 0
    assert batch.predictions()["row"].tolist() == [1, 6]
    reasons = dict(zip(batch.rejected()["row"], batch.rejected()["reason"], strict=True))
    assert reasons[2] == "no text" and reasons[3] == "3 fields where the header has 2, in line 4"
    assert reasons[4] == "not UTF-8" and reasons[5].startswith("broken quoting")
    assert sorted([*batch.predictions()["row"], *reasons]) == list(range(1, 7))


def test_broken_json_lines_go_aside_too(batch):
    path = batch.folder / "tickets.jsonl"
    path.write_text('{"text": "my laptop"}\n{"text":\n[1]\n{"text": {}}\n{"other": 1}\n{"text": "\\ud800"}\n')
    assert batch.run(path) == 0
    assert batch.predictions()["row"].tolist() == [1]
    assert batch.rejected()["reason"].tolist() == [
        *("line 2 is not JSON", "line 3 is not a JSON object", "line 4: no text", "no text", "not UTF-8")
    ]


def test_what_is_there_is_not_done_again(batch):
    path = write(batch.folder, ".csv", TEXTS)
    assert batch.run(path, "--rows", "2") == 0
    parts = sorted(batch.output.glob("part-*"))
    parts[1].unlink()
    before = {part: part.stat().st_mtime_ns for part in parts if part.exists()}
    assert batch.run(path, "--rows", "2") == 0
    assert {part: part.stat().st_mtime_ns for part in before} == before and parts[1].exists()
    batch.assert_answers(TEXTS)


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda batch, path: ["--rows", "3"], "predictions of other tickets, another model or other options"),
        (lambda batch, path: write(batch.folder, ".csv", TEXTS[1:]) and [], "predictions of other tickets"),
        (lambda batch, path: (batch.output / "job.json").unlink() or [], "holds no predictions"),
        (lambda batch, path: ["--text-column", "body"], "predictions of other tickets"),
    ],
)
def test_other_work_is_not_mixed_with_what_is_there(batch, capsys, change, said):
    path = write(batch.folder, ".csv", TEXTS)
    assert batch.run(path) == 0
    more = change(batch, path)
    capsys.readouterr()
    assert batch.run(path, *more) == 2
    assert said in only_error(capsys)


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("tickets.xlsx", b"x", "unknown kind of file"),
        ("tickets.csv", b"body\nx\n", "no column 'text'; there are 'body'"),
        ("tickets.parquet", b"PAR1", "not a readable Parquet file"),
        ("tickets.csv.gz", b"text\n", "not a complete gzip file"),
        ("damaged.csv.gz", DAMAGED, "not a complete gzip file"),
        ("latin.parquet", LATIN, "latin.parquet is not a readable Parquet file"),
        ("empty", None, "holds no file whose name ends in"),
        ("absent.csv", ..., "no such file"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(batch, capsys, name, content, said):
    path = batch.folder / name
    if content is None:
        path.mkdir()
    elif content is not ...:
        path.write_bytes(content)
    assert batch.run(path) == 2
    assert said in only_error(capsys)


def test_without_a_scheduler_at_the_address_it_says_so(batch, monkeypatch, error_line):
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", f"tcp://127.0.0.1:{free_port()}")
    monkeypatch.setattr("callcenterai.core.cluster.SECONDS", 2)
    assert batch.run(write(batch.folder, ".csv", TEXTS)) == 2
    assert "no Dask scheduler answers at" in error_line()


def test_a_model_that_its_metadata_does_not_vouch_for_is_refused(batch, error_line, tmp_path):
    batch.model = shutil.copytree(batch.model, tmp_path / "model")
    (batch.model / "model.skops").write_bytes(b"other")
    assert batch.run(write(batch.folder, ".csv", TEXTS)) == 2
    assert "is not the file that metadata.json vouches for" in error_line() and not batch.output.exists()


@pytest.mark.slow
def test_killed_before_any_of_its_writes_it_goes_on(batch):
    """After each kill it is started again, and in the end every row is there once."""
    texts = [text for text, _ in invent(40)] + [""]
    path = write(batch.folder, ".jsonl", texts)
    code = "import predict_batch; sys.exit(predict_batch.main(sys.argv[1:]))"
    arguments = [str(path), str(batch.output), "--model", str(batch.model), "--rows", "10"]
    # The first dies before its first write, each later one after one write more than the last.
    for number in range(3):
        assert run_killed(number, code, *arguments)
    assert batch.run(path, "--rows", "10") == 0
    assert batch.predictions()["row"].tolist() == list(range(1, 41)) and batch.rejected()["row"].tolist() == [41]
    assert not list(batch.output.rglob("*.tmp"))
    batch.assert_answers(texts[:-1])


@pytest.mark.slow
def test_a_worker_that_is_killed_in_the_middle_loses_and_doubles_nothing(folders, tmp_path, monkeypatch):
    """20,000 tickets on a worker, to which another one comes before the first dies; that one does what it had."""
    batch = Batch(folders["good"], tmp_path)
    texts = [text for text, _ in invent(20_000)]
    path = write(tmp_path, ".csv", texts)
    workers = Workers(tmp_path, 1)
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", workers.address)
    try:
        running = begin(batch, path)
        workers.suspend_first()
        workers.processes.append(workers.worker())
        workers.come(2)
        workers.kill_first()
        assert running.wait(300) == 0
    finally:
        workers.stop()
    assert batch.predictions()["row"].tolist() == list(range(1, 20_001))
    batch.assert_answers(texts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "said"),
    [(2, "has ended several workers"), (1, "no worker is left: start one")],
    ids=["two", "the only one"],
)
def test_when_workers_end_it_is_said_and_the_rest_is_kept(folders, tmp_path, monkeypatch, count, said):
    """With no second try allowed, one killed worker is enough; what was answered stays, and it goes on from there."""
    batch = Batch(folders["good"], tmp_path)
    path = write(tmp_path, ".csv", [text for text, _ in invent(20_000)])
    allowed = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0" if count == 2 else "3"}
    workers = Workers(tmp_path, count, **allowed)
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", workers.address)
    try:
        workers.come(count)
        running = begin(batch, path)
        workers.suspend_first()
        workers.kill_first()
        stderr = running.communicate(timeout=300)[1]
        errors = [line for line in stderr.splitlines() if line.startswith("error: ")]
        assert running.returncode == 2 and said in errors[0] and "Traceback" not in stderr
        assert len(list(batch.output.glob("part-*"))) >= 5
        workers.processes.append(workers.worker())
        workers.come(count)
        assert batch.run(path, "--rows", "50") == 0
    finally:
        workers.stop()
    assert batch.predictions()["row"].tolist() == list(range(1, 20_001))


@pytest.mark.slow
def test_a_result_that_went_with_the_only_worker_is_not_waited_for(tmp_path, monkeypatch):
    """The task was done, and nobody is left who could do it again."""
    workers = Workers(tmp_path, 1)
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", workers.address)
    try:
        with dask_cluster.connected(None, []) as client:
            monkeypatch.setattr(dask_cluster, "SECONDS", 3)
            (done,) = dask_cluster.first_done(client, [client.submit(len, "four")])
            assert dask_cluster.result_of(client, done) == 4
            workers.kill_first()
            with pytest.raises(UserError, match="no worker is left: start one"):
                dask_cluster.result_of(client, done)
    finally:
        workers.stop()


@pytest.mark.slow
def test_a_scheduler_that_goes_is_said_in_one_line(folders, tmp_path, monkeypatch):
    batch = Batch(folders["good"], tmp_path)
    path = write(tmp_path, ".csv", [text for text, _ in invent(20_000)])
    workers = Workers(tmp_path, 1)
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", workers.address)
    try:
        running = begin(batch, path)
        workers.processes[0].kill()
        said = running.communicate(timeout=300)[1]
    finally:
        workers.stop()
    assert running.returncode == 2 and "Traceback" not in said
    assert "the Dask scheduler is gone" in [line for line in said.splitlines() if line.startswith("error: ")][0]


def begin(batch: Batch, path: Path) -> subprocess.Popen:
    """Classify in partitions of 50, with little patience for workers, and return when the first are written."""
    code = "import predict_batch; from callcenterai.core import cluster; cluster.SECONDS = 5; "
    code += "sys.exit(predict_batch.main(sys.argv[1:]))"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); {code}", str(path)]
    command += [str(batch.output), "--model", str(batch.model), "--rows", "50"]
    running = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True)
    wait_until(lambda: len(list(batch.output.glob("part-*"))) >= 5, 120)
    return running
