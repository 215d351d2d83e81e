"""Read the parts that prepare_data.py has written."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from callcenterai.core.cli import UserError
from callcenterai.data.split import PARTS
from callcenterai.text.plain_text import model_text


@dataclass(frozen=True)
class Part:
    """One part of the split: texts, labels and near-duplicate groups, object and int arrays of shape (n,)."""

    path: Path
    texts: np.ndarray
    labels: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)


def read_parts(folder: Path, clean: str | None = None) -> dict[str, Part]:
    """Return the three parts by name."""
    return {name: read_part(folder, name, clean) for name in PARTS}


def read_part(folder: Path, name: str, clean: str | None = None) -> Part:
    """Return the part `name` ("train", "validation" or "test"), or raise a UserError that says how to make it.

    With clean, one of plain_text.CLEANINGS, its texts are in the form in which a model reads them; without it they are
    as they arrived, for models that clean texts themselves (artifact.folder.load_model).
    """
    path = folder / f"{name}.csv"
    csv.field_size_limit(2**31 - 1)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(row["text"], row["label"], int(row["group"])) for row in csv.DictReader(file)]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; make it with `dvc repro prepare`") from None
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise UserError(
            f"{path} is not as prepare wrote it ({error!r}); `dvc repro -f prepare` writes it anew"
        ) from None
    if not rows:
        raise UserError(f"{path} holds no ticket; `dvc repro -f prepare` writes it anew")
    texts, labels, groups = zip(*rows, strict=True)
    texts = texts if clean is None else tuple(model_text(text, clean) for text in texts)
    return Part(path, np.array(texts, dtype=object), np.array(labels, dtype=object), np.array(groups))
