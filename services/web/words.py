"""The interface in several languages: one catalogue each, and how numbers are written."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("languages")
DEFAULT = "en"


class Words:
    """One language; called with a key, it gives the text."""

    def __init__(self, code: str, texts: dict[str, str]) -> None:
        """Texts are by dotted key, with {places} for values."""
        self.code, self._texts = code, texts

    def __call__(self, key: str, n: int | None = None, **values: Any) -> str:
        """Return the text of a key; with n, its form `one` or `other` by the language's rule for n things."""
        if n is not None:
            # In French nothing, too, is singular.
            singular = n == 1 or (n == 0 and self.code == "fr")
            key, values = f"{key}.{'one' if singular else 'other'}", values | {"n": self.number(n)}
        return self._texts[key].format(**values)

    def known(self, key: str, otherwise: str) -> str:
        """Return the text of a key made from data, and something else for what the catalogue does not name."""
        return self._texts.get(key, otherwise)

    @property
    def keys(self) -> set[str]:
        """All keys of the catalogue."""
        return set(self._texts)

    def number(self, value: int) -> str:
        """Return a whole number with its thousands apart."""
        return f"{value:,}".replace(",", "\u202f") if self.code == "fr" else f"{value:,}"

    def percent(self, share: float, digits: int = 0) -> str:
        """Return a share from 0 to 1 as a percentage; what is no certainty is never shown as 100%."""
        text = f"{100 * share:.{digits}f}"
        if share < 1 and text.startswith("100"):
            text = "99.9"
        return text.replace(".", ",") + "\u202f%" if self.code == "fr" else text + "%"


def read_catalogues() -> dict[str, Words]:
    """Return every language that has a catalogue, by its code; the default first."""
    paths = sorted(FOLDER.glob("*.toml"), key=lambda path: (path.stem != DEFAULT, path.stem))
    return {path.stem: Words(path.stem, dict(_flatten(tomllib.loads(path.read_text("utf-8"))))) for path in paths}


def choose(languages: dict[str, Words], accepted: str) -> str:
    """Return the language that an Accept-Language header likes best (RFC 9110, 12.5.4), or the default."""
    best, most = DEFAULT, 0.0
    for each in accepted.split(","):
        name, _, parameters = each.partition(";")
        code = name.strip().lower().partition("-")[0]
        try:
            quality = float(parameters.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if code in languages and quality > most:
            best, most = code, quality
    return best


def _flatten(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
