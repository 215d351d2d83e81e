"""The ways to remove personal data that a user can choose: the rules alone, or with Microsoft Presidio after them."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from callcenterai.core.cli import UserError
from callcenterai.privacy.scrub import PLACEHOLDER, Scrubbed, scrub

REMOVERS = ("rules", "presidio")
# spaCy refuses texts above a million characters, and its memory grows with the text.
_LONGEST = 100_000


def make_remover(name: str = "rules", model: str = "en_core_web_sm", language: str = "en") -> Callable[[str], Scrubbed]:
    """Return the function that removes personal data from a text. It can be pickled for other processes.

    "presidio" also removes the names of people that a spaCy model finds: the name of an installed one, or its folder. A
    UserError when the name is unknown, or Presidio or the model is not installed.
    """
    if name == "rules":
        return scrub
    if name == "presidio":
        return PresidioRemover(model, language)
    raise UserError(f"there is no remover {name!r}; choose one of {', '.join(REMOVERS)}")


class PresidioRemover:
    """Removes what the rules find, then the names of people that a spaCy model finds in the rest."""

    def __init__(self, model: str, language: str) -> None:
        """Load the model; a UserError when something is not installed."""
        self._model, self._language = model, language
        self._analyzer = _load_analyzer(model, language)

    def __reduce__(self) -> tuple[type["PresidioRemover"], tuple[str, str]]:
        """Let another process load the model itself."""
        return PresidioRemover, (self._model, self._language)

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
                found = self._analyzer.analyze(part[first : first + _LONGEST], self._language, entities=["PERSON"])
                end = 0
                for name in sorted(found, key=lambda each: each.start):
                    if name.start >= end:
                        yield at + first + name.start, at + first + name.end
                        end = name.end
            at += len(part)


def _load_analyzer(model: str, language: str) -> Any:
    """Return Presidio's analyzer for one model, which must be installed: Presidio would download it."""
    try:
        import spacy
        from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
        from presidio_analyzer.nlp_engine import NlpEngineProvider
        from presidio_analyzer.predefined_recognizers import SpacyRecognizer
    except ImportError as error:
        raise UserError(
            f"the remover presidio needs {error.name}, which is not installed: pip install presidio-analyzer"
        ) from None
    if not (spacy.util.is_package(model) or Path(model).is_dir()):
        raise UserError(f"there is no spaCy model {model}: python -m spacy download {model}, or name a model's folder")
    engine = {"nlp_engine_name": "spacy", "models": [{"lang_code": language, "model_name": model}]}
    recognizer = SpacyRecognizer(supported_language=language, supported_entities=["PERSON"])
    return AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=[recognizer], supported_languages=[language]),
        nlp_engine=NlpEngineProvider(nlp_configuration=engine).create_engine(),
        supported_languages=[language],
    )
