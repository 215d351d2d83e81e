"""The documents are true: commands run as written, quoted outputs are what they print, and all that is named exists."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import setup_mlops
from services.agent.settings import AgentSettings
from services.common.settings import ModelSettings
from services.web.settings import WebSettings
from support.clone import EXPERIMENT, PRINTED, Clone, trained_clone
from support.processes import run
from support.repository import REPOSITORY, write_params
from support.servers.mlflow_server import TrackingServer
from support.tickets import invent, write_csv
from support.transformer import SMALL, need_pytorch

DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")])
GUIDE = REPOSITORY / "MLOPS_GUIDE.md"
BENCHMARKS = REPOSITORY / "BENCHMARKS.md"
MODEL = Path("models/tfidf/model.skops")
BLOCK = re.MULTILINE | re.DOTALL
# What the pipeline or its user makes: a fresh clone has none of it.
MADE = {
    ".venv",
    "data/raw/tickets.csv",
    ".dvc/config.local",
    "mlflow.db",
    "models/production",
    "models/production/tfidf",
    "_rejected",
    "_job.json",
    "current.json",
    "model.skops",
    "metadata.json",
    "run.json",
    "rejected.csv",
}


def name_of(document: Path) -> str:
    return document.relative_to(REPOSITORY).as_posix()


every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)


def text(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def commands(document: Path) -> list[str]:
    """Return the lines of a document's console blocks, in order."""
    blocks = re.findall(r"^```console\n(.*?)^```$", text(document), BLOCK)
    return [line for block in blocks for line in block.splitlines()]


def outputs(document: Path) -> list[tuple[list[str], str]]:
    """Return what a document says that commands print: each console block that a text block follows, and that block."""
    pairs = re.findall(r"^```console\n((?:(?!```).)*?)^```\n\n```text\n(.*?)^```$", text(document), BLOCK)
    return [(console.splitlines(), output) for console, output in pairs]


def without_figures(line: str) -> str:
    """Return a line of output without what depends on the tickets: figures, dates, ids, and the width of columns."""
    return re.sub(r"[\s-]+", " ", re.sub(r"\b[0-9a-f]{8,}\b|[-+]?\d[\d.,:]*", "0", line)).strip()


def assert_quoted_lines_were_printed(document: Path, printed: dict[str, str]) -> None:
    """Compare each quoted output of these commands with what they printed, apart from figures and of lines left out."""
    compared = 0
    for lines, quoted in outputs(document):
        if set(lines) <= set(printed):
            there = {without_figures(line) for name in lines for line in printed[name].splitlines()}
            said = {without_figures(line) for line in quoted.splitlines() if line.strip() not in ("", "...")}
            assert said <= there, lines
            compared += 1
    assert compared > 0


def prose(document: Path) -> str:
    return re.sub(r"^```.*?^```$", "", text(document), flags=BLOCK)


def in_backticks(document: Path) -> list[str]:
    """Return what stands between single backticks in a document's prose and tables."""
    return [" ".join(words.split()) for words in re.findall(r"`([^`]+)`", prose(document))]


def run_by_marked_tests() -> set[str]:
    """Return the commands that tests name in `@pytest.mark.runs(...)`."""
    found = set()
    for file in (REPOSITORY / "tests").rglob("test_*.py"):
        for test in ast.parse(text(file)).body:
            for mark in getattr(test, "decorator_list", []):
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.runs":
                    found |= {ast.literal_eval(command) for command in mark.args}
    return found


def is_there(name: str) -> bool:
    """Whether a path is in the repository, also in scripts/ or services/, or is made by the pipeline or its user."""
    files = [REPOSITORY / "dvc.yaml", REPOSITORY / "transformer" / "dvc.yaml"]
    stages = [stage for file in files for stage in yaml.safe_load(text(file))["stages"].values()]
    declared = [entry for stage in stages for kind in ("outs", "metrics") for entry in stage.get(kind, [])]
    outputs = {Path(next(iter(entry)).removeprefix("../")) for entry in declared}
    path = Path(name)
    made = path in {Path(other) for other in MADE} | outputs | {folder for path in outputs for folder in path.parents}
    return made or any((REPOSITORY / place / path).exists() for place in (".", "scripts", "services"))


def test_every_documented_command_is_run_by_a_test():
    """A new command needs an outcome below, or `@pytest.mark.runs("the command")` on the test that runs it."""
    written = [command for document in DOCUMENTS for command in commands(document)]
    inline = [words for document in DOCUMENTS for words in in_backticks(document) if words.startswith("python ")]
    assert set(written + inline) == set(OUTCOMES) | run_by_marked_tests()


def test_the_guide_is_short_and_its_contents_are_complete():
    assert len(text(GUIDE).splitlines()) <= 300
    titles = re.findall(r"^## (.+)$", prose(GUIDE), re.MULTILINE)
    assert re.findall(r"^\d+\. \[(.+)\]\(#", text(GUIDE), re.MULTILINE) == titles


def test_commands_stand_in_console_blocks_only():
    """In a block of another kind they would escape these tests."""
    kinds = [kind for document in DOCUMENTS for kind in re.findall(r"^```(.*)\n", text(document), re.MULTILINE)]
    assert set(kinds) <= {"console", "mermaid", "text", ""}
    assert kinds.count("") == len(kinds) - kinds.count("")
    quoted = [block for document in DOCUMENTS for block in re.findall(r"^```text\n(.*?)^```$", text(document), BLOCK)]
    assert [block for block in quoted if re.search(r"^(\$ )?(python|dvc|mlflow|pytest|git|pip) ", block, BLOCK)] == []


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@every_document
def test_relative_links_lead_to_a_file_and_a_heading(document):
    links = [link for link in re.findall(r"\]\(([^)]+)\)", prose(document)) if "://" not in link]
    for file, _, anchor in (link.partition("#") for link in links):
        target = document.parent / file if file else document
        assert target.exists(), file
        assert not anchor or anchor in anchors(target), f"{file}#{anchor}"


def test_every_page_of_docs_is_linked_from_the_guide():
    linked = set(re.findall(r"\]\((docs/[^)#]+\.md)", text(GUIDE)))
    assert {name_of(page) for page in REPOSITORY.glob("docs/*.md")} == linked


def test_every_folder_of_code_is_described():
    """A folder of tests for a folder of the package needs no line of its own.

    That every folder that is described exists is what the test of names in backticks checks.
    """
    places = ("benchmarks", "callcenterai", "scripts", "services", "tests")
    files = [file.relative_to(REPOSITORY) for place in places for file in (REPOSITORY / place).rglob("*.py")]
    code = {file.parent.as_posix() for file in files if "migrations" not in file.parts}
    mirrors = {folder.replace("callcenterai/", "tests/") for folder in code if folder.startswith("callcenterai/")}
    described = re.findall(r"^\| `([\w/]+)/` \|", text(REPOSITORY / "ARCHITECTURE_MLOPS.md"), re.MULTILINE)
    assert sorted(code - mirrors - set(described)) == []
    assert len(described) == len(set(described))


def test_contributing_says_where_things_are_decided():
    """Each row of "Where is ...?" names a file, and a function or class in it."""
    table = text(REPOSITORY / "CONTRIBUTING.md").partition("## Where is")[2]
    rows = re.findall(r"^\| [^|]+ \| `([^`]+)` \| `([^`]+)` \|$", table, re.MULTILINE)
    assert len(rows) >= 5
    for file, name in rows:
        assert re.search(rf"^ *(def|class) {name}\b", text(REPOSITORY / file), re.MULTILINE), f"{file}: {name}"


def test_the_quoted_figures_of_the_sample_are_those_of_the_committed_metrics():
    prepared, model = (json.loads(text(REPOSITORY / "metrics" / name)) for name in ("prepare.json", "tfidf.json"))
    if prepared["rows_in"] != 12_000:
        pytest.skip("another model was trained here than the sample's")
    table = setup_mlops.metrics_table(prepared, model)
    assert table in text(REPOSITORY / "README.md")
    quoted = {lines[-1]: output for lines, output in outputs(GUIDE)}["python setup_mlops.py"]
    assert set(quoted.splitlines()) - {"..."} <= set(table.splitlines())


def test_the_answers_that_the_guide_quotes_have_the_fields_of_the_services():
    answers = [json.loads(line) for line in text(GUIDE).splitlines() if line.startswith("{")]
    source = "".join(text(file) for file in (REPOSITORY / "services").rglob("*.py"))
    assert len(answers) == 2
    assert [field for answer in answers for field in answer if not re.search(rf"\b{field}\b: ", source)] == []


@pytest.mark.parametrize(
    "page, settings",
    [("serving.md", ModelSettings), ("agent.md", AgentSettings), ("pages.md", WebSettings)],
)
def test_every_setting_of_a_service_is_documented(page, settings):
    """On its own page or, if the services share it, on the page about serving."""
    tables = "".join(text(REPOSITORY / "docs" / name) for name in {page, "serving.md"})
    rows = "".join(re.findall(r"^\| (`[A-Z].*?) \|", tables, re.MULTILINE))
    assert [name for name in settings.model_fields if f"`{name.upper()}`" not in rows] == []


@every_document
def test_files_in_backticks_exist(document):
    suffix = r"\.(?:py|md|ya?ml|in|txt|csv|json|lock|toml|skops|db)"
    named = [
        name for name in in_backticks(document) if re.fullmatch(rf"[\w.][\w./-]*(?:/|{suffix})|\w+/[\w./-]+", name)
    ]
    assert [name for name in named if not is_there(name)] == []


@every_document
def test_parameters_in_backticks_exist(document):
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    named = [
        name
        for words in in_backticks(document)
        for name in re.findall(r"\b(prepare|train_tfidf|train_transformer|fit_routing)\.([A-Za-z]\w*)", words)
    ]
    assert [(section, name) for section, name in named if name != "py" and name not in params[section]] == []
    settings = [name for words in in_backticks(document) for name in re.findall(r"^(\w+): ", words)]
    sections = ("prepare", "train_tfidf", "train_transformer", "fit_routing")
    assert [name for name in settings if not any(name in params[section] for section in sections)] == []


def repro_trains(clone: Clone, said: str) -> None:
    assert "Running stage 'prepare'" in said and "Running stage 'train_tfidf'" in said
    assert clone.json("metrics/prepare.json")["rows_in"] == 600
    assert [run.data.params["C"] for run in clone.runs()] == ["auto"]


def nothing_is_left_to_do(clone: Clone, said: str) -> None:
    assert "up to date" in said and "Running stage" not in said


def dag_shows_the_order(clone: Clone, said: str) -> None:
    stages = re.findall(r"\| (\S+) \|", said)
    assert stages == ["data/raw/dvc.yaml:sample_tickets", "prepare", "choose_features", "train_tfidf"]


def metrics_are_shown(clone: Clone, said: str) -> None:
    header, *rows = said.splitlines()
    column = re.split(r"\s{2,}", header.strip()).index("test.accuracy")
    figures = {row.split()[0]: re.split(r"\s{2,}", row.strip())[column] for row in rows}
    assert figures == {str(Path("metrics/headline.json")): clone.accuracy()}
    assert max(map(len, said.splitlines())) <= 120


def difference_to_the_last_commit_is_shown(clone: Clone, said: str) -> None:
    before = clone.committed("metrics/tfidf.json")["test"]["accuracy"]
    after = clone.json("metrics/tfidf.json")["test"]["accuracy"]
    assert before != after
    row = next(row.split() for row in said.splitlines() if row.split()[1:2] == ["test.accuracy"])
    assert [float(figure) for figure in row[2:]] == pytest.approx([before, after, after - before], abs=1e-5)


def plots_are_drawn(clone: Clone, said: str) -> None:
    page = clone.folder / "dvc_plots" / "index.html"
    assert said.strip() == page.as_uri()
    plots = yaml.safe_load(text(clone.folder / "dvc.yaml"))["plots"]
    titles = [entry["title"] for plot in plots if isinstance(plot, dict) for entry in plot.values()]
    assert len(titles) == 4
    assert [title for title in titles if title not in text(page)] == []
    # Without a network only the pictures are shown.
    pictures = [Path(plot).name for plot in plots if isinstance(plot, str)]
    shown = [path.name for path in page.parent.rglob("*.png")]
    assert len(pictures) == 4 and all(any(name in each for each in shown) for name in pictures)


def experiment_changes_c_and_the_figures(clone: Clone, said: str) -> None:
    assert "Stage 'prepare' didn't change" in said and "Running stage 'train_tfidf'" in said
    assert "+  C: 2.0" in clone.git("diff", "params.yaml")
    assert clone.json("models/tfidf/metadata.json")["parameters"]["C"] == 2.0
    assert sorted(run.data.params["C"] for run in clone.runs()) == ["2.0", "auto"]
    difference = clone.command("dvc metrics diff")
    assert {row.split()[0] for row in difference.splitlines()[1:]} == {str(Path("metrics/headline.json"))}
    difference_to_the_last_commit_is_shown(clone, difference)


def server_shows_runs_and_files(clone: Clone, server: TrackingServer) -> None:
    latest, earlier = server.runs(EXPERIMENT)
    assert {"key": "C", "value": "2.0"} in latest["data"]["params"]
    assert json.loads(server.artifact(latest, "metrics/tfidf.json")) == clone.json("metrics/tfidf.json")
    assert json.loads(server.artifact(earlier, "metrics/tfidf.json")) == clone.committed("metrics/tfidf.json")


def run_is_logged_again(clone: Clone, said: str) -> None:
    latest, once, _ = clone.runs()
    latest, once = sorted((latest, once), key=lambda run: run.info.run_id not in said)
    assert latest.info.run_id in said
    assert latest.data.tags["model_sha256"] == once.data.tags["model_sha256"]
    assert latest.data.metrics == once.data.metrics


def remote_stays_out_of_git(clone: Clone, said: str) -> None:
    assert "dvc-storage" in text(clone.folder / ".dvc" / "config.local")
    assert ".dvc" not in clone.git("status", "--porcelain", "--untracked-files=all")


def pull_elsewhere_brings_the_same_and_checkout_repairs_it(clone: Clone, said: str) -> None:
    clone.commit("trained")
    elsewhere = clone.folder.parent / "elsewhere"
    clone.git("clone", "-q", str(clone.folder), str(elsewhere))
    assert not (elsewhere / MODEL).exists()
    run(elsewhere, "-m", "dvc", "remote", "add", "--local", "-d", "storage", "../dvc-storage")
    run(elsewhere, "-m", "dvc", "pull")
    model = (clone.folder / MODEL).read_bytes()
    assert (elsewhere / MODEL).read_bytes() == model
    assert "up to date" in run(elsewhere, "-m", "dvc", "status").stdout
    (elsewhere / MODEL).write_bytes(model[:-1])
    page = REPOSITORY / "docs" / "troubleshooting.md"
    repair = next(words for words in in_backticks(page) if words.startswith("dvc checkout"))
    run(elsewhere, "-m", *repair.split())
    assert (elsewhere / MODEL).read_bytes() == model


OUTCOMES = {
    "dvc repro": repro_trains,
    "dvc repro train_tfidf": nothing_is_left_to_do,
    "dvc dag": dag_shows_the_order,
    "dvc metrics show": metrics_are_shown,
    "dvc metrics diff": difference_to_the_last_commit_is_shown,
    "dvc plots show": plots_are_drawn,
    "dvc exp run -S train_tfidf.C=2.0": experiment_changes_c_and_the_figures,
    "mlflow server --backend-store-uri sqlite:///mlflow.db --port 5000": server_shows_runs_and_files,
    "python scripts/log_run.py": run_is_logged_again,
    "dvc remote add --local -d storage ../dvc-storage": remote_stays_out_of_git,
    "dvc push": pull_elsewhere_brings_the_same_and_checkout_repairs_it,
}


@pytest.mark.slow
def test_the_guides_commands_do_what_it_says_in_its_order(tmp_path, tmp_path_factory):
    """The first one, `dvc repro`, has been run in the session's trained clone already."""
    clone = trained_clone(tmp_path_factory).copied(tmp_path / "clone")
    printed = {"dvc repro": clone.text(PRINTED)}
    for line in (line for line in commands(GUIDE) if line in OUTCOMES):
        if line.startswith("mlflow server "):
            arguments = line.removeprefix("mlflow server ").removesuffix(" --port 5000").split()
            with TrackingServer(clone.folder, *arguments) as server:
                OUTCOMES[line](clone, server)
            continue
        if line.startswith("dvc exp run"):
            # So that the experiment's figures are compared with those of the same tickets.
            clone.commit("the sample")
        if line not in printed:
            printed[line] = clone.command(line)
        OUTCOMES[line](clone, printed[line])
    assert set(OUTCOMES) == {*printed, *(line for line in OUTCOMES if line.startswith("mlflow server "))}
    assert_quoted_lines_were_printed(GUIDE, printed)


@pytest.mark.slow
def test_the_registrys_workflow_works_as_the_guide_has_it(tmp_path, tmp_path_factory):
    """Promote, replace and roll back a version, have worse parameters refused, and classify a file.

    Each line runs as written once; what repeats it with other models runs in this process.
    """
    clone = trained_clone(tmp_path_factory, tickets=2500).copied(tmp_path / "clone")
    # Who promotes is in the guide's list.
    clone.git("config", "user.name", "Amina")
    lines = [line for line in commands(GUIDE) if "mlflow_registry.py" in line]
    register, staging, production, listing, rollback = lines

    def train(C: float) -> str:
        """Train with another C, and return the command that registers this run, better or not."""
        clone.here(f"python scripts/set_parameters.py train_tfidf.C={C}")
        clone.here("python scripts/train_tfidf.py")
        return f"{register} --run-id {clone.runs()[0].info.run_id}"

    def stages() -> list[tuple[int, str]]:
        rows = json.loads(clone.here(f"{listing} --json"))
        return sorted((row["version"], row["stage"]) for row in rows)

    printed = {line: clone.command(line) for line in (register, staging, production, listing)}
    for line in (train(0.6), staging, production):
        clone.here(line)
    assert stages() == [(1, "Archived"), (2, "Production")]
    printed[rollback] = clone.command(rollback)
    assert stages() == [(1, "Production"), (2, "Archived")]
    clone.here(train(0.0001))
    refusal = clone.here(staging, code=3)
    assert "refused: " in refusal and "accuracy" in refusal and stages()[2] == (3, "None")
    shutil.copy(clone.folder / "data" / "raw" / "tickets.csv", clone.folder / "tickets.csv")
    archive = "python scripts/predict_batch.py tickets.csv predictions"
    printed[archive] = clone.command(archive)
    assert_quoted_lines_were_printed(GUIDE, printed)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.runs("python benchmarks/training.py FILE --text-column C --label-column C")
def test_the_training_benchmark_prints_its_table(tmp_path):
    run(REPOSITORY, "scripts/make_sample_tickets.py", str(tmp_path / "tickets.csv"), "--tickets", "250")
    columns = ("--text-column", "text", "--label-column", "category")
    printed = run(REPOSITORY, "benchmarks/training.py", str(tmp_path / "tickets.csv"), *columns).stdout
    header, _, *rows = printed.split("\n\n")[0].splitlines()
    assert header in text(BENCHMARKS)
    assert [re.split(r" \| ?|, ", row.strip("| "))[0][:4].strip() for row in rows] == ["ours", "(a)", "(b)"]
    assert all(0 < float(figure) for row in rows for figure in row.strip("| ").split(" | ")[1:])


# The benchmark says that it needs Linux: no other system shows the memory of a group of processes in files.
linux = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="it reads processes' memory from /proc")


def serving_table(script: str, model: Path, data: Path) -> list[str]:
    """Run a benchmark of services for seconds and return its table, after comparing the header with BENCHMARKS.md."""
    command = [sys.executable, f"benchmarks/{script}", "--model", str(model), "--data", str(data)]
    done = subprocess.run(
        [*command, "--rounds", "1", "--seconds", "0.5"], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    header, _, *rows = done.stdout.splitlines()
    assert header in text(BENCHMARKS)
    return rows


@pytest.mark.runs("python benchmarks/serving.py")
@linux
@pytest.mark.long
@pytest.mark.slow
def test_the_serving_benchmark_prints_its_table(trained, monkeypatch):
    """On the last of the trained models, which is in the model folder."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{trained.database.as_posix()}")
    rows = serving_table("serving.py", trained.folder / "model", trained.data)
    assert rows[0].startswith("| ours | ") and len(rows) == 5


@pytest.mark.runs("python benchmarks/audit.py")
@pytest.mark.slow
def test_the_audit_benchmark_prints_its_tables():
    """With a large share of few tickets, so that each change is noticed soon."""
    done = run(REPOSITORY, "benchmarks/audit.py", "--tickets", "300", "--share", "0.5", "--repeats", "10")
    changes, _, alarms = done.stdout.partition("\n\n")[2].partition("\n\n")
    for header, _, *rows in (changes.splitlines(), alarms.splitlines()):
        assert header in text(BENCHMARKS) and rows
    assert "| 88.0% | everywhere | 100% |" in changes


@pytest.mark.runs("python benchmarks/agent.py")
@linux
@pytest.mark.long
@pytest.mark.slow
def test_the_agent_benchmark_prints_its_table(trained):
    rows = serving_table("agent.py", trained.folder / "model", trained.data)
    assert rows[0].startswith("| the tfidf service | ") and rows[1].startswith("| the agent | ") and len(rows) == 3


@pytest.mark.runs("python benchmarks/overload.py")
@linux
@pytest.mark.long
@pytest.mark.slow
def test_the_overload_benchmark_prints_its_table(trained):
    command = ("--model", str(trained.folder / "model"), "--data", str(trained.data), "--seconds", "1")
    header, _, *rows = run(REPOSITORY, "benchmarks/overload.py", *command).stdout.splitlines()
    assert header in text(BENCHMARKS)
    assert [row.split(" | ")[0] for row in rows] == [f"| {share}%" for share in (10, 50, 80, 100, 150, 200, 300)]


@pytest.mark.runs("python benchmarks/batching.py")
@linux
@pytest.mark.long
@pytest.mark.slow
def test_the_batching_benchmark_prints_its_table(transformer):
    rows = serving_table("batching.py", transformer.model, transformer.data)
    assert rows[0].startswith("| ours | ") and rows[1].startswith("| ours, BATCH_SIZE=1 | ") and len(rows) == 5


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["registry.py", "--rounds", "0"], "argument --rounds: invalid positive value: '0'"),
        (["serving.py", "--rounds", "0"], "argument --rounds: invalid positive value: '0'"),
        (["scale.py", "absent.csv", "--rounds", "0"], "argument --rounds: invalid positive value: '0'"),
        (["scale.py", "absent.csv"], "error: absent.csv: No such file or directory"),
    ],
)
def test_a_benchmark_that_cannot_be_run_says_why_in_one_line(arguments, said):
    command = [sys.executable, str(REPOSITORY / "benchmarks" / arguments[0]), *arguments[1:]]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.splitlines()[-1].endswith(said) and "Traceback" not in done.stderr


@pytest.mark.runs("python benchmarks/scale.py FILE --text-column C")
@pytest.mark.long
@pytest.mark.slow
def test_the_scale_benchmark_prints_its_table(folders, tmp_path):
    """With few tickets, twice: one worker, two, one core, and the plain loop; then the pipeline's stages, once."""
    tickets = write_csv(tmp_path / "tickets.csv", invent(60))
    more = ["--model", str(folders["good"]), "--tickets", "500", "--label-column", "category", "--times", "1", "2"]
    done = run(REPOSITORY, "benchmarks/scale.py", str(tickets), *more, "--rounds", "2")
    assert done.stderr.count("500: plain loop") == 2
    printed = done.stdout
    table = [line.strip("| ").split(" | ") for line in printed.splitlines()]
    rows = {cells[0]: cells[1:] for cells in table if cells[-1].replace(".", "").isdigit()}
    one, *others = [name for name in rows if name.startswith("predict_batch.py")]
    assert len(others) == 2 and rows[one][0] == "500" and rows[one][5] == "1.00"
    stages = [f"{script}, {times} times" for times in (1, 2) for script in ("prepare_data.py", "train_tfidf.py")]
    assert list(rows) == [one, *others, "plain loop", *stages] and rows[stages[-1]][0] == "120"
    assert all(float(cost[2]) > 0 and float(cost[4]) > 50 for cost in rows.values())


@pytest.mark.runs("python benchmarks/routing.py FILE --text-column C --label-column C")
@pytest.mark.long
@pytest.mark.slow
def test_the_routing_benchmark_prints_its_table(tmp_path):
    """With a small transformer, on two halves, each of which is tested by models that have not seen it."""
    need_pytorch()
    tickets = write_csv(tmp_path / "tickets.csv", invent(240))
    params = write_params(tmp_path / "params.yaml", train_transformer=SMALL | {"members": 1, "epochs": 1})
    more = ["--text-column", "text", "--label-column", "category", "--folds", "2", "--params", str(params)]
    printed = run(REPOSITORY, "benchmarks/routing.py", str(tickets), *more).stdout
    header, _, *rows = printed.splitlines()
    assert header in text(BENCHMARKS)
    first, second, mean = ([float(figure.split()[0]) for figure in row.strip("| ").split(" | ")[1:]] for row in rows)
    assert first[0] + second[0] == mean[0] == 240
    assert mean[1:] == pytest.approx(np.mean([first[1:], second[1:]], axis=0), abs=0.051)
    assert all(0 < share <= 100 for each in (first, second) for share in each[1:5])


@pytest.mark.runs("python benchmarks/scrubbing.py")
def test_the_scrubbing_benchmark_prints_the_documented_table():
    """Precision and recall depend on the code and the labelled tickets alone, so the documented ones must be these."""
    command = [sys.executable, "benchmarks/scrubbing.py"]
    printed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^(held-out|later) +all +(\d+) +([\d.]+) +([\d.]+)$", printed, re.MULTILINE)
    row = r"^\| (held-out|later) \| \d+ \| (\d+) \| ([\d.]+) \| ([\d.]+) \|$"
    assert found == re.findall(row, text(BENCHMARKS), re.MULTILINE)


@pytest.mark.runs("python benchmarks/registry.py")
@pytest.mark.long
@pytest.mark.slow
def test_the_registry_benchmark_prints_its_table(registry_commands):
    registry_commands.register("good")
    command = [sys.executable, "benchmarks/registry.py", "--rounds", "1"]
    printed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    _, _, bare, ours = (line.strip("| ").split(" | ") for line in printed.splitlines())
    assert (bare[0], ours[0]) == ("bare MlflowClient query", "mlflow_registry.py list")
    assert float(ours[2]) == pytest.approx(float(ours[1]) / float(bare[1]), abs=0.05)
