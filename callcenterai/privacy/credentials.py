"""Finds passwords, PINs, keys and tokens."""

import re
from collections.abc import Callable, Iterator

from callcenterai.privacy.spans import Span, has_any, spans

_SHORTEST = 4
_LABEL = r"""(?:passwords?|passwd|pwd|pw|passphrase|passcode|mots?\ de\ passe|mdp|passwort|kennwort|contrase(?:ñ|n)a
    |clave|senha|wachtwoord|parola|has[łl]o|l[öo]senord|adgangskode|пароль)"""
_VALUE = r"""["'«“(]?[ ]?(?P<value>[^\s"'«»“”()<>\[\],;`]{4,128}+)(?!\()"""
# Up to four words between the label and its value: "the password of the training account is ...".
_LABELLED = re.compile(
    rf"""(?<![^\W\d_])(?<!/)(?:{_LABEL}|pass(?=[ ]?[:=])|api[ _-]?key|cl[ée][ ](?:d')?api|secret(?:[ _-]?key)?
        |(?:access|private|encryption)[ _-]?key|token|jeton|(?:cl[ée]|code)\ (?:wi-?fi|wpa2?)|wi-?fi\ (?:key
    |code))(?!\w)
    (?:[ ][\w'’-]{{1,20}}){{0,4}}?
    (?:[ \t\u00a0]{{0,3}}(?P<sign>[:=](?!:)>?|->|\|)[ \t\u00a0]{{0,3}}
        |[ ](?:is|est|was|était|will\ be|sera|ist|lautet|war|es|era|è|é)[ ]{{1,3}})
    {_VALUE}""",
    re.IGNORECASE | re.VERBOSE,
)
_FOLLOWING = (
    re.compile(
        rf"""(?<![^\W\d_])(?<!/){_LABEL}(?:[ ](?:to|en|provisoire|temporaire|temporary|initial))?
        (?:[ ]{{1,2}}|\t{{1,2}}|[ ][-–][ ]|["']?[,;](?=\S)){_VALUE}""",
        re.IGNORECASE | re.VERBOSE,
    ),
    re.compile(
        rf"""(?<!\S)["'«“]?[ ]?(?P<value>[^\s"'«»“”()]{{4,128}}+)["'»”]?[ ](?:comme|as)
        (?:[ ](?:my|the|a|new|mon|le))?[ ]{_LABEL}(?!\w)""",
        re.IGNORECASE | re.VERBOSE,
    ),
)
# A value in quotation marks can have several words.
_QUOTED = re.compile(
    rf"""(?<![^\W\d_])(?<!/){_LABEL}[ ]?[:=][ ]{{0,3}}
    (?P<quote>["'])(?P<value>(?=[^"'\n]{{0,128}}[ \d])[^"'\n]{{4,128}}+)(?P=quote)""",
    re.IGNORECASE | re.VERBOSE,
)
# The value is alone on the line after its label, as in a filled form.
_NEXT_LINE = re.compile(
    rf"""(?<![^\W\d_])(?:{_LABEL}|pin|(?:api|access|secret)[ _-]?key
    |token)[ ]?:?[ \t]{{0,3}}\r?\n(?:[ \t>]{{0,4}}\r?\n)?
    [ \t>]{{0,4}}["'«“]?(?P<value>[^\s"'«»“”<>]{{4,128}}+)["'»”]?[ \t]{{0,3}}(?:\r?\n|\Z)""",
    re.IGNORECASE | re.VERBOSE,
)
# A user name and a password: "user/pass: jdoe/...".
_PAIR = re.compile(
    rf"""(?<![^\W\d_])(?:(?:user|login|id|identifiant)s?\ ?/\ ?(?:pass|{_LABEL})|identifiants|credentials
        |login(?=[ ]?[:=]))
    [ ]?[:=]?[ ]?[^\s/:]{{1,64}}[ ]?[/:][ ]?(?P<value>[^\s/]{{4,128}})""",
    re.IGNORECASE | re.VERBOSE,
)
_CODES = re.compile(
    r"""(?<!\w)(?:(?:code[ -])?pin(?:[ -]?(?:code|number|nummer))?|otp|passcode
        |(?:activation|verification|confirmation|security|unlock|one[ -]time)\ code
        |code\ (?:d'activation|de\ (?:v[ée]rification|confirmation|s[ée]curit[ée]|d[ée]verrouillage)|secret))
    \s{0,2}(?:[:=]|is|est)?\s{0,2}(\d{4,8})(?![\w-]|[.,]\d)""",
    re.IGNORECASE | re.VERBOSE,
)
_DOOR = re.compile(
    r"""(?<!\w)(?:code\ d['’]acc[èe]s|digicode|(?:access|door|gate)\ code)(?:[ ][^\W\d]{1,20}){0,2}?
    [ ]?(?:[:=]|is|est)?[ ]?
    (\d{3,8}[A-Z]?)(?![\w-]|[.,]\d)""",
    re.IGNORECASE | re.VERBOSE,
)
# The three or four digits of a payment card.
_CARD_CODE = re.compile(
    r"""(?<!\w)(?:cvv2?|cvc2?|csc|cvn|cryptogramme(?:\ visuel)?|(?:card\ )?security\ code
        |card\ verification\ (?:code|value|number)|pr[üu]fziffer|c[óo]digo\ de\ seguridad)
    [^\w\n]{0,4}(?:(?:is|est|ist|es|code|n[°º]|no)[^\w\n]{1,3})?
    (\d{3,4})(?![\w-]|[.,]\d)""",
    re.IGNORECASE | re.VERBOSE,
)
# JSON Web Tokens, the tokens of AWS, GitHub, Stripe, npm, GitLab, Slack, Google and others, BitLocker recovery keys and
# private keys. A text without the string, in lower case, is not searched.
_KNOWN = (
    ("eyj", re.compile(r"(?<![\w-])eyJ[\w-]{8,4000}+\.eyJ[\w-]{8,8000}+\.[\w-]{8,4000}+")),
    ("ia", re.compile(r"(?<!\w)(?:AKIA|ASIA)[A-Z0-9]{16}(?!\w)")),
    ("_", re.compile(r"(?<!\w)(?:gh[opsru]_[A-Za-z0-9]{36,255}+|github_pat_\w{22,255}+)")),
    ("_", re.compile(r"(?<!\w)(?:(?:[rs]k|pk)_(?:live|test)_\w{16,255}+|npm_[A-Za-z0-9]{36}|hf_[A-Za-z0-9]{30,60}+)")),
    ("-", re.compile(r"(?<!\w)(?:glpat-[\w-]{20,255}+|xox[abeoprs]-[\w-]{10,255}+|sk-[\w-]{20,255}+)")),
    ("aiza", re.compile(r"(?<!\w)AIza[\w-]{35}")),
    ("-", re.compile(r"(?<![\w-])\d{6}(?:-\d{6}){7}(?![\w-])")),
    (
        "-----begin",
        re.compile(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:[^-]|-(?!----)){0,8000}+"
            r"(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?"
        ),
    ),
)
_GIVEN = (
    ("earer", re.compile(r"(?<!\w)Bearer ([\w.~+/=-]{16,4000}+)")),
    ("asic", re.compile(r"(?<!\w)Basic ([\w.~+/=-]{16,4000}+)")),
    ("-u", re.compile(r"(?<!\S)(?:-u|--user)[ =][^\s:]{1,64}:(\S{1,128})")),
)
# Strings in lower case; one of the first is in every label of a password or a key, one of the second in every code.
_LABELS = (
    *(
        "pass",
        "pw",
        "mdp",
        "kennwort",
        "contrase",
        "clave",
        "senha",
        "wachtwoord",
        "parola",
        *("hasł", "haslo"),
        "senord",
        "adgang",
        "пароль",
    ),
    *("key", "secret", "token", "jeton", "clé", "cle", "wifi", "wi-fi", "wpa"),
    *("login", "identifiants", "credential", "pin"),
)
_CODE_LABELS = ("pin", "otp", "code", "cv", "csc", "cryptogramme", "card ", "fziffer", "digo")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*")
# Names with a number, such as KB5034441, u004512, ISO27001 or Windows11.
_NAMED = re.compile(r"[a-z]{1,4}-?\d{3,}|(?:windows|win|office|outlook|sharepoint|server)-?\d+", re.IGNORECASE)
# Apostrophes and hyphens also occur within words.
_SYMBOL = re.compile(r"[^\w\s'’.-]|_")


def credentials(text: str) -> Iterator[Span]:
    """Find passwords, PINs and codes that follow a word for them, and keys of known formats."""
    lower = text.lower()
    for string, pattern in _KNOWN:
        if string in lower:
            yield from spans("secret", pattern, text)
    for string, pattern in _GIVEN:
        if string in lower:
            yield from spans("secret", pattern, text, 1)
    if has_any(lower, _CODE_LABELS):
        for pattern in (_CODES, _DOOR, _CARD_CODE):
            yield from spans("secret", pattern, text, 1)
    if has_any(lower, _LABELS):
        yield from _labelled(text)


def _labelled(text: str) -> Iterator[Span]:
    """Find passwords and keys with a word for them before or after them."""
    for match in _LABELLED.finditer(text):
        # In a program nothing else follows the equals sign.
        program = match["sign"] == "=" and match.end("sign") == match.start("value")
        accept = _is_assigned if match["sign"] else _is_like_password
        yield from _secret(match, bool if program else accept)
    for match in _QUOTED.finditer(text):
        yield Span("secret", *match.span("value"))
    for pattern in (*_FOLLOWING, _PAIR, _NEXT_LINE):
        for match in pattern.finditer(text):
            yield from _secret(match, _is_like_password)


def _secret(match: re.Match[str], accept: Callable[[str], bool]) -> Iterator[Span]:
    value = match["value"].rstrip(".:")
    if len(value) >= _SHORTEST and not _DATE.fullmatch(value) and "://" not in value and accept(value):
        yield Span("secret", match.start("value"), match.start("value") + len(value))


def _is_assigned(value: str) -> bool:
    """Whether the value after a colon or an equals sign is not just a word, as in "Password: forgotten"."""
    return re.search(r"\d", value) is not None or _SYMBOL.search(value) is not None


def _is_like_password(value: str) -> bool:
    """Whether the value within a sentence is not just a word, as in "the password is expired"."""
    mixed = re.search(r"\d", value) and re.search(r"[^\W\d_]", value)
    return bool(mixed) and not _NAMED.fullmatch(value)
