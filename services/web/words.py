"""The interface in several languages: the texts of their catalogues, and their number formats."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CATALOGUES = Path(__file__).with_name("languages")
DEFAULT_LANGUAGE = "en"


class Words:
    """The texts of one language; call it with a key."""

    def __init__(self, code: str, texts: dict[str, str]) -> None:
        """Texts are by dotted key, with {places} for values."""
        self.code, self._texts = code, texts

    def __call__(self, key: str, n: int | None = None, **values: Any) -> str:
        """Return the text of a key; with n, its form `one` or `other` by the language's plural rule.

        A key may also have a form `zero`, for n == 0.
        """
        if n is not None:
            # In French, zero is singular as well.
            singular = n == 1 or (n == 0 and self.code == "fr")
            form = "zero" if n == 0 and f"{key}.zero" in self._texts else "one" if singular else "other"
            key, values = f"{key}.{form}", values | {"n": self.number(n)}
        return self._texts[key].format(**values)

    def known(self, key: str, otherwise: str) -> str:
        """Return the text of a key that was made from data, or the given text when the catalogue lacks the key."""
        return self._texts.get(key, otherwise)

    @property
    def keys(self) -> set[str]:
        """All keys of the catalogue."""
        return set(self._texts)

    def number(self, value: int) -> str:
        """Return a whole number with separated thousands."""
        return f"{value:,}".replace(",", "\u202f") if self.code == "fr" else f"{value:,}"

    def percent(self, share: float, digits: int = 0) -> str:
        """Return a share from 0 to 1 as a percentage; anything below 1 is never rounded to 100%."""
        text = f"{100 * share:.{digits}f}"
        if share < 1 and text.startswith("100"):
            text = "99.9"
        return text.replace(".", ",") + "\u202f%" if self.code == "fr" else text + "%"


def read_catalogues() -> dict[str, Words]:
    """Return the languages that have a catalogue, by code, the default first."""
    paths = sorted(CATALOGUES.glob("*.toml"), key=lambda path: (path.stem != DEFAULT_LANGUAGE, path.stem))
    return {path.stem: Words(path.stem, dict(_flatten(tomllib.loads(path.read_text("utf-8"))))) for path in paths}


def choose_language(languages: dict[str, Words], accepted: str) -> str:
    """Return the language that an Accept-Language header prefers (RFC 9110, 12.5.4), or the default."""
    best, most = DEFAULT_LANGUAGE, 0.0
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
