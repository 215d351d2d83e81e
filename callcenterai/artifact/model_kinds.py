"""The kinds of model that are trained here: what each is called, and the command that makes it."""

from typing import NamedTuple


class Kind(NamedTuple):
    """One kind: its registered model, the experiment with its runs, and how it is trained."""

    registered: str
    experiment: str
    command: str


KINDS = {
    "tfidf": Kind("callcenterai-tfidf-classifier", "callcenterai-tfidf-classification", "dvc repro"),
    "transformer": Kind(
        "callcenterai-transformer-classifier", "callcenterai-transformer-classification", "dvc --cd transformer repro"
    ),
}


def kind_named(registered: str) -> str:
    """Return the kind whose registered model has this name; a KeyError when none has."""
    return {kind.registered: name for name, kind in KINDS.items()}[registered]
