"""Read the parts that prepare_data.py has written."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from callcenterai.core.cli import UserError
from callcenterai.data.split import PARTS
from callcenterai.text.plain_text import model_text

# The columns of a part that `prepare.slice_columns` names begin with this.
SLICE_PREFIX = "slice."


@dataclass(frozen=True)
class Part:
    """One part of the split: texts, labels and near-duplicate groups, object and int arrays of shape (n,).

    columns has further columns of the file as prepare wrote them, object arrays of shape (n,), by name, among them all
    that begin with SLICE_PREFIX.
    """

    path: Path
    texts: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts)


def read_parts(folder: Path, clean: str | None = None, columns: Sequence[str] = ()) -> dict[str, Part]:
    """Return the three parts by name."""
    return {name: read_part(folder, name, clean, columns) for name in PARTS}


def read_part(folder: Path, name: str, clean: str | None = None, columns: Sequence[str] = ()) -> Part:
    """Return the part `name` ("train", "validation" or "test"), or raise a UserError that says how to make it.

    With clean, one of plain_text.CLEANINGS, its texts are in the form in which a model reads them; without it they are
    as they arrived, for models that clean texts themselves (artifact.folder.load_model). columns names further columns
    to read; "text" among them is the text as it arrived.
    """
    path = folder / f"{name}.csv"
    csv.field_size_limit(2**31 - 1)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            columns = [*columns, *(each for each in reader.fieldnames or () if each.startswith(SLICE_PREFIX))]
            rows = [
                (row["text"], row["label"], int(row["group"]), *(row[column] for column in columns)) for row in reader
            ]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; make it with `dvc repro prepare`") from None
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise UserError(
            f"{path} is not as prepare wrote it ({error!r}); `dvc repro -f prepare` writes it anew"
        ) from None
    if not rows:
        raise UserError(f"{path} holds no ticket; `dvc repro -f prepare` writes it anew")
    texts, labels, groups, *others = zip(*rows, strict=True)
    texts = texts if clean is None else tuple(model_text(text, clean) for text in texts)
    further = {column: np.array(values, dtype=object) for column, values in zip(columns, others, strict=True)}
    return Part(path, np.array(texts, dtype=object), np.array(labels, dtype=object), np.array(groups), further)
