"""Join the texts of a ticket, such as its subject and its body: one function for training, batches and services."""

from collections.abc import Sequence


def join_texts(texts: Sequence[str | None]) -> str:
    """Return texts as one, in their order, each on a line of its own; blank ones are left out."""
    return "\n".join(text for text in texts if text and not text.isspace())
