"""The gate on coverage: the share of the test tickets that a version's own threshold routes without a person."""

from pathlib import Path

import numpy as np
import pytest

from callcenterai.core.params import RegistryParameters
from callcenterai.data.parts import Part
from callcenterai.registry.gates import BETTER, Reference, check_regression, measure

PARAMS = RegistryParameters(
    metric="accuracy",
    minimum_accuracy=0.5,
    minimum_macro_f1=0.5,
    tolerance=0.005,
    class_tolerance=0.05,
    min_class_tickets=1,
    coverage_tolerance=0.02,
)
METADATA = {"labels": ["a", "b"], "target_accuracy": 0.95, "threshold": 0.6, "parameters": {"threshold": "overall"}}
PART = Part(Path("none"), np.array([str(n) for n in range(100)]), np.array(["a", "b"] * 50), np.arange(100))


class Model:
    """A model that is always right, with confidences from 50% to 99.5%, those of b half as far from 50%."""

    classes_ = np.array(["a", "b"])

    def predict_proba(self, texts):
        confidence = 0.5 + np.array([int(text) for text in texts]) / 200
        of_b = 0.5 + (confidence - 0.5) / 2
        is_a = np.array([int(text) % 2 == 0 for text in texts])
        of_a = np.where(is_a, np.maximum(confidence, 0.5001), 1 - of_b)
        return np.stack([of_a, 1 - of_a], axis=1)


def verdict(**changes):
    """Return the verdict on coverage of a version whose metadata differs from that of the one in Production."""
    reference = Reference("Production", measure(Model(), METADATA, PART), BETTER)
    return check_regression(measure(Model(), METADATA | changes, PART), reference, PARAMS)[-1]


@pytest.mark.parametrize(
    ("threshold", "passed", "message"),
    [
        (0.6, True, "0.7000, Production has 0.7000 on the same tickets"),
        (0.605, True, "0.6800, Production has 0.7000 on the same tickets"),
        (0.5, True, "1.0000, Production has 0.7000 on the same tickets"),
        (0.7, False, "0.4000, Production has 0.7000 on the same tickets: 0.3000 worse, 0.0200 is allowed; "),
        (None, False, "0.0000, Production has 0.7000 on the same tickets: 0.7000 worse, 0.0200 is allowed; "),
    ],
)
def test_a_version_that_routes_fewer_tickets_is_refused(threshold, passed, message):
    found = verdict(threshold=threshold)
    assert (found.gate, found.passed) == ("coverage against Production", passed)
    assert found.message.startswith(message)


def test_thresholds_by_class_count_for_the_tickets_of_their_class():
    assert verdict(threshold=None, class_thresholds={"a": 0.6, "b": 0.6}).passed
    found = verdict(threshold=None, class_thresholds={"a": 0.6, "b": None})
    assert found.message.startswith("0.4000, Production has 0.7000")


@pytest.mark.parametrize(
    "changes",
    [
        {"target_accuracy": 0.99},
        {"parameters": {"threshold": "overall", "cost_of_error": 5.0}},
        {"parameters": {"threshold": "overall", "threshold_confidence": 0.5}},
    ],
)
def test_coverages_at_different_promises_are_not_compared(changes):
    found = verdict(threshold=None, **changes)
    assert found.passed and found.message.startswith("not compared")
