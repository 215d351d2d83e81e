"""Takes what is not the ticket out of its text: HTML, and of mails the quoted replies, headers and signatures.

The parameter prepare.clean chooses it. Training, batch scoring and the services call model_text alike, because a model
has to see in service what it learned from; metadata.json says which cleaning a model wants. Everything here takes time
linear in the length of the text, and needs the standard library only.
"""

import html
import re
from collections.abc import Iterator
from itertools import pairwise

from callcenterai.text.normal_form import meaningful_length, normalize_text

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
# Closing phrases are searched in so many last lines, and no more of a line is compared with a pattern.
_LAST_LINES, _LONGEST_LINE = 12, 400
# More headers are none: without a limit, a text of headers alone would be read from each of its lines to its end.
_MOST_HEADERS = 40
# The words of headers as mail programs write them, in the languages that most of them know.
_KINDS = {
    "sender": (
        "from|de|von|da|van|från|fra|od|от|від|de la|feladó|lähettäjä|από|gönderen|kimden|dari|từ|người gửi|من|מאת"
        "|प्रेषक|จาก|差出人|发件人|寄件者|寄件人|보낸 사람"
    ),
    "sent": (
        "sent|date|envoyé|gesendet|datum|enviado|fecha|inviato|data|verzonden|skickat|sendt|dato|wysłano|отправлено"
        "|дата|надіслано|odesláno|odoslané|elküldve|dátum|trimis|lähetetty|päivämäärä|στάλθηκε|ημερομηνία|gönderilme"
        "|gönderildi|tarih|dikirim|tanggal|đã gửi|ngày|تاريخ الإرسال|التاريخ|تم الإرسال|נשלח|תאריך|दिनांक"
        "|भेजा गया|ส่ง|วันที่|送信日時|日付|日時|日期|发送时间|發送時間|寄件日期|傳送時間|일자|날짜|일시|보낸 날짜"
    ),
    "to": (
        "to|à|an|para|a|aan|till|til|do|кому|komu|către|címzett|vastaanottaja|προς|kime|bilgi|kepada|đến|tới|إلى|نسخة"
        "|אל|עותק|प्रति|ถึง|宛先|收件人|收件者|抄送|받는 사람|참조|cc|bcc|kopie|copie|kopia|копия|копія|reply-to"
        "|répondre à|antwort an"
    ),
    "subject": (
        "subject|objet|betreff|asunto|assunto|oggetto|onderwerp|ämne|emne|temat|тема|předmět|predmet|subiect|tárgy|aihe"
        "|θέμα|konu|subjek|perihal|chủ đề|الموضوع|נושא|विषय|เรื่อง|件名|主题|主題|主旨|제목"
    ),
}
_NAMED_KINDS = "|".join(f"(?P<{kind}>{words})" for kind, words in _KINDS.items())
_HEADER = re.compile(
    rf"[*\s]*(?:{_NAMED_KINDS}|importance|priority|wichtigkeit|attachments?|anlagen?)[*\s]*[:：][*\s]*(?P<value>.*)",
    re.IGNORECASE,
)
_INLINE_HEADER = re.compile(rf"(?<!\S)(?:{_NAMED_KINDS})\s?[:：](?=\s)", re.IGNORECASE)
# Headers in one line are those of a mail if they stand as close as this, in characters, and are among so many.
_CLOSE, _MOST_INLINE = 600, 6
_ATTRIBUTION = re.compile(
    r"(?:on|le|am|el|il|op|em|w dniu|den)\b.*\b(?:wrote|a écrit|schrieb.*|escribió|ha scritto|schreef.*|escreveu"
    r"|skrev.*|napisał.*|pisze)\s*[:：]|.*(?:пишет|написала?|写道|寫道|님이 작성)\s*[:：]",
    re.IGNORECASE,
)
# In any language, what introduces a quotation ends with a colon and names the sender's address or a time and a year.
_ADDRESS, _TIME, _YEAR = re.compile(r"<[^<>\s@]+@[^<>\s@]+>"), re.compile(r"\d[:.h]\d\d"), re.compile(r"\d{4}")
_ATTRIBUTION_LINES = 3
_ORIGINAL = (
    "original message|forwarded message|begin forwarded message|message d.origine|message transféré"
    "|début du message transféré|ursprüngliche nachricht|weitergeleitete nachricht|originalnachricht|mensaje original"
    "|mensaje reenviado|messaggio originale|messaggio inoltrato|oorspronkelijk bericht|doorgestuurd bericht"
    "|mensagem original|mensagem encaminhada|original meddelande|vidarebefordrat meddelande|oprindelig meddelelse"
    "|wiadomość oryginalna|wiadomość przekazana|исходное сообщение|пересылаемое сообщение|původní zpráva|orijinal ileti"
    "|iletilen mesaj|原始邮件|原始郵件|转发邮件信息|转发的邮件|轉寄的郵件|元のメッセージ|転送メッセージ|원본 메시지"
    "|원본 메일|전달된 메일"
)
_SEPARATOR = re.compile(rf"[-_*\s>]*(?:{_ORIGINAL}|forwarded by .*)[-_*\s:]*|_{{10,}}", re.IGNORECASE)
# (?<!-) and + without a way back: otherwise a line of dashes would be tried from each of them.
_INLINE_SEPARATOR = re.compile(rf"(?<!-)-{{3,}}+\s?(?:{_ORIGINAL})\s?-{{3,}}", re.IGNORECASE)
_RULE = re.compile(r"[-_=*]{4,}.*[-_=*]{4,}")
_SIGNATURE = re.compile(r"--\s?|—|_{2,9}")
_SENT_FROM = re.compile(
    r"(?:sent (?:from|with|using)|get outlook for|envoyé (?:de|depuis|à partir)|télécharge[rz] outlook"
    r"|von meinem .* gesendet|gesendet (?:von|mit)|enviado desde|inviato da|verzonden vanaf|enviado do"
    r"|skickat från|sendt fra|wysłane z|отправлено с|odesláno z|发自我的|從我的|傳送自)\b.*|(?:iphone|ipad)から送信"
    r"|나의 iphone에서 보냄",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"(?:(?:best|kind|warm|many)?\s*regards|(?:yours )?(?:sincerely|faithfully)|best wishes|cheers|many thanks|thanks"
    r"|thank you|thanks and regards|(?:bien )?cordialement|bien à vous|salutations|merci(?: d.avance)?"
    r"|mit freundlichen grü(?:ß|ss)en|(?:viele|beste|freundliche) grü(?:ß|ss)e|mfg|saludos(?: cordiales)?|atentamente"
    r"|cordiali saluti|distinti saluti|met vriendelijke groet(?:en)?|atenciosamente|med vänliga hälsningar"
    r"|med venlig hilsen|med vennlig hilsen|(?:z poważaniem|pozdrawiam)|с уважением|з повагою|s pozdravem|saygılarımla"
    r"|(?:以上[、,]?\s?)?(?:どうぞ)?(?:よろしく|宜しく)お願い(?:いた|致)?します|此致|敬礼|顺祝商祺|감사합니다)[\s,.!。、，]*",
    re.IGNORECASE,
)


def model_text(text: str, cleaning: str) -> str:
    """Return a text in the form in which a model reads it: cleaned by this one of CLEANINGS, and in its normal form."""
    return normalize_text(plain_text(text, cleaning))


def plain_text(text: str, cleaning: str) -> str:
    """Return the text without what this one of CLEANINGS removes; a ValueError when it is none of them.

    A text never becomes empty by what is special about mails: one that is only a quotation or a signature keeps it.
    """
    if cleaning == "none":
        return text
    if cleaning == "html":
        return remove_html(text)
    if cleaning == "mail":
        whole = remove_html(text)
        return _without_mail_parts(remove_html(text, skipped="blockquote")) or _without_mail_parts(whole) or whole
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
    text = _INLINE_SEPARATOR.sub(lambda separator: f"\n{separator[0]}\n", text)
    lines = "\n".join(map(_break_headers, text.split("\n"))).split("\n")
    own, quoted = _split_at_quotation(_without_leading_headers(lines))
    written = "\n".join(_without_signature(own)).strip()
    if meaningful_length(written, _SHORTEST_REPLY) >= _SHORTEST_REPLY or not quoted:
        return written
    rest = "\n".join(_without_signature(_without_leading_headers([line.lstrip("> ") for line in quoted]))).strip()
    return f"{written}\n{rest}".strip()


def _break_headers(line: str) -> str:
    """Return a line with the first headers of a mail in it, if there are any, in lines of their own."""
    if line.count(":") + line.count("：") < len(_KINDS):
        return line
    found = [(header.lastgroup, header.start()) for header in _INLINE_HEADER.finditer(line)]
    for number, (kind, start) in enumerate(found):
        block = dict(found[number : number + _MOST_INLINE])
        if kind == "sender" and {"sent", "subject"} <= block.keys() and block["subject"] - start < _CLOSE:
            places = [0, *(place for _, place in found[number : number + _MOST_INLINE] if place <= block["subject"])]
            pieces = [line[begin:end].strip() for begin, end in pairwise([*places, len(line)])]
            return "\n".join(filter(None, pieces))
    return line


def _without_leading_headers(lines: list[str]) -> list[str]:
    """Return the lines with the subject alone of a header block at their beginning."""
    first = next((number for number, line in enumerate(lines) if line), 0)
    size, subject = _header_block(lines, first)
    return [*subject, *lines[first + size :]] if subject is not None else lines


def _header_block(lines: list[str], start: int) -> tuple[int, list[str] | None]:
    """Return how many lines of headers begin here, and the subject among them; None if they are not those of a mail."""
    found: dict[str, str] = {}
    end = start
    while end < min(len(lines), start + _MOST_HEADERS) and (header := _match_header(lines[end])):
        value = lines[end][header.start("value") :]
        found |= {kind: value for kind in _KINDS if header[kind] is not None}
        end += 1
    others = len(found.keys() & {"sent", "to", "subject"})
    # A form may ask from where to where somebody travels, and when.
    is_mail = "sender" in found and others > 1 and ("subject" in found or "@" in found["sender"] + found.get("to", ""))
    if not is_mail:
        return end - start, None
    return end - start, [found["subject"]] if found.get("subject") else []


def _split_at_quotation(lines: list[str]) -> tuple[list[str], list[str]]:
    """Return the lines without quoted ones, and the quotation at their end without its headers."""
    own: list[str] = []
    marked = [number for number, line in enumerate(lines) if line.startswith(">")]
    last_marked = marked[-1] if marked else -1
    introductions = {
        number
        for end in [*(place for place in marked if not lines[place - 1].startswith(">") or not place), len(lines)]
        for number in range(_start_of_introduction(lines, end), end)
    }
    # Lines of a block that was found to be no headers of a mail are not looked at again, each with all that follow.
    checked = 0
    for number, line in enumerate(lines):
        if line.startswith(">") or number in introductions:
            continue
        if _match(_ATTRIBUTION, line):
            # Answers may stand between lines that are marked as quoted.
            if number > last_marked:
                return own, lines[number + 1 :]
        elif _match(_SEPARATOR, line):
            return own, _without_leading_headers(lines[number + 1 :])
        elif number < checked or not _match_header(line):
            own.append(line)
        else:
            size, subject = _header_block(lines, number)
            if subject is not None:
                return _without_rule(own), _without_leading_headers(lines[number:])
            checked = number + size
            own.append(line)
    return own, [lines[number] for number in marked]


def _match_header(line: str) -> re.Match[str] | None:
    return _HEADER.match(line[:_LONGEST_LINE]) if ":" in line or "：" in line else None


def _start_of_introduction(lines: list[str], end: int) -> int:
    """Return where the lines begin that introduce a quotation which starts at `end`; end when there are none.

    A sender's name may be so long that the date stands in the line before it.
    """
    last = end
    while last > 0 and not lines[last - 1]:
        last -= 1
    if not last or not lines[last - 1].endswith((":", "：")):
        return end
    said = ""
    for number in range(last - 1, max(-1, last - 1 - _ATTRIBUTION_LINES), -1):
        if not lines[number] or lines[number].startswith(">") or len(lines[number]) > _LONGEST_LINE:
            break
        said = f"{lines[number]} {said}"
        # At the end of a text, a line with a time may introduce what was left out, such as a log.
        if _YEAR.search(said) and (_ADDRESS.search(said) or (end < len(lines) and _TIME.search(said))):
            return number
    return end


def _without_rule(lines: list[str]) -> list[str]:
    """Return lines without a last one that only separates: dashes, whatever words stand between them."""
    while lines and not lines[-1]:
        lines = lines[:-1]
    return lines[:-1] if lines and _match(_RULE, lines[-1]) else lines


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
