"""How much the tests try: a push runs a short form, `python setup_mlops.py test --all` and nightly.yml the long one."""

import os

from hypothesis import settings

VARIABLE = "CALLCENTERAI_TESTS"


def rounds(few: int, many: int) -> int:
    """Return how often a test repeats what it tries: few times on a push, many in the long form."""
    return many if is_long_form() else few


def is_long_form() -> bool:
    return os.environ.get(VARIABLE) == "all"


def load_hypothesis_profile() -> None:
    """Set how many examples hypothesis tries where a test's own settings do not say."""
    settings.register_profile("callcenterai", max_examples=rounds(50, 500), deadline=None)
    settings.load_profile("callcenterai")
