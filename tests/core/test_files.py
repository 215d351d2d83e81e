"""Outputs appear whole or not at all: on a full disk, without permission, with an obstacle, or interrupted."""

import hashlib
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from callcenterai.core.files import dvc_md5, json_bytes, sha256, write_bytes, write_files
from support.prepare_runner import Prepare
from support.processes import run_killed
from support.repository import REPOSITORY, SCRIPTS
from support.tickets import invent

UNIX = pytest.mark.skipif(os.name == "nt", reason="file permissions and limits as Unix has them")


def files(folder: Path) -> dict[str, bytes]:
    """Return the content of every file in a folder, by its path there."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_missing_folders_are_made_and_files_replaced(tmp_path):
    write_files({tmp_path / "a.csv": b"1", tmp_path / "b" / "c" / "d.json": b"\r\n\0"})
    write_bytes(tmp_path / "a.csv", b"2")
    assert {"a.csv": b"2", str(Path("b/c/d.json")): b"\r\n\0"} == files(tmp_path)


@UNIX
@pytest.mark.parametrize("mask, mode", [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_have_the_permissions_of_the_umask(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        write_bytes(tmp_path / "a", b"1")
    finally:
        assert mask == os.umask(before)
    assert mode == stat.S_IMODE((tmp_path / "a").stat().st_mode)


@UNIX
def test_a_link_is_replaced_and_its_target_kept(tmp_path):
    """DVC may link outputs into its cache, whose files must not change."""
    (tmp_path / "cache").write_bytes(b"old")
    (tmp_path / "output").symlink_to("cache")
    write_bytes(tmp_path / "output", b"new")
    assert {"cache": b"old", "output": b"new"} == files(tmp_path)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_when_one_of_several_files_fails_none_is_written(tmp_path, monkeypatch, error):
    targets = [tmp_path / name for name in "abc"]
    write_files(dict.fromkeys(targets, b"old"))
    flushed = []

    def fail_at_the_third(descriptor):
        flushed.append(descriptor)
        if len(flushed) == 3:
            raise error()

    monkeypatch.setattr(os, "fsync", fail_at_the_third)
    with pytest.raises(error):
        write_files(dict.fromkeys(targets, b"new"))
    assert {"a": b"old", "b": b"old", "c": b"old"} == files(tmp_path)


def test_a_folder_with_the_name_of_an_output_is_an_error_and_the_outputs_stay(prepare, error_line):
    assert prepare.run(prepare.write(invent(60))) == 0
    (prepare.output / "test.csv").unlink()
    (prepare.output / "test.csv").mkdir()
    before = files(prepare.folder / "out") | files(prepare.folder / "metrics")
    assert prepare.run(prepare.write(invent(90))) == 2
    assert f"{prepare.output / 'test.csv'}: Is a directory" == error_line()
    assert before == files(prepare.folder / "out") | files(prepare.folder / "metrics")


@pytest.mark.parametrize("depth", [".", "deeper"])
def test_a_file_with_the_name_of_the_output_folder_is_an_error_and_stays(tmp_path, error_line, depth):
    prepare = Prepare(tmp_path)
    (tmp_path / "in the way").write_text("mine")
    prepare.output = tmp_path / "in the way" / depth
    assert prepare.run(prepare.write(invent(60))) == 2
    assert f"{prepare.output / 'train.csv'}: Not a directory" == error_line()
    assert "mine" == (tmp_path / "in the way").read_text()


def run_limited(prepare: Prepare, limit: str) -> str:
    """Run prepare in a process that first runs `limit`, Python code that restricts it; return its line on stderr."""
    start = f"import os, resource, sys; sys.path.insert(0, {str(SCRIPTS)!r}); import prepare_data"
    command = [sys.executable, "-c", f"{start}; {limit}; sys.exit(prepare_data.main(sys.argv[1:]))"]
    done = subprocess.run([*command, *prepare.arguments()], cwd=REPOSITORY, capture_output=True, text=True)
    assert (2, 1) == (done.returncode, len(done.stderr.splitlines())), done.stderr
    return done.stderr


@UNIX
def test_at_a_limit_of_the_file_size_the_outputs_stay(prepare):
    """The system allows 20,000 bytes for a file: train.csv is longer, the others are not."""
    assert prepare.run(prepare.write(invent(60))) == 0
    before = prepare.files()
    prepare.write(invent(300))
    error = run_limited(prepare, "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))")
    assert f"error: {prepare.output / 'train.csv'}: File too large\n" == error
    assert before == prepare.files()


def final_files(folder: Path) -> dict[str, bytes]:
    """Return all files except temporary ones, which a killed process cannot remove."""
    return {name: content for name, content in files(folder).items() if not name.endswith(".tmp")}


@pytest.mark.parametrize("number", range(4))
def test_a_kill_between_the_renames_leaves_every_file_whole_and_the_next_run_completes(tmp_path, number):
    old, new = (dict.fromkeys("abc", content * 100000) for content in (b"old", b"new"))
    write_files({tmp_path / name: content for name, content in old.items()})
    code = "from pathlib import Path; from callcenterai.core import files; root = Path(sys.argv[1])\n"
    code += "files.write_files({root / name: b'new' * 100_000 for name in 'abc'})"
    assert run_killed(number, code, str(tmp_path)) == (number < 3)
    assert {name: new[name] if "abc".index(name) < number else old[name] for name in "abc"} == final_files(tmp_path)
    assert len(files(tmp_path)) == 6 - number if number < 3 else 3
    write_files({tmp_path / name: content for name, content in new.items()})
    assert new == final_files(tmp_path)


@pytest.mark.parametrize("number", range(5))
def test_prepare_killed_between_the_renames_leaves_whole_files_and_its_next_run_completes(prepare, number):
    assert prepare.run(prepare.write(invent(60))) == 0
    before = prepare.files()
    prepare.write([*invent(90), ("a", "too short, so that all five files change")])
    assert run_killed(number, "import prepare_data; prepare_data.main(sys.argv[1:])", *prepare.arguments())
    between = prepare.files()
    assert prepare.run_as_is() == 0
    after = prepare.files()
    assert number == sum(between[name] != before[name] for name in before)
    assert all(between[name] in (before[name], after[name]) for name in before)
    assert 91 == prepare.metrics()["rows_in"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 128 KiB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mount.returncode:
        pytest.skip(f"mounting is not allowed here: {mount.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_on_a_full_disk_the_outputs_stay(tmp_path, small_disk, error_line):
    prepare = Prepare(tmp_path)
    prepare.output = small_disk / "out"
    assert prepare.run(prepare.write(invent(200))) == 0
    before = prepare.files()
    assert prepare.run(prepare.write(invent(2000))) == 2
    assert f"{prepare.output / 'train.csv'}: No space left on device" == error_line()
    assert before == prepare.files()


@pytest.fixture
def reachable():
    """prepare in a folder that other users can enter, which they cannot with pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        prepare = Prepare(Path(folder))
        assert prepare.run(prepare.write(invent(60))) == 0
        yield prepare
        for name in ("out", "metrics"):
            (prepare.folder / name).chmod(0o755)


def as_other_user(prepare: Prepare) -> str:
    """Return code that imports everything and then gives up the rights of root, who could write anywhere."""
    if os.geteuid() != 0:
        return "pass"
    warm = ["--params", str(prepare.params), "--output", str(prepare.folder / "warm")]
    return f"prepare_data.main({[*warm, '--metrics', str(prepare.folder / 'warm.json')]}); os.setuid(65534)"


@UNIX
@pytest.mark.parametrize("forbidden", ["out", "metrics"])
def test_without_write_permission_the_outputs_stay(reachable, forbidden):
    before = reachable.files()
    reachable.write(invent(90))
    (reachable.folder / forbidden).chmod(0o555)
    if os.geteuid() == 0 and forbidden == "metrics":
        os.chown(reachable.output, 65534, -1)
    error = run_limited(reachable, as_other_user(reachable))
    refused = {"out": reachable.output / "train.csv", "metrics": reachable.folder / "metrics" / "prepare.json"}
    assert f"error: {refused[forbidden]}: Permission denied\n" == error
    assert before == reachable.files()


@UNIX
def test_without_read_permission_the_outputs_stay(reachable):
    before = reachable.files()
    tickets = reachable.write(invent(90))
    tickets.chmod(0o000)
    assert f"error: {tickets}: Permission denied\n" == run_limited(reachable, as_other_user(reachable))
    assert before == reachable.files()


def test_hashes_and_json(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"tickets")
    assert hashlib.sha256(b"tickets").hexdigest() == sha256(path)
    assert hashlib.md5(b"tickets", usedforsecurity=False).hexdigest() == dvc_md5(path)
    assert b'{\n  "\xc3\xa9": null\n}\n' == json_bytes({"é": None})
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_bytes({"a": float("nan")})


@UNIX
def test_a_closed_standard_output_is_no_error(tmp_path):
    """As in `prepare_data.py | head -0`: nothing on stderr, and the outputs are written."""
    prepare = Prepare(tmp_path)
    assert prepare.run(prepare.write(invent(60))) == 0
    before = prepare.files()
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, str(SCRIPTS / "prepare_data.py"), *prepare.arguments()]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, env=buffered)
    os.close(writer)
    assert (141, "") == (done.returncode, done.stderr)
    assert before == prepare.files()
