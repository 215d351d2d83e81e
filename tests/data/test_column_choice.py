"""Choosing the tickets to train on: what the file seems to hold is proposed, and params.yaml changes last."""

import re
import shlex
import shutil
import sys

import pytest
import yaml

import choose_input
from support.file_cases import CASES, HEADER, LABELS, TICKETS, workbook, written
from support.repository import SHARED_DATA, write_params
from support.tickets import invent

SHARED_FILES = sorted((SHARED_DATA.parent / "cases" / "files").glob("*")) + sorted((SHARED_DATA / "real").glob("*"))
NONE = "data/raw/none"


class Chooser:
    """Runs the command on a copy of params.yaml, by default in a pipe, where it cannot ask."""

    def __init__(self, folder, capsys, monkeypatch):
        self.folder, self._capsys, self._patch = folder, capsys, monkeypatch
        self.params = write_params(folder / "params.yaml", prepare={"encoding": "cp1252", "min_text_length": 2})
        self.before = self.params.read_bytes()

    def run(self, *arguments, answers=None):
        """Return the exit code, and what was printed on stderr."""
        self._patch.setattr(sys.stdin, "isatty", lambda: answers is not None, raising=False)
        self._patch.setattr("builtins.input", lambda _: answers.pop(0))
        code = choose_input.main([*map(str, arguments), "--params", str(self.params)])
        return code, self._capsys.readouterr().err

    def refuse(self, *arguments):
        """Return the one line of an error, after which nothing is changed."""
        code, printed = self.run(*arguments)
        assert code == 2 and len(printed.splitlines()) == 1 and self.params.read_bytes() == self.before
        return printed

    def reset(self):
        """Go back to the parameters at the start."""
        self.params.write_bytes(self.before)

    def section(self):
        return yaml.safe_load(self.params.read_text(encoding="utf-8"))["prepare"]

    def changes(self):
        """Return what is different in section prepare."""
        before = yaml.safe_load(self.before)["prepare"]
        return {name: value for name, value in self.section().items() if value != before[name]}

    def write(self, content, name="t.csv"):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


@pytest.fixture
def chooser(tmp_path, capsys, monkeypatch):
    return Chooser(tmp_path, capsys, monkeypatch)


def the_command(line):
    """Return the arguments of the command that a message tells to run."""
    return shlex.split(re.search("run `(.+)`$", line)[1])[2:]


def test_in_a_pipe_the_likeliest_columns_are_said_as_a_command_that_works(chooser):
    """With three examples of each."""
    path = chooser.write(written())
    line = chooser.refuse("--input", path)
    assert f"The text is probably in 'texte' (for example '{TICKETS[0][1][:39]}…', '" in line
    assert "and the label in 'catégorie' (for example 'Accès', 'Réseau', 'Matériel')" in line
    assert the_command(line) == ["--input", str(path), "--text-column", "texte", "--label-column", "catégorie"]
    assert chooser.run(*the_command(line)) == (0, f"{path}: 60 rows read (delimited, utf-8, delimiter ',')\n")
    expected = {"input": path.as_posix(), "text_column": "texte", "label_column": "catégorie", "encoding": None}
    assert chooser.changes() == expected


def test_the_columns_of_a_file_without_a_header_are_proposed_by_number(chooser):
    path = chooser.write(written(header=False, delimiter=";").encode("cp1252"))
    arguments = the_command(chooser.refuse("--input", path))
    assert arguments[2:] == ["--no-header", "--text-column", "2", "--label-column", "3"]
    assert chooser.run(*arguments)[0] == 0
    section = chooser.section()
    assert (section["header"], section["text_column"], section["label_column"]) == (False, "2", "3")


def test_on_a_terminal_the_columns_are_asked_for_and_enter_takes_the_proposal(chooser):
    path = chooser.write(written())
    code, printed = chooser.run("--input", path, answers=["", "id"])
    assert code == 0 and "The text is probably in 'texte'" in printed
    assert (chooser.section()["text_column"], chooser.section()["label_column"]) == ("texte", "id")


def test_a_column_that_is_given_is_not_asked_for(chooser):
    path = chooser.write(written())
    assert chooser.run("--input", path, "--label-column", "catégorie", answers=[""])[0] == 0
    assert chooser.section()["text_column"] == "texte"


@pytest.mark.parametrize(
    "content, columns, said",
    [
        (written(), ("texte", "Categorie"), "has no column 'Categorie'; there are 'id', 'texte', 'catégorie' (did"),
        (written(), ("nothing", "catégorie"), "has no column 'nothing'; there are 'id', 'texte', 'catégorie'; name"),
        (written(header=False), ("texte", "catégorie"), "has no header: its first row is '1000', 'Accès refusé n° 0,"),
        ("text,label\nhello you,A\n" * 2 + "too,many,cells\n" * 9, ("text", "label"), "has 9 unreadable rows of 12"),
        (b"%PDF-1.7", ("text", "label"), "is a PDF, not a table of tickets; export the tickets"),
        (b"", ("text", "label"), "is empty; check the export that made it"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_changes_nothing(chooser, content, columns, said):
    path = chooser.write(content)
    text, label = columns
    assert said in chooser.refuse("--input", path, "--text-column", text, "--label-column", label)


@pytest.mark.parametrize(
    "content, said",
    [
        ("text\nonly one column\n", "needs two columns with values, for text and label, and has 'text'; if"),
        ("a~b\nx~y\n", "name it with --delimiter"),
        ("id,text\n1,2,3\n4,5,6\n", "has 2 unreadable rows of 2"),
        (workbook({"A": [HEADER, *TICKETS], "B": [HEADER, *TICKETS]}), "has 2 sheets ('A', 'B') and more than one"),
    ],
    ids=["one column", "delimiter", "unreadable", "sheets"],
)  # fmt: skip
def test_without_columns_to_propose_the_message_says_what_to_do(chooser, content, said):
    assert said in chooser.refuse("--input", chooser.write(content))


def test_a_missing_file_or_split_changes_nothing(chooser):
    path = chooser.write(written())
    columns = ("--text-column", "texte", "--label-column", "catégorie")
    missing = chooser.folder / "nowhere.csv"
    assert f"{missing}: no such file" in chooser.refuse("--input", missing, *columns)
    assert f"{missing}: no such file" in chooser.refuse("--input", path, "--test-input", missing, *columns)
    for wrong in ("", "||", '"'):
        line = chooser.refuse("--input", path, *columns, "--delimiter", wrong)
        assert f"cannot be read with the delimiter {wrong!r}; give one character" in line


@pytest.mark.parametrize("typed", ["tab", "\\t", "\t"])
def test_a_tab_can_be_typed_as_a_word(chooser, typed):
    path = chooser.write(written(delimiter="\t"))
    columns = ("--text-column", "texte", "--label-column", "catégorie")
    assert chooser.run("--input", path, *columns, "--delimiter", typed)[0] == 0
    assert chooser.section()["delimiter"] == "\t"
    chooser.reset()
    line = chooser.refuse("--input", path, "--delimiter", typed)
    assert chooser.run(*the_command(line))[0] == 0 and chooser.section()["delimiter"] == "\t"


def test_new_tickets_are_not_scored_on_the_split_of_those_before_and_answers_are_left_out(chooser):
    ours, split = chooser.write(written()), chooser.write(written(end="\n"), "official.csv")
    columns = ("--text-column", "texte", "--label-column", "catégorie")
    assert chooser.run("--input", ours, "--test-input", split, *columns)[0] == 0
    assert chooser.section()["test_input"] == split.as_posix()
    assert chooser.run("--test-input", "none")[0] == 0
    assert (chooser.section()["test_input"], chooser.section()["input"]) == (NONE, ours.as_posix())
    assert chooser.run("--test-input", split)[0] == chooser.run("--input", ours, *columns)[0] == 0
    assert (chooser.section()["test_input"], chooser.section()["feedback_input"]) == (NONE, NONE)
    assert chooser.section()["min_text_length"] == 2


def test_several_text_columns_are_kept_in_their_order(chooser):
    path = chooser.write(
        "subject,body,queue\n" + "".join(f"help {n},my {n} is broken,{'AB'[n % 2]}\n" for n in range(9))
    )
    assert chooser.run("--input", path, "--text-column=body", "--text-column=subject", "--label-column=queue")[0] == 0
    assert chooser.section()["text_column"] == ["body", "subject"]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_is_proposed_for_every_kind_of_file_is_right(chooser, case):
    options = [f"--{name}={value}" for name, value in case.options._asdict().items() if value and name != "header"]
    line = chooser.refuse("--input", chooser.write(case.content, case.name), *options)
    arguments = the_command(line)
    found = [arguments[at + 1] for at, each in enumerate(arguments) if each.endswith("-column")]
    assert [each.casefold() for each in found] == list(case.columns)
    assert set(options) <= {f"{name}={value}" for name, value in zip(arguments, arguments[1:], strict=False)}
    assert all(repr(label) in line for label in LABELS)


@pytest.mark.slow
@pytest.mark.parametrize("path", SHARED_FILES, ids=lambda path: path.name)
def test_real_files_lead_to_prepared_tickets_or_to_one_line(chooser, prepare, capsys, path):
    """As `python setup_mlops.py --input FILE` leads on: with the command that it says."""
    line = chooser.refuse("--input", path)
    if "run `" not in line:
        assert path.name == "html_as_xls.xls" and "save it as .xlsx or CSV UTF-8" in line
        return
    assert chooser.run(*the_command(line))[0] == 0
    if prepare.params != chooser.params:
        shutil.copy(chooser.params, prepare.params)
    code, printed = prepare.run_as_is(), capsys.readouterr().err
    # Four texts again and again cannot be trained on.
    assert code == (2 if path.name == "canned.csv" else 0), printed
    assert code == 0 or "copies of a text count once" in printed


def test_an_unused_sample_need_not_exist(chooser, monkeypatch):
    """So that the sample can be chosen again before it is made."""
    monkeypatch.chdir(chooser.folder)
    columns = ("--text-column", "text", "--label-column", "category")
    assert chooser.run("--input", "data/raw/tickets.csv", *columns)[0] == 0
    path = chooser.folder / "data" / "raw" / "tickets.csv"
    path.parent.mkdir(parents=True)
    path.write_text("text,category\n" + "".join(f"{text},{label}\n" for text, label in invent(9)), encoding="utf-8")
    assert chooser.run("--input", "data/raw/tickets.csv", *columns)[0] == 0


def test_a_chosen_file_is_kept_where_dvc_can_track_it(chooser, tmp_path):
    """A file called like the sample gets another name, and one that nobody keeps a version of is not overwritten."""
    kept, tickets = chooser.folder / "data" / "raw", tmp_path / "tickets.csv"
    tickets.write_text("text,category\n" + "".join(f"{text},{label}\n" for text, label in invent(9)), encoding="utf-8")
    command = ("--input", str(tickets), "--text-column", "text", "--label-column", "category", "--keep-in", str(kept))
    assert chooser.run(*command)[0] == 0
    assert (kept / "own_tickets.csv").read_bytes() == tickets.read_bytes()
    assert chooser.section()["input"] == (kept / "own_tickets.csv").as_posix()
    with tickets.open("a", encoding="utf-8") as file:
        file.write("the printer is out of toner,Hardware\n")
    code, errors = chooser.run(*command)
    assert code == 2 and "DVC does not track it: move it away first" in errors
    (kept / "own_tickets.csv.dvc").touch()
    assert chooser.run(*command)[0] == 0
    assert (kept / "own_tickets.csv").read_bytes() == tickets.read_bytes()
