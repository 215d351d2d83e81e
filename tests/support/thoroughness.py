"""How long the tests look: every push runs the short form, `python setup_mlops.py test --all` the long one."""

import os

VARIABLE = "CALLCENTERAI_TESTS"


def rounds(few: int, many: int) -> int:
    """Return how often a test repeats what it tries: few times on a push, many in the long form."""
    return many if os.environ.get(VARIABLE) == "all" else few
