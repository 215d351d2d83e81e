"""Paths of the repository, its parameters and locks, and copies of it."""

import re
import shutil
import subprocess
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "scripts"
PACKAGE = REPOSITORY / "callcenterai"
SHARED_DATA = REPOSITORY.parent / "shared" / "data"
# The values that `setup_mlops.py --input` changes in params.yaml.
SAMPLE = {
    "input": "data/raw/tickets.csv",
    "test_input": "data/raw/none",
    "feedback_input": "data/raw/none",
    "text_column": "text",
    "label_column": "category",
}


def shipped_params() -> str:
    """Return params.yaml with the sample as input, so that the tests pass for people who train on other tickets too."""
    text = (REPOSITORY / "params.yaml").read_text(encoding="utf-8")
    for name, value in SAMPLE.items():
        text = re.sub(rf"^  {name}: .*$", f"  {name}: {value}", text, flags=re.MULTILINE)
    return text


def write_params(path: Path, **sections: dict) -> Path:
    """Write the repository's params.yaml with changes by section: write_params(path, prepare={"test_size": 0.1})."""
    params = yaml.safe_load(shipped_params())
    for name, changes in sections.items():
        params[name] |= changes
    path.write_text(yaml.safe_dump(params, allow_unicode=True), encoding="utf-8")
    return path


def unpack(folder: Path) -> None:
    """Copy the files of a release; in a copy without git, those that were not made on this machine."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=REPOSITORY, capture_output=True, text=True
    )
    if listed.returncode:
        made = shutil.ignore_patterns(".venv", ".dvc", "processed", "models", "mlruns", "mlflow.db*", "__pycache__")
        shutil.copytree(REPOSITORY, folder, ignore=made)
        (folder / ".dvc").mkdir()
        shutil.copy(REPOSITORY / ".dvc" / "config", folder / ".dvc" / "config")
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
    (folder / "params.yaml").write_text(shipped_params(), encoding="utf-8")


def locked_versions(path: str) -> set[str]:
    """Return NAME==VERSION for each package of a lock file, without extras, and without the systems that need it."""
    text = (REPOSITORY / path).read_text(encoding="utf-8")
    return {name + version for name, version in re.findall(r"^([\w.-]+)(?:\[[^]]*])?(==\S+)", text, re.MULTILINE)}
