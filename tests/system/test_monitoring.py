"""Prometheus's alerts fire when they should, and rules and dashboard query only metrics that exist."""

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
from support.servers.services import TFIDF, TRANSFORMER, Service
from support.servers.web import WEB

PROMETHEUS = REPOSITORY / "deploy" / "prometheus"
GRAFANA = REPOSITORY / "deploy" / "grafana"
DASHBOARD = json.loads((GRAFANA / "dashboards" / "callcenterai.json").read_text(encoding="utf-8"))
RULES = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
TESTS = sorted(PROMETHEUS.glob("rules*_test.yml"))
# Metrics that Prometheus itself provides.
BUILT_IN = {"up", "ALERTS"}
WORDS = {"and", "or", "unless", "by", "on", "offset"}
AGENT = [sys.executable, "-m", "services.agent.app"]


def queries() -> list[str]:
    """Return every query of the dashboard, with Grafana's variables filled in."""
    targets = [target for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    return [target["expr"].replace("$__rate_interval", "1m") for target in targets]


def metrics_in(query: str) -> set[str]:
    """Return the metrics that a query names."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|\b(?:by|on) \([^)]*\)', " ", re.sub(r'"[^"]*"', "", query))
    names = re.findall(r"(?<![\w:.])([a-zA-Z_][\w:]*)\b(?!\s*\()", bare)
    return set(names) - WORDS


@pytest.fixture(scope="module")
def promtool() -> str:
    """Prometheus's promtool, which is installed in CI if possible."""
    if shutil.which("promtool") is None and os.environ.get("CI") and hasattr(os, "geteuid") and os.geteuid() == 0:
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "prometheus"], check=False)
    return shutil.which("promtool") or pytest.skip("no promtool here: it comes with Prometheus")


def check(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> set[str]:
    """The names of all metrics that the services export, right after they have started."""
    folder = tmp_path_factory.mktemp("services")
    agent = {"DATABASE_URL": f"sqlite:///{(folder / 'agent.db').as_posix()}", "POLICY_FILE": folder / "none"}
    found = set()
    for program, variables in ((TFIDF, {}), (TRANSFORMER, {}), (AGENT, agent), (WEB, {})):
        with Service(folder, program, MODEL_DIR=folder, **variables) as service:
            types = re.findall(r"^# TYPE (\S+) (\S+)$", service.get("/metrics").body.decode(), re.MULTILINE)
        for name, kind in types:
            endings = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
            found |= {name + ending for ending in endings}
    return found


def test_every_queried_metric_is_exported(exported):
    """A misspelt metric in a rule or in the dashboard would stay empty without an error."""
    asked = [rule["expr"] for rule in RULES] + queries()
    named = set().union(*map(metrics_in, asked))
    assert {"tickets_total", "model_source_up", "job:errors:ratio5m", "ticket_confidence_sum"} <= named
    assert named - exported - BUILT_IN - {rule["record"] for rule in RULES if "record" in rule} == set()


def test_prometheus_configuration_is_valid(promtool):
    """This covers prometheus.yml, the rules that it names, and their templates."""
    check(promtool, "check", "config", PROMETHEUS / "prometheus.yml")


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_alert_unit_tests_pass(promtool, path):
    check(promtool, "test", "rules", path)


def test_every_alert_has_a_firing_and_a_silent_case():
    """The unit tests have a time at which the alert must fire and one at which it must not."""
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


def test_every_alert_has_a_severity_and_a_description():
    for rule in RULES:
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
            assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]


def test_every_dashboard_query_parses(promtool, tmp_path):
    """Each query becomes a rule, because promtool checks rules only."""
    found = queries()
    assert len(found) > 20
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(found)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    check(promtool, "check", "rules", path)


def test_dashboard_uses_the_provisioned_source_and_panels_do_not_overlap():
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
