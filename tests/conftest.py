"""What several test files share: where things are, invented tickets, and prepare in a folder of its own."""

import csv
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPTS = REPOSITORY / "scripts"
SHARED_DATA = REPOSITORY.parent / "shared" / "data"
PARTS = ("train", "validation", "test")
STEMS = ("lap", "scre", "mou", "net", "pri", "vol", "cab")
NOUNS = [stem + ending for stem in STEMS for ending in ("ton", "ver", "del", "gor", "mix")]
KILLED_AT_A_RENAME = """
import os, sys

number, replace = int(sys.argv.pop(1)), os.replace
sys.path.insert(0, sys.argv.pop(1))
renamed = []

def replace_or_die(*paths):
    if len(renamed) == number:
        os.kill(os.getpid(), 9)
    renamed.append(paths)
    replace(*paths)

os.replace = replace_or_die
"""


def invent(count: int, seed: int = 1, labels: str = "ABC") -> list[list[str]]:
    """Return distinct tickets, [text, label], of which no two are near-duplicates."""
    generator = random.Random(seed)
    return [
        [" ".join(generator.choices(NOUNS, k=12)) + f" {seed}-{number}", labels[number % len(labels)]]
        for number in range(count)
    ]


def write_csv(path: Path, rows: Iterable[Iterable], header: tuple[str, ...] = ("text", "category")) -> Path:
    """Write rows with a header and return the path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file with a header."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_params(path: Path, **sections: dict) -> Path:
    """Write the repository's params.yaml with changes by section: write_params(path, prepare={"test_size": 0.1})."""
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    for name, changes in sections.items():
        params[name] |= changes
    path.write_text(yaml.safe_dump(params, allow_unicode=True), encoding="utf-8")
    return path


def run_killed(number: int, code: str, *arguments: str) -> bool:
    """Run code in a process that kills itself in place of the rename `number`, from 0; return whether it did."""
    command = [sys.executable, "-c", KILLED_AT_A_RENAME + code, str(number), str(SCRIPTS), *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    # Windows has no signals: there the number is the exit code.
    assert done.returncode in (0, 9, -9), done.stderr
    return done.returncode != 0


class Prepare:
    """Runs prepare on files of a folder and reads what it left there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "out"
        self.params = folder / "params.yaml"

    def write(self, rows: Iterable[Iterable], name: str = "tickets.csv") -> Path:
        return write_csv(self.folder / name, rows)

    def run(self, path: Path, **changes) -> int:
        """Prepare the tickets of path, with changed parameters, and return the exit code."""
        write_params(self.params, prepare={"input": str(path)} | changes)
        return self.run_as_is()

    def run_as_is(self) -> int:
        import prepare_data

        return prepare_data.main(self.arguments())

    def arguments(self) -> list[str]:
        metrics = self.folder / "metrics" / "prepare.json"
        return ["--params", str(self.params), "--output", str(self.output), "--metrics", str(metrics)]

    def read(self, name: str) -> list[dict[str, str]]:
        return read_csv(self.output / f"{name}.csv")

    def metrics(self) -> dict:
        return json.loads((self.folder / "metrics" / "prepare.json").read_text(encoding="utf-8"))

    def part_of(self) -> dict[str, str]:
        """Return the part of each kept text."""
        return {row["text"]: part for part in PARTS for row in self.read(part)}

    def files(self) -> dict[str, bytes]:
        """Return everything in the output folders, temporary files too."""
        folders = [folder for folder in (self.output, self.folder / "metrics") if folder.is_dir()]
        return {path.name: path.read_bytes() for folder in folders for path in folder.iterdir()}


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    return Prepare(tmp_path)


@pytest.fixture
def error_line(capsys: pytest.CaptureFixture) -> Callable[[], str]:
    """Returns what a failed script said: exactly one line on stderr, without the "error: " in front."""

    def read() -> str:
        said = capsys.readouterr().err
        assert said.startswith("error: ") and len(said.splitlines()) == 1, said
        return said.removeprefix("error: ").rstrip("\n")

    return read


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """Returns a file of real tickets by name, or skips the test where there is none."""

    def find(name: str) -> Path:
        if not (SHARED_DATA / name).is_file():
            pytest.skip(f"{name}: the real tickets are not beside this repository")
        return SHARED_DATA / name

    return find
