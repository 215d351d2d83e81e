"""Finds passwords, keys and tokens in JSON, XML and the like, where the field's name tells what its value is."""

import re
from collections.abc import Iterator

from callcenterai.privacy.spans import Span, contains_any

# The end of the name of a field, such as "password", "dbPassword", "client_secret" and "x-api-key".
_FIELD = r"""[\w.:-]{0,40}?(?:password|passwd|passphrase|passcode|pwd|mot_?de_?passe|mdp|passwort|kennwort
    |contrase(?:ñ|n)a
    |wachtwoord|secret|(?:api|access|secret|private|account|shared|auth)[_.-]?key|token|credentials?|pin|cvv2?|cvc2?
    |authorization|(?<![^\W_])pass)"""
# Programs write these for no value, a hidden one, or the type of one.
_VALUE_NOT = r"(?:null|none|true|false|undefined|nil|\*+|x+|\.+|string|required)"
_JSON = re.compile(
    rf"""(?<![\w"'\\])["']?{_FIELD}["'][ \t]{{0,4}}(?::|=>?|[,;|])\s{{0,8}}
    (?:"(?!{_VALUE_NOT}")(?P<double>(?:[^"\\\n]|\\[^\n]){{1,4000}}+)
        |'(?!{_VALUE_NOT}')(?P<single>(?:[^'\\\n]|\\[^\n]){{1,4000}}+)
        |(?P<number>\d{{3,20}})(?![\w.]))""",
    re.IGNORECASE | re.VERBOSE,
)
# JSON within a string of JSON.
_ESCAPED_JSON = re.compile(
    rf"""\\"{_FIELD}\\"[ \t]{{0,4}}:\s{{0,8}}
    (?:\\"(?!{_VALUE_NOT}\\")(?P<value>(?:[^"\\\n]|\\(?!")[^\n]){{1,4000}}+)|(?P<number>\d{{3,20}})(?![\w.]))""",
    re.IGNORECASE | re.VERBOSE,
)
_ELEMENT = re.compile(
    rf"""<(?:\w{{1,20}}:)?{_FIELD}(?:[ \t][^<>\n]{{0,200}})?>\s{{0,8}}(?:<!\[CDATA\[)?
    (?!{_VALUE_NOT}\s{{0,8}}<)(?P<value>[^<>\s\]](?:[^<>\n\]]{{0,255}}[^<>\s\]])?)""",
    re.IGNORECASE | re.VERBOSE,
)
# <user password="..."> and <add key="DbPassword" value="..."/>.
_ATTRIBUTE = re.compile(
    rf"""(?<=[\s;,]){_FIELD}[ ]?=[ ]?(?:"(?!{_VALUE_NOT}")(?P<double>[^"\n<>]{{1,256}})"|'(?!{_VALUE_NOT}')
        (?P<single>[^'\n<>]{{1,256}})')""",
    re.IGNORECASE | re.VERBOSE,
)
_KEY_AND_VALUE = re.compile(
    rf"""(?:key|name)[ ]?=[ ]?["']{_FIELD}["']\s{{1,8}}value[ ]?=[ ]?["'](?!{_VALUE_NOT}["'])
    (?P<value>[^"'\n<>]{{1,256}})["']""",
    re.IGNORECASE | re.VERBOSE,
)

# One of these is in the name of every field, in lower case.
_STRINGS = (
    *("pass", "pwd", "mdp", "secret", "key", "token", "pin", "cv", "authorization", "wort", "contrase", "woord"),
    *("credential",),
)


def structured_credentials(text: str) -> Iterator[Span]:
    """Find the values of fields for passwords, keys and tokens, whatever the values look like."""
    if not contains_any(text, _STRINGS):
        return
    for pattern in (_JSON, _ESCAPED_JSON, _ELEMENT, _ATTRIBUTE, _KEY_AND_VALUE):
        for match in pattern.finditer(text):
            yield Span("secret", *match.span(match.lastgroup or 0))
