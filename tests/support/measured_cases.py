"""On a push, coverage is measured on the first case of each parametrised test; in the long form, on all cases.

While coverage traces, Python's own code takes more than twice as long: 36 s of CPU time instead of 15 for the 119 tests
of tests/data/test_labels.py (2026-11-29, coverage 7.17 on Python 3.11). The cases of a test run nearly the same lines
with other data: of 231 tests, measuring the first cases alone took 37 s instead of 60, and left out 3 % of the lines
that all of them run.
"""

import pytest

from support.thoroughness import is_long_form


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give all cases but the first pytest-cov's marker for a test during which coverage pauses."""
    if is_long_form():
        return
    seen = set()
    for item in items:
        test = item.nodeid.partition("[")[0]
        if test in seen:
            item.add_marker(pytest.mark.no_cover)
        seen.add(test)
