"""The live accuracy is estimated without bias though uncertain tickets are preferred, and its interval holds."""

from random import Random

import numpy as np
import pytest

from callcenterai.agent_data.live_figures.accuracy import AuditSums, estimate_accuracy, needed_answers, score_interval
from services.agent.audit.sampling import LEAST_DEVIATION, AuditSampler

TICKETS, REPEATS = 1500, 1500


def test_the_interval_is_the_published_one():
    """The examples of Newcombe (1998), table I, method 4."""
    published = {
        (81, 263): (0.2535, 0.3682),
        (15, 148): (0.0598, 0.1644),
        (0, 20): (0, 0.2005),
        (1, 29): (0.0018, 0.1963),
    }
    for (right, number), expected in published.items():
        assert score_interval(right / number, number) == pytest.approx(expected, abs=5e-5)


def test_as_few_answers_are_needed_as_can_show_the_target():
    for target in (0.8, 0.95, 0.99):
        needed = needed_answers(target)
        assert score_interval(1.0, needed)[0] >= target > score_interval(1.0, needed - 1)[0]


def test_without_an_answer_nothing_is_known():
    assert (None, 0.0, 1.0, 0.0) == estimate_accuracy(AuditSums())


def test_equal_weights_count_as_they_are():
    found = estimate_accuracy(AuditSums(100, 5000.0, 250_000.0, 4500.0, 225_000.0))
    assert (found.accuracy, found.effective_answers) == pytest.approx((0.9, 99), rel=1e-3)


def confidences(random: np.random.Generator) -> np.ndarray:
    """Confidences as above a threshold: most tickets are sure, some are near it."""
    return 0.72 + 0.28 * random.beta(4, 0.8, TICKETS)


def probabilities_right(kind: str, confidence: np.ndarray, accuracy: float) -> np.ndarray:
    """Return how probably each answer is right: by its confidence, as any other, or worse where the model is sure."""
    errors = {"calibrated": 1 - confidence, "even": np.ones(TICKETS), "overconfident": 0.2 + (confidence > 0.97)}[kind]
    return 1 - errors * (1 - accuracy) / errors.mean()


def inclusion_probabilities(confidence: np.ndarray, share: float) -> np.ndarray:
    """Return the probabilities that the sampler reaches once it knows the mean."""
    deviation = np.maximum(LEAST_DEVIATION, np.sqrt(confidence * (1 - confidence)))
    return share * deviation / deviation.mean()


@pytest.mark.parametrize("kind", ["calibrated", "even", "overconfident"])
@pytest.mark.parametrize(("accuracy", "answers"), [(0.98, 40), (0.95, 70), (0.95, 300), (0.85, 70)])
def test_the_estimate_is_unbiased_and_its_interval_holds_the_accuracy(kind, accuracy, answers):
    """Each end of a 95% interval may miss 2.5%; allowed is what 1,500 repetitions of that can show, four deviations."""
    random = np.random.default_rng(19)
    confidence = confidences(random)
    right = probabilities_right(kind, confidence, accuracy)
    probability = inclusion_probabilities(confidence, answers / TICKETS)
    weights = np.where(random.random((REPEATS, TICKETS)) < probability, 1 / probability, 0.0)
    hits = weights * (random.random((REPEATS, TICKETS)) < right)
    sums = zip((weights > 0).sum(1), weights.sum(1), (weights**2).sum(1), hits.sum(1), (hits**2).sum(1), strict=True)
    found = [estimate_accuracy(AuditSums(*each)) for each in sums]
    errors = np.array([each.accuracy for each in found]) - accuracy
    assert abs(errors.mean()) < 4 * errors.std() / REPEATS**0.5
    most = 0.025 + 4 * (0.025 * 0.975 / REPEATS) ** 0.5
    assert np.mean([each.high < accuracy for each in found]) < most
    assert np.mean([each.low > accuracy for each in found]) < most


def test_counting_every_answer_once_would_be_biased():
    """The check of the bias can fail: without weights, the preferred uncertain tickets pull the accuracy down."""
    confidence = confidences(np.random.default_rng(19))
    right = probabilities_right("calibrated", confidence, 0.95)
    assert np.average(right, weights=inclusion_probabilities(confidence, 0.01)) < right.mean() - 0.015


@pytest.mark.parametrize("share", [0.01, 0.2])
def test_the_sampler_draws_the_share_and_prefers_uncertain_tickets(share):
    sampler, random = AuditSampler(share, Random(19)), np.random.default_rng(19)  # type: ignore[arg-type]
    confidence = np.tile(confidences(random), 40)
    drawn = [sampler.draw(each) for each in confidence]
    sampled = np.array([each is not None for each in drawn])
    assert sampled.mean() == pytest.approx(share, rel=5 / (share * len(drawn)) ** 0.5)
    assert sampled[confidence < 0.85].mean() > 2 * sampled[confidence > 0.98].mean()
    assert sum(1 / each for each in drawn if each) == pytest.approx(len(drawn), rel=0.15)


def test_a_share_of_one_audits_every_ticket_and_none_audits_no_ticket():
    confidence = confidences(np.random.default_rng(19))[:500]
    every, none = AuditSampler(1), AuditSampler(0)
    assert {every.draw(each) for each in confidence} == {1.0}
    assert {none.draw(each) for each in confidence} == {None}
