"""Retraining without new answers, or with a step that fails, changes nothing.

That it trains, registers and commits to a branch is in the test of the whole loop: tests/system/test_loop.py.
"""

from pathlib import Path

import pytest

from support.answers import LAPTOP, Answered
from support.clone import Clone, trained_clone
from support.processes import run

ANSWERS = "data/raw/feedback.csv"
VISIBLE = (
    ("log", "--all", "--format=%H %D"),
    ("worktree", "list"),
    ("status", "--porcelain", "--untracked-files=all"),
)


def state(clone: Clone) -> tuple[str, ...]:
    """Return what a retraining could have changed: commits and branches, working trees, files, and the model."""
    return (*(clone.git(*arguments) for arguments in VISIBLE), clone.text("models/tfidf/metadata.json"))


@pytest.mark.slow
def test_without_new_answers_or_with_a_failing_stage_everything_stays_as_it_was(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, answered: Answered
):
    """Nobody has answered; the answers are those of the last commit; a stage does not find its column."""
    clone = trained_clone(tmp_path_factory).copied(tmp_path / "clone")
    clone.commit("trained")

    def has_nothing_to_do() -> str:
        before = state(clone)
        done = run(clone.folder, "scripts/retrain.py", "--database", answered.url)
        assert ("", before) == (done.stdout, state(clone))
        return done.stderr.splitlines()[-1]

    answered.ask("first", LAPTOP)
    assert has_nothing_to_do().startswith("nobody has answered a ticket yet")
    answered.store.add_answer("first", "Hardware", "Amina", None)
    clone.here(f"python scripts/export_feedback.py {ANSWERS} --database {answered.url}")
    clone.here(f"python scripts/set_parameters.py prepare.feedback_input={ANSWERS}")
    clone.command(f"dvc add {ANSWERS}")
    clone.commit("what people have answered")
    assert "no new answers since" in has_nothing_to_do()

    answered.ask("second", "another laptop is broken", "Hardware")
    clone.here("python scripts/set_parameters.py prepare.text_column=missing")
    clone.commit("a column that the tickets do not have")
    before = state(clone)
    errors = clone.failed(f"python scripts/retrain.py --database {answered.url}", 2).splitlines()
    assert errors[-1].startswith("error: `python -m dvc repro` failed, for the reason above")
    assert any("missing" in line for line in errors)
    assert before == state(clone)
