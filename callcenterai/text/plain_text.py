"""Takes what is not the ticket out of its text: HTML, and of mails the quoted replies, headers and signatures.

The parameter prepare.clean chooses it. Training, batch scoring and the services call model_text alike, because a model
has to see in service what it learned from; metadata.json says which cleaning a model wants. Everything here takes time
linear in the length of the text, and needs the standard library only.
"""

import html
import re
from collections.abc import Iterator

from callcenterai.text.normal_form import normalize_text

CLEANINGS = ("none", "html", "mail")

# A comment, a declaration, or a tag; quoted values may hold a ">". None of the repeats can be entered twice for the
# same characters, and none runs past the next "<", so that unclosed tags cost no more than their length.
_MARKUP = re.compile(
    r"""<!--.*?(?:-->|\Z) | <[!?][^<>]*> | <(?P<end>/?)(?P<name>[a-z][a-z0-9-]*+(?::[a-z][\w-]*+)?)(?=[\s/>])
    (?:[^<>"']|"[^"<]*"|'[^'<]*')*+>""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
_BLOCKS = frozenset(
    "address article aside blockquote body br caption center dd details div dl dt fieldset figure footer form h1 h2 h3 "
    "h4 h5 h6 header hr html li main nav ol p pre section summary table tbody tfoot thead title tr ul".split()
)
_CELLS = frozenset({"td", "th", "option"})
_HIDDEN = frozenset({"head", "script", "style", "template", "title", "noscript"})
_INLINE = frozenset(
    "a abbr acronym area audio b base basefont bdi bdo big button canvas cite code col colgroup data datalist del dfn "
    "dialog em embed font frame frameset i iframe img input ins kbd label legend link map mark menu meta meter object "
    "optgroup output param picture progress q rp rt ruby s samp select small source span strike strong sub sup svg "
    "textarea time track tt u var video wbr".split()
)
# Others may be what somebody wrote, such as <username>. Names with a colon are those of Office, such as <o:p>.
_ELEMENTS = _BLOCKS | _CELLS | _HIDDEN | _INLINE
# An ampersand that was escaped any number of times; and an entity, of bounded length: int() refuses long numbers.
_AMPERSANDS = re.compile(r"&(?:(?:amp|#0{0,4}38|#x0{0,4}26);)+", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE)
# Exports often escape HTML once more: then the first round only uncovers the tags.
_ROUNDS = 3

# A quoted text is kept if less than this stands before it: the ticket was forwarded, with "FYI" or nothing.
_SHORTEST_REPLY = 20
# Closing phrases are searched in so many last lines, and no longer line is compared with a pattern.
_LAST_LINES, _LONGEST_LINE = 12, 400
# More headers are none: without a limit, a text of headers alone would be read from each of its lines to its end.
_MOST_HEADERS = 40
_FROM = "from|de|von|da|van|från|fra|od|от|差出人|发件人|寄件者|보낸 사람"
_SENT = (
    "sent|date|envoyé|gesendet|datum|enviado|fecha|inviato|data|verzonden|skickat|sendt|dato|wysłano|отправлено|дата"
)
_TO = "to|à|an|para|a|aan|till|til|do|кому|宛先|收件人|받는 사람|cc|kopie|copie|bcc|reply-to|répondre à|antwort an"
_SUBJECT = "subject|objet|betreff|asunto|assunto|oggetto|onderwerp|ämne|emne|temat|тема|件名|主题|主旨|제목"
_HEADER = re.compile(
    rf"[*\s]*(?:(?P<sender>{_FROM})|(?P<sent>{_SENT}|送信日時|日付|发送时间|日期|보낸 날짜|날짜)|(?P<to>{_TO})"
    rf"|(?P<subject>{_SUBJECT})|importance|priority|wichtigkeit|attachments?|anlagen?)[*\s]*[:：][*\s]*(?P<value>.*)",
    re.IGNORECASE,
)
_ATTRIBUTION = re.compile(
    r"(?:on|le|am|el|il|op|em|w dniu|den)\b.*\b(?:wrote|a écrit|schrieb.*|escribió|ha scritto|schreef.*|escreveu"
    r"|skrev.*|napisał.*|pisze)\s*[:：]|.*(?:пишет|написала?|写道|寫道|님이 작성)\s*[:：]",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(
    r"[-_*\s>]*(?:original message|forwarded message|forwarded by .*|begin forwarded message|message d.origine"
    r"|message transféré|début du message transféré|ursprüngliche nachricht|weitergeleitete nachricht"
    r"|mensaje original|mensaje reenviado|messaggio originale|messaggio inoltrato|oorspronkelijk bericht"
    r"|doorgestuurd bericht|mensagem original|mensagem encaminhada|original meddelande)[-_*\s:]*|_{10,}",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(r"--\s?|—|_{2,9}")
_SENT_FROM = re.compile(
    r"(?:sent (?:from|with|using)|get outlook for|envoyé (?:de|depuis|à partir)|télécharge[rz] outlook"
    r"|von meinem .* gesendet|gesendet (?:von|mit)|enviado desde|inviato da|verzonden vanaf|enviado do"
    r"|skickat från)\b.*",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"(?:(?:best|kind|warm|many)?\s*regards|(?:yours )?(?:sincerely|faithfully)|best wishes|cheers|many thanks|thanks"
    r"|thank you|thanks and regards|(?:bien )?cordialement|bien à vous|salutations|merci(?: d.avance)?"
    r"|mit freundlichen grü(?:ß|ss)en|(?:viele|beste|freundliche) grü(?:ß|ss)e|mfg|saludos(?: cordiales)?|atentamente"
    r"|cordiali saluti|distinti saluti|met vriendelijke groet(?:en)?|atenciosamente|med vänliga hälsningar)[\s,.!]*",
    re.IGNORECASE,
)


def model_text(text: str, cleaning: str) -> str:
    """Return a text in the form in which a model reads it: cleaned by this one of CLEANINGS, and in its normal form."""
    return normalize_text(plain_text(text, cleaning))


def plain_text(text: str, cleaning: str) -> str:
    """Return the text without what this one of CLEANINGS removes; a ValueError when it is none of them.

    A text never becomes empty by cleaning of mails: one that consists of a quotation keeps it.
    """
    if cleaning == "none":
        return text
    if cleaning == "html":
        return remove_html(text)
    if cleaning == "mail":
        return _without_mail_parts(remove_html(text, skipped="blockquote")) or _without_mail_parts(remove_html(text))
    raise ValueError(f"the cleaning {cleaning!r} is not one of {', '.join(CLEANINGS)}")


def remove_html(text: str, skipped: str = "") -> str:
    """Return a text without HTML tags and entities; blocks become lines. Elements named skipped go with all in them."""
    for _ in range(_ROUNDS):
        before, text = text, _unescape("".join(_visible(text, skipped)))
        if text == before:
            break
    return _tidy(text)


def _visible(text: str, skipped: str) -> Iterator[str]:
    """Yield the text between tags, and a line end or a blank for each tag that separates words."""
    tags = [tag for tag in _MARKUP.finditer(text) if _is_markup(tag)]
    # Within HTML, a line end is a blank; a text with entities alone keeps its lines.
    lines = not any((tag["name"] or "").lower() in _BLOCKS for tag in tags)
    place, hidden, depth = 0, "", 0
    for tag in tags:
        name, ends = (tag["name"] or "").lower(), bool(tag["end"])
        if not hidden and not depth:
            yield _as_words(text[place : tag.start()], lines)
            yield "\n" if name in _BLOCKS else " " if name in _CELLS else ""
        if name == skipped and name:
            depth = max(0, depth - 1) if ends else depth + 1
        elif hidden:
            hidden = "" if (ends and name == hidden) or name == "body" else hidden
        elif name in _HIDDEN and not ends:
            hidden = name
        place = tag.end()
    if not hidden and not depth:
        yield _as_words(text[place:], lines)


def _is_markup(tag: re.Match[str]) -> bool:
    name = (tag["name"] or "").lower()
    return not name or ":" in name or name in _ELEMENTS


def _as_words(text: str, lines: bool) -> str:
    return text if lines else re.sub(r"\s", " ", text)


def _unescape(text: str) -> str:
    if "&" not in text:
        return text
    return _ENTITY.sub(lambda entity: html.unescape(entity[0]), _AMPERSANDS.sub("&amp;", text))


def _tidy(text: str) -> str:
    """Return lines without blanks around them, single blanks, and at most one empty line in a row."""
    lines = [" ".join(line.split()) for line in re.split(r"\r\n|\r|\n", text)]
    kept = [line for line, before in zip(lines, ["", *lines], strict=False) if line or before]
    return "\n".join(kept).strip("\n")


def _without_mail_parts(text: str) -> str:
    """Return what the sender of a mail has written, and the subjects of its headers."""
    own, quoted = _split_at_quotation(_without_leading_headers(text.split("\n")))
    written = "\n".join(_without_signature(own)).strip()
    if len(written) >= _SHORTEST_REPLY or not quoted:
        return written
    rest = "\n".join(_without_signature([line.lstrip("> ") for line in quoted])).strip()
    return f"{written}\n{rest}".strip()


def _without_leading_headers(lines: list[str]) -> list[str]:
    """Return the lines with the subject alone of a header block at their beginning."""
    first = next((number for number, line in enumerate(lines) if line), 0)
    size, subject = _header_block(lines, first)
    return [*subject, *lines[first + size :]]


def _header_block(lines: list[str], start: int) -> tuple[int, list[str]]:
    """Return how many lines of headers begin here, 0 if it is no header of a mail, and the subject among them."""
    found: dict[str, str] = {}
    end = start
    while end < min(len(lines), start + _MOST_HEADERS) and (header := _match(_HEADER, lines[end])):
        found |= {kind: header["value"] for kind in ("sender", "sent", "to", "subject") if header[kind] is not None}
        end += 1
    if "sender" not in found or len(found.keys() & {"sent", "to", "subject"}) < 2:
        return 0, []
    return end - start, [found["subject"]] if found.get("subject") else []


def _split_at_quotation(lines: list[str]) -> tuple[list[str], list[str]]:
    """Return the lines without quoted ones, and the quotation at their end without its headers."""
    own: list[str] = []
    marked = [number for number, line in enumerate(lines) if line.startswith(">")]
    last_marked = marked[-1] if marked else -1
    for number, line in enumerate(lines):
        if line.startswith(">"):
            continue
        if _match(_ATTRIBUTION, line):
            # Answers may stand between lines that are marked as quoted.
            if number > last_marked:
                return own, lines[number + 1 :]
        elif _match(_SEPARATOR, line):
            return own, _without_leading_headers(lines[number + 1 :])
        elif _match(_HEADER, line) and _header_block(lines, number)[0]:
            return own, _without_leading_headers(lines[number:])
        else:
            own.append(line)
    return own, [lines[number] for number in marked]


def _without_signature(lines: list[str]) -> list[str]:
    """Return the lines up to a signature."""
    marked = next((number for number, line in enumerate(lines) if _match(_SIGNATURE, line)), len(lines))
    lines = [line for line in lines[:marked] if not _match(_SENT_FROM, line)]
    last = max(0, len(lines) - _LAST_LINES)
    # Not the first line: "Thanks" may begin a mail.
    for number in range(max(1, last), len(lines)):
        if _match(_CLOSING, lines[number]):
            return lines[:number]
    return lines


def _match(pattern: re.Pattern[str], line: str) -> re.Match[str] | None:
    return pattern.fullmatch(line) if len(line) <= _LONGEST_LINE else None
