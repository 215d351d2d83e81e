"""scripts/model_report.py shows the pipeline's figures and refuses a model that has become worse."""

import json
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

import model_report
from support.clone import Clone, trained_clone
from support.processes import run
from support.tickets import read_csv, write_csv

METRICS = Path("metrics/tfidf.json")
# Unescaped, these labels would end a table cell, run as HTML, notify people or show an image.
NAMES = {"Hardware": "a|b", "Storage": "<script>alert(1)</script>", "Access": "@everyone `x` *y*", "Purchase": "![](u)"}


class Repository(Clone):
    """A clone with a trained and committed model."""

    def train(self, *parameters: str) -> None:
        """Change parameters in params.yaml and train."""
        run(self.folder, "scripts/set_parameters.py", *parameters)
        self.command("dvc repro")


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory):
    clone = trained_clone(tmp_path_factory).copied(tmp_path_factory.mktemp("report") / "clone")
    clone.commit("trained")
    return Repository(clone.folder)


@pytest.fixture
def repository(trained_once, tmp_path, monkeypatch):
    """A trained repository as the current folder."""
    found = trained_once.copied(tmp_path / "clone")
    monkeypatch.chdir(found.folder)
    return found


@pytest.fixture
def report(capsys):
    """Runs the report in the current folder, checks the exit code, and returns stdout and stderr."""

    def make(revision: str, code: int = 0) -> tuple[str, str]:
        capsys.readouterr()
        found = model_report.main([revision])
        captured = capsys.readouterr()
        assert found == code, captured
        return captured.out, captured.err

    return make


def sections(text: str) -> dict[str, str]:
    """Return the text below each heading."""
    return dict(re.findall(r"^#+ ([^\n]+)\n\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))


def rows(section: str) -> list[list[str]]:
    """Return the cells of a table without its header, as a Markdown parser reads them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(section)
    found: list[list[str]] = []
    for number, token in enumerate(tokens):
        if token.type == "tr_open":
            found.append([])
        elif token.type in ("th_open", "td_open"):
            inline = tokens[number + 1].children or []
            assert {each.content for each in inline if each.type == "html_inline"} <= {"<code>", "</code>"}
            assert {each.type for each in inline} <= {
                "text",
                "html_inline",
                "strong_open",
                "strong_close",
                "text_special",
            }
            found[-1].append("".join(each.content for each in inline if each.type.startswith("text")))
    assert len(set(map(len, found))) == 1
    return found[1:]


@pytest.mark.runs("python scripts/model_report.py main")
@pytest.mark.slow
def test_report_of_an_unchanged_model_passes_with_the_pipelines_figures(repository, report):
    text, errors = report("HEAD")
    parts, test = sections(text), repository.json(METRICS)["test"]
    assert parts["Model report"].startswith("**Passed**") and "FAILED" not in text and not errors
    figures = {row[0]: row[1:] for row in rows(parts["Figures on test"])}
    interval = " to ".join(f"{100 * test['accuracy_ci95'][end]:.1f}" for end in ("low", "high"))
    accuracy = f"{100 * test['accuracy']:.2f}% ({interval})"
    assert figures["accuracy"] == [accuracy, accuracy, "+0.00"] and len(figures) == 6
    sizes = repository.json(Path("metrics/prepare.json"))["rows"]
    assert rows(parts["Tickets"]) == [[part, str(size), str(size), "the same"] for part, size in sizes.items()]
    assert "None has moved." in parts["Classes whose F1 moved most"]
    matrix = rows(parts["Confusion matrix on test"])
    assert sum(int(cell) for row in matrix for cell in row[1:] if cell) == test["tickets"]
    right = sum(int(row[number]) for number, row in enumerate(matrix, 1))
    assert right / test["tickets"] == pytest.approx(test["accuracy"], abs=1e-6)
    bars = re.search(r"^    bar \[(.*)\]$", parts["Reliability on test"], re.MULTILINE)[1].split(", ")
    drawn = read_csv(repository.folder / "plots" / "tfidf" / "reliability.csv")
    assert bars == [f"{100 * float(row['accuracy']):.1f}" for row in drawn]


@pytest.mark.slow
def test_report_refuses_a_worse_model_and_names_the_figures(repository, report):
    repository.train("train_tfidf.max_features=15")
    text, errors = report("HEAD", code=1)
    assert re.search(
        r"^accuracy against HEAD: 0\.\d+, HEAD has 0\.\d+ on the same tickets: .* worse", errors, re.MULTILINE
    )
    assert re.search(r"^macro F1 against HEAD: ", errors, re.MULTILINE)
    parts = sections(text)
    assert parts["Model report"].startswith("**Failed.**") and "FAILED  accuracy against HEAD" in text
    before, after = (
        found["test"]["accuracy"] for found in (repository.committed(METRICS.as_posix()), repository.json(METRICS))
    )
    figures = {row[0]: row[-1] for row in rows(parts["Figures on test"])}
    assert float(figures["accuracy"]) == pytest.approx(100 * (after - before), abs=0.006) and after < before
    moved = [abs(float(row[-1])) for row in rows(parts["Classes whose F1 moved most"])]
    assert moved == sorted(moved, reverse=True) and moved[0] > 1


@pytest.mark.slow
def test_report_allows_the_tolerance_of_params(repository, report):
    """The tolerance is the registry's: section registry of params.yaml."""
    repository.train(
        "train_tfidf.max_features=15",
        "registry.tolerance=1.0",
        "registry.class_tolerance=1.0",
        "registry.coverage_tolerance=1.0",
    )
    assert "**Passed**" in report("HEAD")[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["weighted_f1", "auto_route"])
def test_report_refuses_missing_metrics(repository, report, name):
    found = repository.json(METRICS)
    del found["test"][name]
    METRICS.write_text(json.dumps(found), encoding="utf-8")
    text, errors = report("HEAD", code=1)
    assert errors.startswith(f"test.{name}") and f"FAILED  test.{name}" in text


@pytest.mark.slow
def test_report_accepts_no_routing_accuracy_if_nothing_is_routed(repository, report):
    found = repository.json(METRICS)
    found["test"]["auto_route"] |= {"threshold": None, "coverage": 0.0, "accuracy": None}
    METRICS.write_text(json.dumps(found), encoding="utf-8")
    assert ["auto-route: accuracy", "-"] in [row[:2] for row in rows(sections(report("HEAD")[0])["Figures on test"])]


@pytest.mark.slow
def test_report_passes_if_the_revision_has_no_metrics(repository, report):
    """A commit before the first model, or the commit of zeros that GitHub gives for a branch's first push."""
    empty = repository.git("commit-tree", repository.git("write-tree", "--prefix=docs").strip(), "-m", "docs").strip()
    for revision in (empty, "0" * 40):
        text, errors = report(revision)
        assert f"There are no metrics at <code>{revision[:8]}</code>" in text and not errors
        assert len(rows(sections(text)["Figures on test"])) == 6


@pytest.mark.slow
def test_report_compares_intervals_on_other_test_tickets(repository, report):
    """The release was trained on 12,000 tickets and this model on 600: worse, or better in the other direction."""
    text, errors = report("HEAD~1", code=1)
    assert "The test tickets are others" in text and "on other tickets: more than chance explains" in errors
    repository.git("checkout", "-q", "HEAD~1", "--", "metrics", "dvc.lock")
    text, errors = report("HEAD")
    assert "The test tickets are others" in text and not errors
    assert "is of another training than the metrics" in sections(text)["Confusion matrix on test"]


@pytest.mark.slow
def test_report_reports_an_unknown_revision_in_one_line(repository, tmp_path, monkeypatch, error_line):
    """For example in CI, where a checkout has only the last commit by default."""
    base = repository.git("rev-parse", "HEAD~1").strip()
    repository.git("clone", "-q", "--depth", "1", repository.folder.as_uri(), str(tmp_path / "shallow"))
    monkeypatch.chdir(tmp_path / "shallow")
    assert model_report.main([base]) == 2
    message = error_line()
    assert base in message and "fetch-depth: 0" in message


@pytest.mark.slow
def test_report_escapes_class_names(repository, report):
    tickets = repository.folder / "data" / "raw" / "tickets.csv"
    labelled = [[row["text"], NAMES.get(row["category"], row["category"])] for row in read_csv(tickets)]
    write_csv(tickets, labelled)
    repository.command("dvc repro")
    repository.commit("other names")
    repository.train("train_tfidf.max_features=15")
    parts = sections(report("HEAD", code=1)[0])
    assert set(NAMES.values()) <= {row[0] for row in rows(parts["Confusion matrix on test"])}
    assert set(NAMES.values()) <= {row[0] for row in rows(parts["Classes whose F1 moved most"])}
