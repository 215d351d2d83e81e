"""Tell how the text of a file is encoded, in one pass over it and with bounded memory.

A file that is UTF-8 except for a few bytes is damaged UTF-8: only the rows with such bytes are unreadable. Otherwise
the bytes are compared with the alphabets of languages in Latin script, because a detector that counts pairs of letters
confuses their encodings with each other; all other scripts are told by charset-normalizer.
"""

import codecs
import io
import unicodedata
from typing import IO, NamedTuple

from callcenterai.formats.problems import FileProblem

CHUNK = 2**20
# How much of the text beyond ASCII is kept for the detector.
EVIDENCE_BYTES = 2**16
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# The letters beyond ASCII of languages in Latin script, and the encodings in which their files are found.
WESTERN = ("cp1252", "iso8859_15", "mac_roman", "cp850")
CENTRAL = ("cp1250", "iso8859_2", "cp852")
ALPHABETS = (
    ("àâæçéèêëîïôœùûüÿ", WESTERN),
    ("äöüßéè", WESTERN),
    ("áéíóúüñºª¿¡", WESTERN),
    ("àáâãçéêíóôõúü", WESTERN),
    ("àèéìíòóù", WESTERN),
    ("åäöæøéü", WESTERN),
    ("éëïöüèáó", WESTERN),
    ("áðéíóúýþæö", WESTERN),
    ("àçèéíïòóúü·", WESTERN),
    ("ąćęłńóśźż", CENTRAL),
    ("áäčďéěíĺľňóôŕřšťúůýž", CENTRAL),
    ("áéíóöőúüű", CENTRAL),
    ("ăâîşţ", CENTRAL),
    ("čćđšž", CENTRAL),
    ("çğıöşüâîİ", ("cp1254",)),
    ("ąčęėįšųūžāēģīķļņõäöü", ("cp1257",)),
)
# Signs that stand between letters in any of these languages.
SIGNS = set("’‘“”„«»‹›–—…€£°§©®™•\xa0")
# The share of the characters beyond ASCII that must fit a language: for Windows-1252, and for all rarer encodings.
FITTING, FITTING_RARE = 0.9, 0.95
# Bytes that text does not have.
CONTROLS = bytes((*range(9), *range(14, 27), 28, 29, 30))
OTHER_SCRIPTS = (
    "cp1251", "koi8_r", "cp866", "cp1253", "cp1255", "cp1256", "cp874", "cp932", "euc_jp", "gb18030", "big5", "cp949",
)  # fmt: skip


# The handler of decoding errors for all encodings but UTF-8; Python's own one fails where an invalid byte is ASCII.
LONE_SURROGATE = "callcenterai.lone_surrogate"
codecs.register_error(LONE_SURROGATE, lambda error: ("\udcff", error.end))  # type: ignore[attr-defined]
# Encodings for mail, in 7 bits: how a switch to another alphabet begins.
SWITCHES = {b"\x1b$)C": "iso2022_kr", b"\x1b$": "iso2022_jp"}


class Encoding(NamedTuple):
    """A Python codec, and whether every byte of the file is valid in it."""

    name: str
    valid: bool

    def open_text(self, file: IO[bytes]) -> io.TextIOWrapper:
        """Return the file as text with its line ends; bytes that are not valid become lone surrogates."""
        file.seek(0)
        errors = "surrogateescape" if self.name in ("utf-8", "utf-8-sig") else LONE_SURROGATE
        return io.TextIOWrapper(_Unclosed(file), encoding=self.name, errors=errors, newline="")


class _Unclosed(io.BufferedReader):
    """Reads a file that stays open when the text around it is discarded."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        super().__init__(_Raw(file), CHUNK)


class _Raw(io.RawIOBase):
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._padding = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


class _Scan:
    """Counts, chunk by chunk, the characters beyond ASCII and the bytes that are not UTF-8, and keeps evidence."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.good = self.bad = 0
        self.empty = True
        self.evidence = bytearray()

    def feed(self, chunk: bytes, final: bool = False) -> None:
        if self.empty and chunk.strip(b" \t\r\n\0\xef\xbb\xbf"):
            self.empty = False
        if chunk.isascii() and not self._decoder.getstate()[0]:
            return
        text = self._decoder.decode(chunk, final)
        valid = text.encode("utf-8", "ignore")
        # Every invalid byte has become one surrogate, which "ignore" drops; a character begins with one lead byte.
        bad = len(text) - len(valid.decode())
        self.bad += bad
        self.good += len(valid.translate(None, bytes(range(0xC2)))) if not valid.isascii() else 0
        if bad and len(self.evidence) < EVIDENCE_BYTES:
            self._keep(chunk)

    def _keep(self, chunk: bytes) -> None:
        for line in chunk.splitlines():
            if not line.isascii():
                self.evidence += line[:10_000] + b"\n"
            if len(self.evidence) >= EVIDENCE_BYTES:
                return


def tell_encoding(file: IO[bytes], name: str, wanted: str | None) -> Encoding:
    """Return the encoding of a file, or the one that is wanted; a FileProblem when the file is empty or unclear."""
    file.seek(0)
    start = file.read(2**16)
    marked = next((codec for mark, codec in MARKS.items() if start.startswith(mark)), None)
    wide = marked or _unmarked_utf_16(start)
    file.seek(0)
    if wanted:
        return _wanted(file, name, wanted, marked)
    if wide and wide.startswith(("utf-16", "utf-32")):
        if not start.replace(b"\0", b"")[2 if marked else 0 :].strip():
            raise FileProblem(name, "empty")
        return Encoding(wide, False)
    if start.isascii() and (switching := next((SWITCHES[mark] for mark in SWITCHES if mark in start), None)):
        return Encoding(switching, False)
    scan = _Scan()
    while chunk := file.read(CHUNK):
        scan.feed(chunk)
    scan.feed(b"", final=True)
    if scan.empty:
        raise FileProblem(name, "empty")
    if not scan.bad or 2 * scan.good >= scan.bad:
        return Encoding(marked or "utf-8", not scan.bad)
    if marked:
        return Encoding(marked, False)
    return Encoding(_detect(bytes(scan.evidence), name), False)


def _wanted(file: IO[bytes], name: str, wanted: str, marked: str | None) -> Encoding:
    if not file.read(2**16).strip(b" \t\r\n\0\xef\xbb\xbf\xff\xfe"):
        raise FileProblem(name, "empty")
    try:
        codec = codecs.lookup(wanted)
        # Python's codecs for other things than text, such as base64, decode to bytes.
        if not codec._is_text_encoding:
            raise LookupError(wanted)
    except LookupError:
        raise FileProblem(name, "unknown_encoding", encoding=wanted) from None
    # A byte order mark in a file of the same encoding is not part of the first column's name.
    return Encoding(marked if marked and marked.startswith(codec.name) else codec.name, False)


def _unmarked_utf_16(start: bytes) -> str | None:
    """Return which UTF-16 a file without a mark is in: ASCII characters have a NUL at every second byte."""
    start = start[: len(start) // 2 * 2]
    nuls = start[0::2].count(0), start[1::2].count(0)
    if sum(nuls) < max(2, len(start) // 200) or min(nuls) > 0.02 * max(nuls):
        return None
    codec = "utf-16-be" if nuls[0] > nuls[1] else "utf-16-le"
    text = start.decode(codec, "replace")
    odd = sum(unicodedata.category(each) in ("Cn", "Co", "Cs", "Cc") and each not in "\t\r\n" for each in text)
    return codec if odd <= 0.02 * len(text) else None


def _detect(evidence: bytes, name: str) -> str:
    latin, share = _best_latin(evidence)
    if share >= FITTING:
        return latin
    # Late: hardly any file needs it.
    from charset_normalizer import from_bytes

    best = from_bytes(evidence, cp_isolation=[*OTHER_SCRIPTS, "cp1252"], preemptive_behaviour=False).best()
    if best is None:
        # Texts in several languages fit none of them alone.
        if share >= 0.5:
            return latin
        if len(evidence.translate(None, CONTROLS)) < 0.98 * len(evidence):
            raise FileProblem(name, "binary", what="a binary file")
        raise FileProblem(name, "encoding")
    return latin if best.encoding == "cp1252" else best.encoding


def _best_latin(evidence: bytes) -> tuple[str, float]:
    """Return the encoding in which the bytes best fit a language in Latin script, and the share that fits."""
    best = ("cp1252", 0.0)
    for letters, codecs_ in ALPHABETS:
        fitting = set(letters + letters.upper()) | SIGNS
        for codec in codecs_:
            text = [each for each in evidence.decode(codec, "replace") if not each.isascii()]
            share = sum(each in fitting for each in text) / max(1, len(text))
            if share > best[1] + 1e-9 and (codec == best[0] or codec == "cp1252" or share >= FITTING_RARE):
                best = (codec, share)
    return best
