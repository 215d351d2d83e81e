"""Whether tickets have drifted: how large a difference is, and whether it can be chance."""

import json

import numpy as np
import pytest
import yaml
from scipy.stats import chi2_contingency

from callcenterai.agent_data.live_figures.homogeneity import (
    MEDIUM,
    SIGNIFICANCE,
    Share,
    correct_for_number,
    effect_size,
    homogeneity_p_value,
)
from support.repository import REPOSITORY


def test_the_effect_size_is_cohens_w():
    """Three quarters against a half: w is the root of 0.25**2 / 0.5 + 0.25**2 / 0.5."""
    shares = [Share("a", 50_000, 75), Share("b", 50_000, 25)]
    assert effect_size(shares) == pytest.approx(0.5, abs=1e-4)
    assert effect_size([Share("a", 50, 500), Share("b", 50, 500)]) == 0


def test_p_values_are_corrected_by_holm():
    assert correct_for_number([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_the_p_value_is_that_of_scipy():
    """With two values and more, with few tickets and many, from no difference to one beyond any doubt."""
    random = np.random.default_rng(7)
    for values in (2, 3, 4, 11, 12, 40):
        for size in (1, 10, 1000):
            for different in (0, 1, 5):
                expected, seen = random.poisson([[size * 5] * values, [size + size * different] * values])
                seen[0] = size + 1
                counts = np.array([expected, seen])
                counts = counts[:, counts.any(axis=0)]
                shares = [Share(str(place), int(a), int(b)) for place, (a, b) in enumerate(zip(*counts, strict=True))]
                # The smallest float is about 5e-324.
                assert homogeneity_p_value(shares) == pytest.approx(
                    chi2_contingency(counts).pvalue, rel=1e-9, abs=1e-300
                )
    assert homogeneity_p_value([Share("only", 5, 5)]) == 1


def test_alert_and_dashboard_have_the_limits_of_the_report():
    rules = yaml.safe_load((REPOSITORY / "deploy" / "prometheus" / "rules.yml").read_text(encoding="utf-8"))
    (alert,) = (rule for group in rules["groups"] for rule in group["rules"] if rule.get("alert") == "TicketsDrift")
    assert f"drift_effect_size) >= {MEDIUM} " in alert["expr"]
    assert alert["expr"].endswith(f"drift_p_value) < {SIGNIFICANCE}")
    dashboard = json.loads((REPOSITORY / "deploy/grafana/dashboards/callcenterai.json").read_text(encoding="utf-8"))
    (panel,) = (panel for panel in dashboard["panels"] if "drift_effect_size" in str(panel.get("targets")))
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"] == MEDIUM
