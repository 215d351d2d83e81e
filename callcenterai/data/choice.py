"""Choose the file to train on: read it as a whole, propose its columns, and only then change params.yaml."""

import shlex
import sys
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from callcenterai.core.cli import UserError
from callcenterai.core.files import sha256, write_files
from callcenterai.core.params import NO_FILE, PrepareParameters, read_parameters
from callcenterai.core.params_edit import set_values
from callcenterai.data.sources import TicketSource, paths_of
from callcenterai.data.table import Source
from callcenterai.formats.columns import looks_like_data, shorten
from callcenterai.formats.dialects import read_delimiter
from callcenterai.formats.reader import MAX_UNREADABLE, ReadOptions, describe_found, open_tickets

ROWS = 1_000
EXAMPLES = 3
SAMPLE = "data/raw/tickets.csv"
COPIED_AT_ONCE = 1_000_000
# A column with more different values than this share of its rows is no label.
LARGEST_LABEL_SHARE = 0.34
# Parts of names that label columns often have, in several languages.
LABEL_NAMES = (
    "categ",
    "kateg",
    "label",
    "class",
    "klasse",
    "topic",
    "queue",
    "intent",
    "theme",
    "thème",
    "group",
    "type",
)
TEXT_NAMES = ("text", "texte", "body", "description", "message", "content", "comment", "question", "inhalt", "mensaje")
# Asks a question and returns the answer.
Ask = Callable[[str], str]


class Choice(NamedTuple):
    """What the command line says; None for what it does not."""

    input: Path | None = None
    test_input: str | None = None
    text_columns: list[str] | None = None
    label_column: str | None = None
    options: ReadOptions = ReadOptions()


class Proposal(NamedTuple):
    """The likeliest columns of a file, with examples of each, and how the file has to be read for them."""

    text: str
    label: str
    examples: dict[str, list[str]]
    options: ReadOptions
    found: str


def choose_input(params_path: Path, choice: Choice, ask: Ask | None, keep_in: Path | None = None) -> None:
    """Change section `prepare` to what was chosen, after the files were read; ask for columns if that is possible.

    With keep_in, the files are first copied into that folder, unless they are there, and named as they are there.
    """
    if choice.options.delimiter is not None:
        # params.yaml has the character itself, whatever the person typed for it.
        delimiter = read_delimiter(str(choice.input or "the file"), choice.options.delimiter)
        choice = choice._replace(options=choice.options._replace(delimiter=delimiter))
    if choice.input is not None and not (choice.text_columns and choice.label_column):
        choice = _complete(choice, choice.input, ask)
    params = read_parameters(params_path, "prepare", PrepareParameters)
    changes = _changes(choice, params.input)
    copies = _plan_copies(changes, keep_in) if keep_in else {}
    # Checked as a whole, so that a value that does not fit changes nothing.
    try:
        params = PrepareParameters.model_validate(params.model_dump() | changes)
    except ValidationError as error:
        raise UserError("; ".join(each["msg"].removeprefix("Value error, ") for each in error.errors())) from None
    # Feedback is written by a command of ours, and the sample by the setup if it is not there.
    paths = {source: path for source, path in paths_of(params).items() if source != Source.FEEDBACK}
    if missing := [path for path in paths.values() if not path.exists() and path.as_posix() != SAMPLE]:
        raise UserError(f"{missing[0]}: no such file")
    for source, path in paths.items():
        if path.exists():
            _read(params, source, path)
    for name, kept in copies.items():
        _copy(Path(changes[name]), kept)
        changes[name] = kept.as_posix()
    set_values(params_path, {f"prepare.{name}": value for name, value in changes.items()})


def _plan_copies(changes: dict[str, Any], folder: Path) -> dict[str, Path]:
    """Return where the chosen files are to be kept, by the names of their parameters.

    Raises a UserError if that would overwrite a file of which DVC keeps no earlier version.
    """
    copies = {}
    for name in ("input", "test_input"):
        path = Path(changes.get(name, folder / NO_FILE))
        if path.name == NO_FILE or path.resolve().is_relative_to(folder.resolve()):
            continue
        # A file of the user's is never taken for the sample, which the setup makes again.
        kept = folder / (f"own_{path.name}" if path.name == Path(SAMPLE).name else path.name)
        tracked = kept.with_name(f"{kept.name}.dvc").is_file()
        if kept.exists() and path.exists() and not tracked and sha256(kept) != sha256(path):
            raise UserError(f"{kept} has other content than {path}, and DVC does not track it: move it away first")
        copies[name] = kept
    return copies


def _copy(path: Path, kept: Path) -> None:
    with path.open("rb") as file:
        write_files({kept: iter(lambda: file.read(COPIED_AT_ONCE), b"")}, private=True)
    print(f"{path}: copied to {kept}, from where it is read", file=sys.stderr)


def _changes(choice: Choice, before: str) -> dict[str, Any]:
    """Return the parameters of section `prepare` to change; before is the input so far."""
    changes: dict[str, Any] = {}
    if choice.input is not None:
        # The test split, the feedback and the way of writing belong to the data set before.
        none = f"data/raw/{NO_FILE}"
        changes |= {"input": choice.input.as_posix(), "test_input": none, "feedback_input": none}
        changes |= choice.options._asdict()
        if changes["input"] != before:
            # The labels and the other columns are different too.
            changes |= {"label_map": {}, "label_map_file": none, "slice_columns": []}
    changes |= {name: value for name, value in choice.options._asdict().items() if value not in (None, True)}
    if choice.test_input is not None:
        changes["test_input"] = f"data/raw/{NO_FILE}" if choice.test_input == NO_FILE else choice.test_input
    if choice.text_columns:
        changes["text_column"] = choice.text_columns if len(choice.text_columns) > 1 else choice.text_columns[0]
    if choice.label_column:
        changes["label_column"] = choice.label_column
    return changes


def _read(params: PrepareParameters, source: Source, path: Path) -> None:
    """Read a file to its end, which raises a UserError when it cannot be used."""
    file = TicketSource(params, source, path)
    rows = sum(1 for _ in file.tickets())
    print(f"{path}: {rows:,} rows read ({describe_found(file.found)})", file=sys.stderr)


def _complete(choice: Choice, path: Path, ask: Ask | None) -> Choice:
    """Return the choice with both columns: those that were given, else proposed ones that somebody has agreed to."""
    proposal = propose_columns(path, choice.options)
    texts, label = choice.text_columns or [proposal.text], choice.label_column or proposal.label
    if ask is None:
        # In a message, white space is one blank.
        delimiter = "tab" if choice.options.delimiter == "\t" else choice.options.delimiter
        options = {"--encoding": choice.options.encoding, "--delimiter": delimiter, "--sheet": choice.options.sheet}
        more = [part for name, value in options.items() if value for part in (name, value)]
        more += [] if proposal.options.header else ["--no-header"]
        command = shlex.join(["python", "setup_mlops.py", "--input", str(path), *more])
        columns = shlex.join([*(part for each in texts for part in ("--text-column", each)), "--label-column", label])
        raise UserError(f"{path} ({proposal.found}): which columns? {_describe(proposal)}: run `{command} {columns}`")
    print(f"{path}: {proposal.found}. {_describe(proposal)}", file=sys.stderr)
    if not choice.text_columns:
        texts = [ask(f"Column with the text [{proposal.text}]: ").strip() or proposal.text]
    if not choice.label_column:
        label = ask(f"Column with the label [{proposal.label}]: ").strip() or proposal.label
    return choice._replace(text_columns=texts, label_column=label, options=proposal.options)


def _describe(proposal: Proposal) -> str:
    shown = {name: ", ".join(map(repr, values)) for name, values in proposal.examples.items()}
    return (
        f"The text is probably in {proposal.text!r} (for example {shown[proposal.text]}) "
        f"and the label in {proposal.label!r} (for example {shown[proposal.label]})"
    )


def propose_columns(path: Path, options: ReadOptions) -> Proposal:
    """Return the likeliest columns by their first rows; a UserError when there are not two columns to choose from."""
    with open_tickets(path, (), options) as file:
        rows = [row.values for row in islice(file.rows(), ROWS) if row.values]
        header, found = file.header, file.found
        if not rows:
            file.check_faults(MAX_UNREADABLE)
    cells = [[value or "" for value in row] for row in rows]
    if found.get("header") and looks_like_data([header, *cells]):
        return propose_columns(path, options._replace(header=False))
    names = [name.strip() for name in header]
    columns = {name: [row[at] for row in cells if row[at].strip()] for at, name in enumerate(names) if name}
    columns = {name: values for name, values in columns.items() if values}
    if len(columns) < 2:
        found_names = ", ".join(map(repr, columns)) or "none"
        raise UserError(
            f"{path} needs two columns with values, for text and label, and has {found_names}; "
            "if another character than a comma, semicolon, tab or | separates the columns, name it with --delimiter"
        )
    text = max(columns, key=lambda name: _text_score(name, columns[name]))
    labels = [name for name in columns if name != text]
    label = max(labels, key=lambda name: _label_score(name, columns[name]))
    examples = {name: _examples(columns[name]) for name in (text, label)}
    return Proposal(text, label, examples, options, describe_found(found))


def _examples(values: Sequence[str]) -> list[str]:
    return [shorten(each) for each in islice(dict.fromkeys(values), EXAMPLES)]


def _text_score(name: str, values: Sequence[str]) -> float:
    """Return how likely a column holds texts: long ones, nearly all different."""
    length = sum(min(len(each), 500) for each in values) / len(values)
    words = sum(len(each) for each in values if not each.strip().replace(".", "").isdigit()) > 0
    named = 1.5 if any(part in name.casefold() for part in TEXT_NAMES) else 1.0
    return named * words * length * len(set(values)) / len(values)


def _label_score(name: str, values: Sequence[str]) -> tuple[bool, bool, float]:
    """Return how likely a column holds labels: short ones, few different ones, none of them for nearly all rows."""
    different = len(set(values))
    short = sum(map(len, values)) / len(values) <= 60
    few = 2 <= different <= max(2, LARGEST_LABEL_SHARE * len(values))
    named = any(part in name.casefold() for part in LABEL_NAMES)
    words = sum(not each.strip().replace(".", "").isdigit() for each in values) / len(values)
    return few and short, named, words - different / len(values)
