"""Removes personal data by the rules alone, or also the names of people that Microsoft Presidio finds after them."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from callcenterai.privacy.scrub import PLACEHOLDER, Scrubbed, scrub

# spaCy refuses texts above a million characters, and its memory grows with the text.
_LONGEST = 100_000
# The key under which Presidio keeps the model. It says nothing about the model's language.
_LANGUAGE = "en"


@cache
def make_remover(spacy_model: str | None = None) -> Callable[[str], Scrubbed]:
    """Return the function that removes personal data from a text, made once in a process.

    spacy_model is the name of an installed spaCy model for any language, or its folder; without one, the rules alone
    remove. Raises a ValueError when Presidio or the model is not installed.
    """
    return PresidioRemover(spacy_model) if spacy_model else scrub


class PresidioRemover:
    """Removes what the rules find, then the names of people that a spaCy model finds in the rest."""

    def __init__(self, spacy_model: str) -> None:
        """A ValueError when something is not installed. The model is loaded for the first text, which takes seconds."""
        _require(spacy_model)
        self._spacy_model = spacy_model

    @cached_property
    def _analyzer(self) -> Any:
        return _load_analyzer(self._spacy_model)

    def __call__(self, text: str) -> Scrubbed:
        """Replace personal data by placeholders; see scrub."""
        scrubbed = scrub(text)
        counts = Counter(scrubbed.counts)
        pieces, end = [], 0
        for start, last in self._names(scrubbed.text):
            pieces += [scrubbed.text[end:start], "[PERSON]"]
            counts["person"] += 1
            end = last
        return Scrubbed("".join((*pieces, scrubbed.text[end:])), dict(sorted(counts.items())))

    def _names(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the places of names in order; placeholders are not searched."""
        at = 0
        for number, part in enumerate(PLACEHOLDER.split(text)):
            for first in range(0, 0 if number % 2 else len(part), _LONGEST):
                found = self._analyzer.analyze(part[first : first + _LONGEST], _LANGUAGE, entities=["PERSON"])
                end = 0
                for name in sorted(found, key=lambda each: each.start):
                    if name.start >= end:
                        yield at + first + name.start, at + first + name.end
                        end = name.end
            at += len(part)


def _require(spacy_model: str) -> None:
    """Raise a ValueError unless Presidio and the model, a folder or a package, are there: it would download one."""
    for name in ("spacy", "presidio_analyzer"):
        if find_spec(name) is None:
            raise ValueError(f"a spaCy model needs {name}, which is not installed: pip install presidio-analyzer")
    if not (Path(spacy_model).is_dir() or (spacy_model.isidentifier() and find_spec(spacy_model))):
        command = f"python -m spacy download {spacy_model}"
        raise ValueError(f"there is no spaCy model {spacy_model}: `{command}`, or name a model's folder")


def _load_analyzer(spacy_model: str) -> Any:
    """Return Presidio's analyzer for one model."""
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NlpEngineProvider
    from presidio_analyzer.predefined_recognizers import SpacyRecognizer

    engine = {"nlp_engine_name": "spacy", "models": [{"lang_code": _LANGUAGE, "model_name": spacy_model}]}
    recognizer = SpacyRecognizer(supported_language=_LANGUAGE, supported_entities=["PERSON"])
    return AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=[recognizer], supported_languages=[_LANGUAGE]),
        nlp_engine=NlpEngineProvider(nlp_configuration=engine).create_engine(),
        supported_languages=[_LANGUAGE],
    )
