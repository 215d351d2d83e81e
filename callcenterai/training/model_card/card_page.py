"""Put facts, charts and examples together into one page, which needs no other file and no network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from callcenterai.core.html_page import render_page
from callcenterai.data.parts import Part
from callcenterai.training.evaluation import EvaluatedModel
from callcenterai.training.label_errors import SuspiciousLabel
from callcenterai.training.model_card import card_facts, card_limits
from callcenterai.training.model_card.charts import confusion_chart, coverage_chart, reliability_chart
from callcenterai.training.model_card.examples import confident_errors, shown_suspicious
from callcenterai.training.thresholds import target_of

TEMPLATE = Path(__file__).with_name("model_card.html")
# Of more classes, the page shows the sizes and the words of the largest ones only.
MOST_WITH_SIZE, MOST_WITH_WORDS = 12, 200
# Returns the words that speak most for each of these labels, with their weights.
WordFinder = Callable[[list[str]], dict[str, Any]]


class CardSources(NamedTuple):
    """What the page shows beside the evaluation: the test tickets, metrics/prepare.json, label errors, and words.

    The part has the columns source and row.
    """

    part: Part
    prepared: dict[str, Any]
    suspicious: list[SuspiciousLabel]
    find_words: WordFinder


def model_card(model: EvaluatedModel, sources: CardSources) -> bytes:
    """Return the page as HTML. Equal facts give equal bytes: it names neither time nor commit."""
    metrics, metadata, prepared = model.metrics, model.metadata, sources.prepared
    classes = card_facts.list_classes(metrics, prepared)
    confusion, shown_classes = confusion_chart(model.test)
    by_size = card_facts.order_by_size(classes)
    return render_page(
        TEMPLATE,
        metadata=metadata,
        metrics=metrics,
        test=metrics["test"],
        prepared=prepared,
        warnings=[*prepared["warnings"], *metrics.get("warnings", [])],
        uses=card_limits.intended_use(metadata, metrics["test"]),
        limits=card_limits.list_limits(metadata, metrics, prepared),
        figures=card_facts.list_figures(metrics),
        classes=classes,
        largest=by_size[:MOST_WITH_SIZE],
        rejections=card_facts.list_rejections(prepared),
        confusion=confusion,
        shown_classes=shown_classes,
        reliability=reliability_chart(model.test),
        coverage=coverage_chart(model.test, model.threshold, target_of(metadata)),
        words=sources.find_words([label for label, _ in by_size[:MOST_WITH_WORDS]]),
        errors=confident_errors(model.test, sources.part),
        suspicious=shown_suspicious(sources.suspicious),
        parameters=card_facts.list_parameters(metadata),
        code_sha256=card_facts.code_sha256(),
    )
