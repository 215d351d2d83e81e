"""Tell what kind of table a file holds, by its content; the name of a file decides only where the content cannot."""

import json
import re
import zipfile
from typing import IO, NamedTuple

from callcenterai.formats.opening import ZIP_START
from callcenterai.formats.problems import FileProblem

PARQUET, WORKBOOK, TEXT = "parquet", "workbook", "text"
DELIMITED, JSON_LINES, JSON = "delimited", "json_lines", "json"
PARQUET_START, OLE_START = b"PAR1", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
JSON_NAMES = (".json", ".jsonl", ".ndjson")
WEB_PAGE = re.compile(r"\s*(<!doctype html|<html|<table|<\?xml|<meta|<body|<div)", re.IGNORECASE)
XML = re.compile(r"\s*<\?xml", re.IGNORECASE)
# Characters at the start that text does not have; a NUL can be padding.
CONTROLS = re.compile("[\x01-\x08\x0e-\x1a\x1c-\x1e]")
DECODER = json.JSONDecoder()
# Texts that are no table, by how they begin.
DOCUMENTS = {
    "(INSERT INTO|CREATE TABLE|DROP TABLE) ": "an SQL script",
    r"(From \S+@\S+ |Return-Path: |Received: |Delivered-To: )": "a mail",
    r"\{\\rtf": "an RTF document",
}


class TextKind(NamedTuple):
    """A kind of text file; for JSON, the character at which its first record starts."""

    name: str
    start: int = 0


def tell_binary_kind(file: IO[bytes], name: str) -> str:
    """Return PARQUET, WORKBOOK or TEXT by the first bytes of an unpacked file; leave it at its start."""
    file.seek(0)
    start = file.read(8)
    file.seek(0)
    if start.startswith(PARQUET_START):
        return PARQUET
    if start.startswith(OLE_START):
        return WORKBOOK
    if start.startswith(ZIP_START):
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
        if not any(each.startswith("xl/") or each == "content.xml" for each in names):
            what = "a Word document" if any(each.startswith("word/") for each in names) else "a packed file"
            raise FileProblem(name, "binary", what=what)
        file.seek(0)
        return WORKBOOK
    return TEXT


def tell_text_kind(sample: str, name: str) -> TextKind:
    """Return the kind of a text file by its beginning; a FileProblem for a web page and for what is not text."""
    if WEB_PAGE.match(sample) and not _has_json_name(name):
        page = not XML.match(sample) or re.search(r"<(html|table)\b", sample, re.IGNORECASE)
        if page and "<Workbook" not in sample:
            raise FileProblem(name, "html")
        raise FileProblem(name, "binary", what="an XML document")
    controls = len(CONTROLS.findall(sample))
    if controls > max(10, 0.02 * len(sample)):
        raise FileProblem(name, "binary", what="a binary file")
    text = sample.lstrip("\ufeff \t\r\n\0")
    for start, what in DOCUMENTS.items():
        if re.match(start, text):
            raise FileProblem(name, "binary", what=what)
    at = len(sample) - len(text)
    if re.match(r'\{\s*("|\}|$)', text) or (text.startswith("{") and _has_json_name(name)):
        return _kind_of_objects(text, at, name)
    if re.match(r"\[\s*(\{|\[|\]|$)", text):
        if not re.match(r"\[\s*(\{|$)", text):
            raise FileProblem(name, "json_columns" if text[1:].strip() != "]" else "no_rows")
        return TextKind(JSON, at + 1)
    return TextKind(JSON_LINES if _has_json_name(name) else DELIMITED)


def _has_json_name(name: str) -> bool:
    return name.lower().removesuffix(".gz").removesuffix(".zip").endswith(JSON_NAMES)


def _kind_of_objects(text: str, at: int, name: str) -> TextKind:
    """Tell one object a line from objects over several lines, and from a list of objects under a key."""
    line, _, rest = text.partition("\n")
    try:
        whole = json.loads(line)
    except (ValueError, RecursionError):
        whole = None
    if isinstance(whole, dict) and rest.strip("\ufeff \t\r\n\0"):
        return TextKind(JSON_LINES)
    start = _find_list(text)
    if start is not None:
        return TextKind(JSON, at + start)
    if isinstance(whole, dict):
        values = list(whole.values())
        if values and all(isinstance(each, dict | list) for each in values):
            raise FileProblem(name, "json_columns")
        return TextKind(JSON_LINES)
    if _are_concatenated(text):
        return TextKind(JSON, at)
    # An object that is spread over lines begins with a line that no record of JSON Lines can be.
    return TextKind(JSON, at) if re.match(r'\{\s*\r?\n\s*"', text) else TextKind(JSON_LINES)


def _are_concatenated(text: str) -> bool:
    """Return whether an object follows another one on its line."""
    try:
        _, end = DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return re.compile(r"[ \t,]*\{").match(text, end) is not None


def _find_list(text: str) -> int | None:
    """Return where the first list of objects in an object begins, after its bracket, or None."""
    at, blank = 1, re.compile(r"[\s,]*")
    try:
        while True:
            at = blank.match(text, at).end()  # type: ignore[union-attr]
            key, at = DECODER.raw_decode(text, at)
            colon = re.compile(r"\s*:\s*").match(text, at)
            if not isinstance(key, str) or colon is None:
                return None
            at = colon.end()
            if found := re.compile(r"\[\s*(?=\{)").match(text, at):
                return found.start() + 1
            if found := re.compile(r'\{(?=\s*")').match(text, at):
                inner = _find_list(text[at:])
                if inner is not None:
                    return at + inner
            _, at = DECODER.raw_decode(text, at)
    except (ValueError, IndexError, RecursionError):
        return None
