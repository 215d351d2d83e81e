"""Finds IP and MAC addresses, and the parts of web addresses that identify somebody or grant access."""

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import unquote

from callcenterai.privacy.spans import Span, around, before

_IPV4 = re.compile(r"(?<!\w)(?<!\d\.)\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)")
# Global, unique local and link-local addresses (RFC 4291, 4193), with a zone; not a name such as DB::add.
_IPV6 = re.compile(
    r"(?<![\w:.])(?:[23][0-9a-f]{3}|f[cdef][0-9a-f]{2})(?::[0-9a-f]{0,4}){2,7}(?:%\w{1,15})?(?![\w:])", re.IGNORECASE
)
_VERSION = re.compile(
    r"""(?<![^\W\d_])(?:versions?|ver|v|build|release|rev|firmware|micrologiciel|drivers?|pilotes?|upgrade\ to|update
        |mise\ [àa]\ jour|chapters?|chapitres?|sections?|clauses?|articles?|points?|annexe|paragraphs?|paragraphes?
        )[^A-Za-zÀ-ÿ\n]{0,40}\Z|[<>=~!]=[ ]?\Z""",
    re.IGNORECASE | re.VERBOSE,
)

# Four small numbers are more often a version or a paragraph, unless one of these words is near.
_NETWORK_WORD = re.compile(
    r"""(?<!\w)(?:ip|ipv4|address|adresse|hosts?|h[ôo]te|servers?|serveur|ping|dns|gateway|passerelle|proxy|from|client
        )(?!\w)""",
    re.IGNORECASE | re.VERBOSE,
)
_SMALL = 32

_MAC = re.compile(
    r"""(?<![\w:.-])(?:[0-9a-f]{2}([:-])[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}
        |[0-9a-f]{12})(?![\w:-]|\.\w)""",
    re.IGNORECASE | re.VERBOSE,
)
_MAC_WORD = re.compile(r"(?<!\w)(?:mac|hwaddr|ether)(?!\w)", re.IGNORECASE)
# Twelve digits without separators need the word directly before them: "MAC 001a2b3c4d5e", {"mac_address": "..."}.
_MAC_BEFORE = re.compile(
    r"(?<![^\W_])(?:mac|hwaddr|ether)(?:[ _-]?(?:addr(?:ess)?|adresse))?[\"']?(?:[ ]?[:=>,][ ]?|[ ])[\"']?\Z",
    re.IGNORECASE,
)
# Broadcast and unset addresses belong to no device.
_NO_DEVICE = re.compile(r"(?:0+|f+)", re.IGNORECASE)

_URL = re.compile(r"(?<!\w)(?:[A-Za-z][A-Za-z0-9+.-]{1,20}+://|www\.)[^\s<>\"'`\[\](){}«»]{1,2000}")
_AUTHORITY_END = re.compile(r"[/?#]")
_USER = re.compile(r"(?!git@)[^@]{1,500}@")
_SEGMENT = re.compile(r"(?<=/)[^/?#]{20,500}")
_PARAMETER = re.compile(r"(?<=[?&#;])([^=&#;?]{1,64})=([^&#;]{1,2000})")
_SENSITIVE = re.compile(
    r"""(?:token|key|secret|signature|password|passwd|session
        |(?<![a-z])(?:sig|code|pass|pwd|auth|sid|sessionid|jwt|otp|user|username|login|e-?mail|phone))(?![a-z])""",
    re.IGNORECASE | re.VERBOSE,
)
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_CHANGE = re.compile(r"[a-z](?=[A-Z])|[A-Za-z](?=\d)|\d(?=[A-Za-z])")
_LONG = 20


def ips(text: str) -> Iterator[Span]:
    """Find IP addresses, except those that identify nobody: loopback, unspecified, netmasks, multicast."""
    for match in _IPV4.finditer(text) if "." in text else ():
        # Printers show 192.168.001.010; ipaddress refuses leading zeros, because they could mean octal numbers.
        octets = [int(octet) for octet in match[0].split(".")]
        if _identifies(".".join(map(str, octets))) and not _is_version(text, match, octets):
            yield Span("ip", *match.span())
    for match in _IPV6.finditer(text) if text.count(":") > 1 else ():
        if _identifies(match[0]):
            yield Span("ip", *match.span())


def macs(text: str) -> Iterator[Span]:
    """Find the hardware addresses of network devices (IEEE 802 MAC), which identify somebody's computer or phone.

    Without any letter it is more likely a time or a counter, unless it is called an address.
    """
    if max(text.count(":"), text.count("-")) < 5 and text.count(".") < 2 and "mac" not in text.lower():
        return
    for match in _MAC.finditer(text):
        digits = re.sub(r"[:.-]", "", match[0])
        if digits == match[0] and not _MAC_BEFORE.search(before(text, match.start())):
            continue
        named = not digits.isdecimal() or _MAC_WORD.search(before(text, match.start()))
        if named and not _NO_DEVICE.fullmatch(digits):
            yield Span("mac", *match.span())


def _is_version(text: str, match: re.Match[str], octets: list[int]) -> bool:
    if _VERSION.search(before(text, match.start())):
        return True
    small = octets[0] != 10 and max(octets) < _SMALL
    return small and not _NETWORK_WORD.search(around(text, *match.span()))


def _identifies(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    nobody = found.is_loopback or found.is_unspecified or found.is_multicast
    return not nobody and not address.startswith(("0.", "255."))


def urls(text: str) -> Iterator[Span]:
    """Find the end of web addresses, from the first user name, secret or identifier on.

    The part before it stays, because the names of the host and the page say what the ticket is about.
    """
    for match in _URL.finditer(text):
        address = match[0].rstrip(".,;:!?")
        start = _first_secret(address)
        if start is not None:
            yield Span("url", match.start() + start, match.start() + len(address))


def _first_secret(address: str) -> int | None:
    host = address.find("://") + 3 if "://" in address else 0
    path = len(address)
    if end := _AUTHORITY_END.search(address, host):
        path = end.start()
    if _USER.match(address, host, path):
        return host
    found = [match.start() for match in _SEGMENT.finditer(address, path) if _is_random(match[0])]
    for match in _PARAMETER.finditer(address, path):
        name, value = match.groups()
        if _SENSITIVE.search(name) or "@" in value or "%40" in value or _is_random(value):
            found.append(match.start(2))
    return min(found, default=None)


def _is_random(part: str) -> bool:
    """Whether it is a UUID, or long with more changes between lower case, upper case and digits than words have."""
    part = unquote(part)
    if _UUID.fullmatch(part):
        return True
    return len(part) >= _LONG and 4 * sum(1 for _ in _CHANGE.finditer(part)) >= len(part)
