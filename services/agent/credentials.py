"""Finds secrets that are written out: passwords, PINs, keys and tokens."""

import re
from collections.abc import Iterator

from services.agent.spans import Span, spans

# Up to four words between the label and its value: "the password of the training account is ...".
_LABELLED = re.compile(
    r"""(?<![^\W\d_])(?:passwords?|passwd|pwd|pass(?=[ ]?[:=])|passphrase|passcode|mots?\ de\ passe|mdp
        |api[ _-]?key|cl[ée][ ](?:d')?api
        |secret(?:[ _-]?key)?|access[ _-]?key|token|jeton)(?!\w)
    (?:[ ][\w'’-]{1,20}){0,4}?
    (?:[ \t\u00a0]{0,3}(?P<sign>[:=](?!:))[ \t\u00a0]{0,3}|[ ](?:is|est|was|était)[ ]{1,3}(?:[:=][ ]?)?)
    ["'«“(]?[ ]?(?P<value>[^\s"'«»“”()<>\[\],;`]{4,128}+)(?!\()""",
    re.IGNORECASE | re.VERBOSE,
)
_CODES = re.compile(
    r"""(?<!\w)(?:(?:code\ )?pin(?:\ code|\ number)?|otp|passcode
        |(?:activation|verification|confirmation|security|unlock|one[ -]time)\ code
        |code\ (?:d'activation|de\ (?:v[ée]rification|confirmation|s[ée]curit[ée]|d[ée]verrouillage)|secret))
    \s{0,2}(?:[:=]|is|est)?\s{0,2}(\d{4,8})(?![\w-]|[.,]\d)""",
    re.IGNORECASE | re.VERBOSE,
)
_KNOWN = (
    # JSON Web Tokens, and what AWS, GitHub, GitLab, Slack, Google, Stripe, npm and others issue.
    re.compile(r"(?<![\w-])eyJ[\w-]{8,4000}+\.eyJ[\w-]{8,8000}+\.[\w-]{8,4000}+"),
    re.compile(r"(?<!\w)(?:AKIA|ASIA)[A-Z0-9]{16}(?!\w)"),
    re.compile(r"(?<!\w)(?:gh[opsru]_[A-Za-z0-9]{36,255}+|github_pat_\w{22,255}+|glpat-[\w-]{20,255}+)"),
    re.compile(r"(?<!\w)(?:xox[abeoprs]-[\w-]{10,255}+|AIza[\w-]{35}|(?:[rs]k|pk)_(?:live|test)_\w{16,255}+)"),
    re.compile(r"(?<!\w)(?:sk-[\w-]{20,255}+|npm_[A-Za-z0-9]{36}|hf_[A-Za-z0-9]{30,60}+)"),
    # A recovery key of BitLocker.
    re.compile(r"(?<![\w-])\d{6}(?:-\d{6}){7}(?![\w-])"),
    re.compile(
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:[^-]|-(?!----)){0,8000}+(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?"
    ),
)
_GIVEN = (
    re.compile(r"(?<!\w)(?:Bearer|Basic) ([\w.~+/=-]{16,4000}+)"),
    re.compile(r"(?<!\S)(?:-u|--user)[ =][^\s:]{1,64}:(\S{1,128})"),
)
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")
# Apostrophes and hyphens are in words too.
_SYMBOL = re.compile(r"[^\w\s'’.-]|_")


def secrets(text: str) -> Iterator[Span]:
    """Find passwords, PINs and codes after the word that names them, and keys of known shapes."""
    for pattern in _KNOWN:
        yield from spans("secret", pattern, text)
    for pattern in (*_GIVEN, _CODES):
        yield from spans("secret", pattern, text, 1)
    for match in _LABELLED.finditer(text):
        value = match["value"].rstrip(".:")
        if _is_secret(value, match["sign"] is not None):
            yield Span("secret", match.start("value"), match.start("value") + len(value))


def _is_secret(value: str, after_sign: bool) -> bool:
    """Whether a word can be a password: "the password is expired" must not lose its meaning."""
    if len(value) < 4 or _DATE.fullmatch(value) or "://" in value:
        return False
    digit, letter = re.search(r"\d", value), re.search(r"[^\W\d_]", value)
    if after_sign:
        return digit is not None or _SYMBOL.search(value) is not None
    return digit is not None and letter is not None
