"""What our commands write with texts of customers, or with secrets, is for its owner alone and never enters git."""

import os
import stat

import pytest

from support.clone import trained_clone
from support.servers.agent import UNSURE, start_agent, start_tfidf
from support.servers.web import start

# Every such file of the guide, by patterns in the repository's folder.
PRIVATE = (
    *(".env", "agent.db", "agent.db-*", "logouts.db", "data/raw/feedback.csv"),
    *("data/processed/*.csv", "reports/*.html", "predictions/*.json", "predictions/*.parquet"),
)
# What is committed together with a change of the data or the code.
COMMITTED = ("dvc.lock", "metrics/", "plots/", "data/raw/dvc.lock")


@pytest.mark.slow
def test_after_walking_the_guide_texts_are_private_and_git_sees_only_what_is_meant_to_be_committed(
    tmp_path, tmp_path_factory
):
    """DVC writes files anew with the modes of the umask, so that a private folder counts as well."""
    clone = trained_clone(tmp_path_factory).copied(tmp_path / "clone")
    clone.here("python scripts/make_secrets.py .env")
    clone.here("python scripts/predict_batch.py data/raw/tickets.csv predictions")
    database = f"sqlite:///{(clone.folder / 'agent.db').as_posix()}"
    logouts = {"LOGOUTS_FILE": clone.folder / "logouts.db", "WEB_PASSWORD": "a long password"}
    with (
        start_tfidf() as tfidf,
        start_agent(tmp_path, tfidf.url, DATABASE_URL=database) as agent,
        start(tmp_path, f"http://127.0.0.1:{agent.port}", **logouts),
    ):
        ticket = agent.post("/predict", {"text": UNSURE}).json
        given = {"ticket_id": ticket["ticket_id"], "category": "Hardware"}
        assert agent.post("/feedback", given).status == 201
        clone.here(f"python scripts/export_feedback.py data/raw/feedback.csv --database {database}")
        found = {pattern: list(clone.folder.glob(pattern)) for pattern in PRIVATE}
        assert [pattern for pattern, paths in found.items() if not paths] == []
        if os.name != "nt":
            open_to_others = [path for paths in found.values() for path in paths if is_open_to_others(path)]
            assert open_to_others == []
        ignored = clone.git("check-ignore", *(str(path) for paths in found.values() for path in paths)).splitlines()
        assert len(ignored) == sum(map(len, found.values()))
        changed = [line[3:] for line in clone.git("status", "--porcelain").splitlines()]
        assert [path for path in changed if not path.startswith(COMMITTED)] == []


def is_open_to_others(path):
    modes = (stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent))
    return all(mode & 0o077 for mode in modes)
