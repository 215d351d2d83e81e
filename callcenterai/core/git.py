"""What git says about the repository: its commit, and its main working tree."""

import os
import subprocess
from pathlib import Path
from typing import Any


def git_state(root: Path) -> dict[str, Any]:
    """Return the commit and whether files differ from it; both are None outside git."""
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    return {"git_commit": commit, "git_dirty": None if commit is None or changes is None else bool(changes)}


def main_working_tree(folder: Path) -> Path:
    """Return the folder of the main working tree that stands where this one stands in its own working tree.

    For a folder that `git worktree add` made that is the checkout beside which it was made; for any other, and outside
    git, it is the folder itself.
    """
    answer = _git(folder, "rev-parse", "--path-format=absolute", "--git-common-dir", "--show-prefix")
    if answer is None:
        return folder
    common, _, prefix = answer.partition("\n")
    # A bare repository and a submodule have no working tree around their git folder.
    return Path(common).parent / prefix if Path(common).name == ".git" else folder


def _git(root: Path, *arguments: str) -> str | None:
    # git sets GIT_DIR and the like for its hooks, where they would hide which repository `root` belongs to.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", *arguments]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=30, env=variables)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
