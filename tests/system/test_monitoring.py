"""Prometheus's rules and Grafana's dashboard parse, fire when they should, and ask for metrics that there are."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.repository import REPOSITORY
from support.services import TFIDF, TRANSFORMER, Service

PROMETHEUS = REPOSITORY / "deploy" / "prometheus"
GRAFANA = REPOSITORY / "deploy" / "grafana"
DASHBOARD = json.loads((GRAFANA / "dashboards" / "callcenterai.json").read_text(encoding="utf-8"))
RULES = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
TESTS = sorted(PROMETHEUS.glob("rules*_test.yml"))
# What Prometheus makes of its own accord.
OWN = {"up", "ALERTS"}
WORDS = {"and", "or", "unless", "by", "on", "offset"}
AGENT = [sys.executable, "-m", "services.agent.app"]


def queries() -> list[str]:
    """Return every query of the dashboard, with the variables of Grafana filled in."""
    targets = [target for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    return [target["expr"].replace("$__rate_interval", "1m") for target in targets]


def metrics_in(query: str) -> set[str]:
    """Return the metrics that a query names."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|\b(?:by|on) \([^)]*\)', " ", re.sub(r'"[^"]*"', "", query))
    names = re.findall(r"(?<![\w:.])([a-zA-Z_][\w:]*)\b(?!\s*\()", bare)
    return set(names) - WORDS


@pytest.fixture(scope="module")
def promtool() -> str:
    """Prometheus's tool, which is installed in CI where that can be."""
    if shutil.which("promtool") is None and os.environ.get("CI") and hasattr(os, "geteuid") and os.geteuid() == 0:
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "prometheus"], check=False)
    return shutil.which("promtool") or pytest.skip("no promtool here: it comes with Prometheus")


def check(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> set[str]:
    """The names in /metrics of the services, as they are before anybody has asked them anything."""
    folder = tmp_path_factory.mktemp("services")
    agent = {"DATABASE_URL": f"sqlite:///{(folder / 'agent.db').as_posix()}", "POLICY_FILE": folder / "none"}
    found = set()
    for program, variables in ((TFIDF, {}), (TRANSFORMER, {}), (AGENT, agent)):
        with Service(folder, program, MODEL_DIR=folder, **variables) as service:
            types = re.findall(r"^# TYPE (\S+) (\S+)$", service.get("/metrics").body.decode(), re.MULTILINE)
        for name, kind in types:
            endings = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
            found |= {name + ending for ending in endings}
    return found


def test_every_metric_that_is_asked_for_is_exported(exported):
    """Of the rules and of the dashboard: none has a name that no service and no rule gives."""
    asked = [rule["expr"] for rule in RULES] + queries()
    named = set().union(*map(metrics_in, asked))
    assert {"tickets_total", "model_source_up", "job:errors:ratio5m", "ticket_confidence_sum"} <= named
    assert named - exported - OWN - {rule["record"] for rule in RULES if "record" in rule} == set()


def test_the_configuration_is_valid(promtool):
    """prometheus.yml and the rules that it names, their templates too."""
    check(promtool, "check", "config", PROMETHEUS / "prometheus.yml")


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_alerts_fire_when_they_should_and_only_then(promtool, path):
    check(promtool, "test", "rules", path)


def test_every_alert_is_tried_both_ways():
    """For each there is a time at which it must fire and one at which it must not."""
    fires, silent = set(), set()
    for path in TESTS:
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for tried in test["promql_expr_test"]:
                names = set(re.search(r'alertname=~?"([^"]*)"', tried["expr"] + 'alertname=""')[1].split("|"))
                expected = " ".join(sample["labels"] for sample in tried.get("exp_samples", []))
                fires |= {name for name in names if f'alertname="{name}"' in expected}
                silent |= names if not expected else set()
    alerts = {rule["alert"] for rule in RULES if "alert" in rule}
    assert len(alerts) > 10 and alerts <= fires and alerts <= silent


def test_every_alert_says_how_bad_it_is_and_what_to_do():
    for rule in RULES:
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
            assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]


def test_every_query_of_the_dashboard_parses(promtool, tmp_path):
    """Each becomes a rule, since that is what promtool checks."""
    found = queries()
    assert len(found) > 20
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(found)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    check(promtool, "check", "rules", path)


def test_the_dashboard_asks_the_provisioned_source_and_its_panels_do_not_overlap():
    sources = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text(encoding="utf-8"))
    known = {source["uid"] for source in sources["datasources"]}
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        assert {target["datasource"]["uid"] for target in panel.get("targets", [])} <= known, panel["title"]
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken and max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
