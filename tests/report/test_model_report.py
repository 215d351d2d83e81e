"""The report that CI shows of a change: its figures are the pipeline's, and a model that got worse is refused."""

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
# Labels that would end a cell, run as HTML, notify people or begin an image, if GitHub took them for more than labels.
NAMES = {"Hardware": "a|b", "Storage": "<script>alert(1)</script>", "Access": "@everyone `x` *y*", "Purchase": "![](u)"}


class Repository(Clone):
    """A clone with a trained and committed model, in which reports are made."""

    def train(self, *parameters: str) -> None:
        """Change parameters and train."""
        run(self.folder, "scripts/set_parameters.py", *parameters)
        self.command("dvc repro")


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory):
    clone = trained_clone(tmp_path_factory).copied(tmp_path_factory.mktemp("report") / "clone")
    clone.commit("trained")
    return Repository(clone.folder)


@pytest.fixture
def repository(trained_once, tmp_path, monkeypatch):
    """A trained repository, where the test is."""
    found = trained_once.copied(tmp_path / "clone")
    monkeypatch.chdir(found.folder)
    return found


@pytest.fixture
def report(capsys):
    """Makes a report in the current folder; returns it and what stderr says, after checking the exit code."""

    def make(revision: str, code: int = 0) -> tuple[str, str]:
        capsys.readouterr()
        found = model_report.main([revision])
        said = capsys.readouterr()
        assert found == code, said
        return said.out, said.err

    return make


def sections(text: str) -> dict[str, str]:
    """Return the text below each heading."""
    return dict(re.findall(r"^#+ ([^\n]+)\n\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))


def rows(section: str) -> list[list[str]]:
    """Return the cells of a table without its header, as GitHub would read them."""
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
def test_without_a_change_the_report_passes_and_shows_the_pipelines_figures(repository, report):
    said, errors = report("HEAD")
    parts, test = sections(said), repository.json(METRICS)["test"]
    assert parts["Model report"].startswith("**Passed**") and "FAILED" not in said and not errors
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
def test_a_worse_parameter_is_refused_and_the_report_says_which_figures_fell(repository, report):
    repository.train("train_tfidf.max_features=15")
    said, errors = report("HEAD", code=1)
    assert re.search(
        r"^accuracy against HEAD: 0\.\d+, HEAD has 0\.\d+ on the same tickets: .* worse", errors, re.MULTILINE
    )
    assert re.search(r"^macro F1 against HEAD: ", errors, re.MULTILINE)
    parts = sections(said)
    assert parts["Model report"].startswith("**Failed.**") and "FAILED  accuracy against HEAD" in said
    before, after = (
        found["test"]["accuracy"] for found in (repository.committed(METRICS.as_posix()), repository.json(METRICS))
    )
    figures = {row[0]: row[-1] for row in rows(parts["Figures on test"])}
    assert float(figures["accuracy"]) == pytest.approx(100 * (after - before), abs=0.006) and after < before
    moved = [abs(float(row[-1])) for row in rows(parts["Classes whose F1 moved most"])]
    assert moved == sorted(moved, reverse=True) and moved[0] > 1


@pytest.mark.slow
def test_what_params_allow_is_not_refused(repository, report):
    """The rule is that of the registry: one place says how much worse is too much."""
    repository.train("train_tfidf.max_features=15", "registry.tolerance=1.0", "registry.class_tolerance=1.0")
    assert "**Passed**" in report("HEAD")[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["weighted_f1", "auto_route"])
def test_a_metric_that_is_missing_is_refused(repository, report, name):
    found = repository.json(METRICS)
    del found["test"][name]
    METRICS.write_text(json.dumps(found), encoding="utf-8")
    said, errors = report("HEAD", code=1)
    assert errors.startswith(f"test.{name}") and f"FAILED  test.{name}" in said


@pytest.mark.slow
def test_no_accuracy_of_what_is_routed_is_a_figure_where_nothing_is(repository, report):
    found = repository.json(METRICS)
    found["test"]["auto_route"] |= {"threshold": None, "coverage": 0.0, "accuracy": None}
    METRICS.write_text(json.dumps(found), encoding="utf-8")
    assert ["auto-route: accuracy", "-"] in [row[:2] for row in rows(sections(report("HEAD")[0])["Figures on test"])]


@pytest.mark.slow
def test_where_there_were_no_metrics_before_the_report_says_so_and_passes(repository, report):
    """In the commit before the model, and before a branch's first push, for which GitHub gives zeros."""
    empty = repository.git("commit-tree", repository.git("write-tree", "--prefix=docs").strip(), "-m", "docs").strip()
    for revision in (empty, "0" * 40):
        said, errors = report(revision)
        assert f"There are no metrics at <code>{revision[:8]}</code>" in said and not errors
        assert len(rows(sections(said)["Figures on test"])) == 6


@pytest.mark.slow
def test_on_other_test_tickets_only_what_chance_does_not_explain_is_refused(repository, report):
    """The release was trained on 12,000 tickets, this one on 600: worse, and in the other direction better."""
    said, errors = report("HEAD~1", code=1)
    assert "The test tickets are others" in said and "on other tickets: more than chance explains" in errors
    repository.git("checkout", "-q", "HEAD~1", "--", "metrics", "dvc.lock")
    said, errors = report("HEAD")
    assert "The test tickets are others" in said and not errors
    assert "is of another training than the metrics" in sections(said)["Confusion matrix on test"]


@pytest.mark.slow
def test_a_revision_that_is_not_there_is_said_in_one_line(repository, tmp_path, monkeypatch, error_line):
    """As in CI, whose checkout has the last commit alone unless it is asked for more."""
    base = repository.git("rev-parse", "HEAD~1").strip()
    repository.git("clone", "-q", "--depth", "1", repository.folder.as_uri(), str(tmp_path / "shallow"))
    monkeypatch.chdir(tmp_path / "shallow")
    assert model_report.main([base]) == 2
    said = error_line()
    assert base in said and "fetch-depth: 0" in said


@pytest.mark.slow
def test_names_of_classes_are_shown_as_they_are_whatever_they_hold(repository, report):
    tickets = repository.folder / "data" / "raw" / "tickets.csv"
    labelled = [[row["text"], NAMES.get(row["category"], row["category"])] for row in read_csv(tickets)]
    write_csv(tickets, labelled)
    repository.command("dvc repro")
    repository.commit("other names")
    repository.train("train_tfidf.max_features=15")
    parts = sections(report("HEAD", code=1)[0])
    assert set(NAMES.values()) <= {row[0] for row in rows(parts["Confusion matrix on test"])}
    assert set(NAMES.values()) <= {row[0] for row in rows(parts["Classes whose F1 moved most"])}
