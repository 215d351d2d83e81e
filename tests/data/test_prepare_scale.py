"""Sets larger than memory: the outputs are the same whatever the size of the partitions, and whoever examines them."""

import os
import re
import shutil
import subprocess
import sys
from functools import partial

import pytest
from distributed import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import predict_batch
from callcenterai.core.cluster import dask_client, map_in_order
from callcenterai.data import near_duplicates, spill
from callcenterai.data import prepare as prepare_stage
from callcenterai.data.fingerprints import fingerprint
from callcenterai.data.split import draw
from support.prepare_runner import Prepare
from support.processes import environment, run_killed
from support.repository import PACKAGE, REPOSITORY, SCRIPTS
from support.servers.dask_workers import Workers
from support.thoroughness import rounds
from support.tickets import PARTS, invent, write_csv

UNIX = pytest.mark.skipif(os.name == "nt", reason="signals and memory as Unix has them")
# Every limit that cuts the work into pieces, as small as possible.
TINY = {
    prepare_stage: {"ROWS_AT_ONCE": 7, "CHARACTERS_AT_ONCE": 300},
    spill: {"IN_MEMORY": 1, "WORDS_PER_READ": 40, "LARGEST_GAP": 20},
    near_duplicates: {"WORDS_AT_ONCE": 50, "WORDS_OF_A_TEXT": 0},
}
TINY_CODE = "\n".join(
    f"import {module.__name__}; {module.__name__}.__dict__.update({limits})" for module, limits in TINY.items()
)


def write_all(prepare: Prepare) -> dict[str, str]:
    """Write tickets for every decision: all reasons, near-duplicates, an official test split, people's answers."""
    rows = invent(300)
    rows += [[f"{text} thanks", label] for text, label in rows[::3]]
    rows += [["", "A"], ["no label", " "], ["ab", "B"], ["in doubt", "A"], ["In  doubt", "B"], ["rare", "Z"], rows[0]]
    rows += [['été à l\'hôtel 🙂, "non"\r\nmerci', "A"], ["x" * 20_000, "B"]]
    official = invent(60, seed=4) + [rows[5], [f"{rows[8][0]} please", "B"], ["nothing known", "Y"]]
    answers = [[rows[10][0].upper(), "C"], [rows[11][0], "B"], *invent(40, seed=6), ["in doubt", "C"], ["new", "Q"]]
    prepare.write(rows)
    prepare.write(official, "official.csv")
    feedback = write_csv(prepare.folder / "feedback.csv", answers, ("text", "label"))
    return {"test_input": str(prepare.folder / "official.csv"), "feedback_input": str(feedback)}


@pytest.fixture
def expected(prepare):
    """The outputs when this process reads everything as one partition."""
    more = write_all(prepare)
    assert prepare.run(prepare.folder / "tickets.csv", **more) == 0
    assert set(prepare.metrics()["rejected"]) == {
        *("no_text", "no_label", "too_short", "in_official_test", "answered", "duplicate"),
        *("rare_class", "unknown_label"),
    }
    return prepare.files()


def set_tiny_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, limits in TINY.items():
        for name, value in limits.items():
            monkeypatch.setattr(module, name, value)


def test_partition_sizes_do_not_change_the_outputs(prepare, expected, monkeypatch):
    set_tiny_limits(monkeypatch)
    assert prepare.run_as_is() == 0
    assert expected == prepare.files()


WORDS = st.lists(st.sampled_from([*"abcdefghÉé"]), max_size=8).map(" ".join)
ROWS = st.lists(st.tuples(WORDS, st.sampled_from(["A", "B", " A", ""])), max_size=60)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=rounds(10, 25))
@given(rows=ROWS, official=ROWS, answers=ROWS)
def test_partition_sizes_do_not_change_the_outputs_for_any_tickets(prepare, rows, official, answers):
    more = {
        "test_input": str(prepare.write(official + [["not said elsewhere", "A"]], "official.csv")),
        "feedback_input": str(write_csv(prepare.folder / "feedback.csv", answers + [["?!?", "B"]], ("text", "label"))),
    }
    path = prepare.write(rows + invent(40, labels="AB"))
    assert prepare.run(path, min_text_length=1, **more) == 0
    whole = prepare.files()
    with pytest.MonkeyPatch.context() as monkeypatch:
        set_tiny_limits(monkeypatch)
        assert prepare.run_as_is() == 0
    assert whole == prepare.files()


def test_too_many_broken_rows_at_the_end_leave_only_the_old_outputs(prepare, expected, monkeypatch, error_line):
    """By then, all other rows have been read and are in the spill."""
    set_tiny_limits(monkeypatch)
    path = prepare.folder / "tickets.csv"
    path.write_bytes(path.read_bytes() + b"too,many,cells\n" * 100)
    assert prepare.run_as_is() == 2
    assert "100 field_count" in error_line()
    assert expected == prepare.files()


@UNIX
def test_a_kill_leaves_no_spilled_texts_behind(prepare, expected):
    code = f"{TINY_CODE}\nimport prepare_data; prepare_data.main(sys.argv[1:])"
    assert run_killed(0, code, *prepare.arguments())
    left = {name: content for name, content in prepare.files().items() if name not in expected}
    assert all(name.endswith(".tmp") and content in expected.values() for name, content in left.items())


@UNIX
def test_the_error_for_a_full_disk_names_the_folder_of_the_spill(prepare, expected):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))"
    done = subprocess.run(as_command(prepare, f"{TINY_CODE}\n{limit}"), capture_output=True, text=True)
    assert (2, f"error: {prepare.output}: File too large\n") == (done.returncode, done.stderr)
    assert expected == prepare.files()


def test_fingerprint_needs_only_numpy_pandas_and_scipy(tmp_path):
    """Dask workers import no more of prepare, so that they need no other package of ours."""
    blocked = ("pydantic", "yaml", "tqdm", "sklearn", "pyarrow", "distributed")
    code = (
        f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); sys.modules.update(dict.fromkeys({blocked}))\n"
        "from callcenterai.data.fingerprints import fingerprint; print(len(fingerprint(['my laptop'], 1).draws))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("1\n", "")


def as_command(prepare: Prepare, code: str) -> list[str]:
    """Return a command that runs this code and then prepare_data.py."""
    start = f"import sys; sys.path.insert(0, {str(SCRIPTS)!r})\n{code}\nimport prepare_data\n"
    # -c, since worker processes import a main module that is a file, and would run this code as well.
    return [sys.executable, "-c", f"{start}sys.exit(prepare_data.main(sys.argv[1:]))", *prepare.arguments()]


@pytest.mark.slow
def test_local_workers_give_the_same_outputs(prepare, expected):
    command = [sys.executable, str(SCRIPTS / "prepare_data.py"), *prepare.arguments(), "--workers", "2"]
    subprocess.run(command, cwd=REPOSITORY, env=environment(), check=True, capture_output=True)
    assert expected == prepare.files()


@pytest.mark.parametrize("number", ["0", "-1", "two"])
def test_an_invalid_number_of_workers_is_refused(prepare, number, capsys):
    with pytest.raises(SystemExit, match="2"):
        import prepare_data

        prepare_data.main([*prepare.arguments(), "--workers", number])
    assert f"invalid positive value: '{number}'" in capsys.readouterr().err


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A scheduler with one worker; commands in this process find it by its address in the environment."""
    workers = Workers(tmp_path, 1)
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", workers.address)
    yield workers
    workers.stop()


@pytest.mark.slow
def test_one_cluster_serves_predict_batch_and_prepare_in_turn(prepare, expected, cluster, folders):
    """Each command uploads the package, which the other one has uploaded before."""
    for number in range(2):
        tickets, answers = str(prepare.folder / "tickets.csv"), str(prepare.folder / f"answers{number}")
        assert predict_batch.main([tickets, answers, "--model", str(folders["good"])]) == 0
        assert prepare.run_as_is() == 0
        assert expected == prepare.files()


@pytest.mark.slow
def test_workers_run_the_code_of_the_client(cluster, tmp_path, monkeypatch):
    """Even after they have run another version of it."""
    changed = tmp_path / PACKAGE.name
    shutil.copytree(PACKAGE, changed, ignore=shutil.ignore_patterns("__pycache__"))
    text = (changed / "data" / "split.py").read_text(encoding="utf-8")
    (changed / "data" / "split.py").write_text(text.replace('"big") / 2**64', '"big") / 2**64 - 2'), encoding="utf-8")
    draws = []
    for folder in (PACKAGE, changed, PACKAGE):
        monkeypatch.setattr("callcenterai.core.cluster.PACKAGE", folder)
        with dask_client(None) as client:
            (found,) = map_in_order(client, partial(fingerprint, seed=1), [["my laptop"]])
        draws.append(found.draws[0])
    assert draws == pytest.approx([draw("my laptop", 1), draw("my laptop", 1) - 2, draw("my laptop", 1)])


def finished_partitions(client: Client) -> int:
    """Return how many partitions the workers have finished."""
    return client.run_on_scheduler(
        lambda dask_scheduler: sum(finish == "memory" for _, _, finish, *_ in dask_scheduler.transition_log)
    )


def kill_one_in_the_middle(prepare: Prepare, **variables: str) -> subprocess.CompletedProcess:
    """Prepare 20,000 tickets in 200 partitions on two workers, and kill one after at least five partitions."""
    workers = Workers(prepare.folder, 2, **variables)
    command = as_command(prepare, "from callcenterai.data import prepare; prepare.ROWS_AT_ONCE = 100")
    variables = environment() | {"DASK_SCHEDULER_ADDRESS": workers.address}
    try:
        with Client(workers.address, timeout=120) as client:
            client.wait_for_workers(2, timeout=120)
            running = subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True)
            workers.suspend_first(when=lambda: finished_partitions(client) >= 5)
            assert finished_partitions(client) < 200 and running.poll() is None, "prepare had finished before the kill"
            workers.kill_first()
            errors = running.communicate(timeout=300)[1]
    finally:
        workers.stop()
    return subprocess.CompletedProcess(command, running.returncode, None, errors)


@pytest.fixture
def many(prepare):
    """Write 20,000 tickets and return the outputs that this process makes of them without workers."""
    rows = invent(10_000)
    assert prepare.run(prepare.write(rows + [[f"{text} thanks", label] for text, label in rows])) == 0
    return prepare.files()


@pytest.mark.slow
def test_killing_a_worker_does_not_change_the_outputs(prepare, many):
    for name in PARTS:
        (prepare.output / f"{name}.csv").unlink()
    done = kill_one_in_the_middle(prepare)
    assert done.returncode == 0, done.stderr
    assert many == prepare.files()


@pytest.mark.slow
def test_tickets_that_kill_workers_are_an_error_and_leave_the_outputs(prepare, many):
    """With no retry allowed, one killed worker is enough."""
    prepare.write(invent(20_000, seed=3))
    done = kill_one_in_the_middle(prepare, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0")
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "has killed several workers" in line
    assert many == prepare.files()


def peak(prepare: Prepare, words: int) -> int:
    """Return the peak memory, in bytes, of preparing 4,000 texts of so many words, all different."""
    prepare.write([" ".join(f"w{number}x{n}" for n in range(words)), "ABC"[number % 3]] for number in range(4000))
    limits = "from callcenterai.data import prepare, spill; spill.IN_MEMORY = 2**20; prepare.ROWS_AT_ONCE = 20\n"
    # Not the figure of wait4: it includes this process, since the other one starts as its copy.
    report = "import atexit; atexit.register(lambda: print(open('/proc/self/status').read()))"
    done = subprocess.run(as_command(prepare, limits + report), capture_output=True, text=True, check=True)
    return int(re.search(r"VmHWM:\s+(\d+) kB", done.stdout)[1]) * 1024


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory from /proc")
def test_memory_hardly_grows_with_the_texts(prepare):
    """A hundred times the text costs less memory than its own size; strings with their words would cost 20 times."""
    prepare.run(prepare.write(invent(60)))
    short, long = peak(prepare, 10), peak(prepare, 1000)
    size = (prepare.folder / "tickets.csv").stat().st_size
    assert size > 36e6
    assert long - short < size
