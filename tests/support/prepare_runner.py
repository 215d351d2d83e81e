"""Runs the stage prepare in a temporary folder."""

import json
from collections.abc import Iterable
from pathlib import Path

from support.repository import write_params
from support.tickets import PARTS, read_csv, write_csv


class Prepare:
    """Runs prepare on files in a folder and reads its outputs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "out"
        self.params = folder / "params.yaml"

    def write(self, rows: Iterable[Iterable], name: str = "tickets.csv") -> Path:
        return write_csv(self.folder / name, rows)

    def run(self, path: Path, **changes) -> int:
        """Prepare the tickets at path with changed parameters; return the exit code."""
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
        """Return the name and content of every file in the output folders, including temporary ones."""
        folders = [folder for folder in (self.output, self.folder / "metrics") if folder.is_dir()]
        return {path.name: path.read_bytes() for folder in folders for path in folder.iterdir()}
