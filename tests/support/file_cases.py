"""The same tickets in files as people's programs write them, for every way in which tickets are read."""

import csv
import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from callcenterai.formats.reader import ReadOptions

LABELS = ("Accès", "Réseau", "Matériel")
HEADER = ["id", "texte", "catégorie"]
TICKETS = [
    (str(1000 + n), text, LABELS[n % 3])
    for n in range(60)
    for text in [
        (
            f"Accès refusé n° {n}, mot de passe « périmé » ; aidez-moi",
            f'Le réseau coupe, il affiche "erreur {n}" à l’étage',
            f"Imprimante {n} à bout de souffle\nelle n'imprime que du gris",
        )[n % 3]
    ]
]
TEXTS = [text for _, text, _ in TICKETS]


class FileCase(NamedTuple):
    """A file that holds TICKETS: its name and content, and what its reader must be told."""

    name: str
    content: bytes
    options: ReadOptions = ReadOptions()
    columns: tuple[str, str] = ("texte", "catégorie")
    # How many of its rows cannot be read; they stand after the tickets.
    unreadable: int = 0


def written(header: bool = True, end: str = "\r\n", tickets: Any = TICKETS, **dialect: Any) -> str:
    """Return the tickets as csv.writer writes them."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator=end, **dialect).writerows([*([HEADER] if header else []), *tickets])
    return buffer.getvalue()


def records() -> list[dict[str, str]]:
    return [dict(zip(HEADER, ticket, strict=True)) for ticket in TICKETS]


def zipped(content: bytes, name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
        archive.writestr("__MACOSX/._" + name, b"hidden")
    return buffer.getvalue()


def parquet(as_bytes: bool = False) -> bytes:
    """Return a Parquet file; some programs write its texts as bytes."""
    import pyarrow
    import pyarrow.parquet

    buffer = io.BytesIO()
    columns = dict(zip(HEADER, zip(*TICKETS, strict=True), strict=True))
    encode = str.encode if as_bytes else str
    pyarrow.parquet.write_table(pyarrow.table({k: list(map(encode, values)) for k, values in columns.items()}), buffer)
    return buffer.getvalue()


def workbook(sheets: dict[str, list[Any]], far_cell: str = "", folder: str = "worksheets", quote: str = '"') -> bytes:
    """Return an .xlsx with these sheets, written part by part as its format wants it.

    A far cell makes a sheet large. Programs may name the folder of the sheets and quote attributes as they like.
    """
    from xml.sax.saxutils import escape

    names = {f"xl/{folder}/sheet{n}.xml": name for n, name in enumerate(sheets, start=1)}
    spreadsheet = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(sheets, start=1)
    )
    targets = "".join(
        f'<Relationship Id="rId{n}" Type="{relations}/worksheet" Target="{folder}/sheet{n}.xml"/>'
        for n in range(1, len(sheets) + 1)
    )
    overrides = "".join(f'<Override PartName="/{part}" ContentType="{kind}.worksheet+xml"/>' for part in names)
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" ContentType='
        f'"application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" '
        f'ContentType="{kind}.sheet.main+xml"/>{overrides}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{spreadsheet}" xmlns:r="{relations}"><sheets>{listed}</sheets>'
        "</workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">{targets}</Relationships>',
    }
    for part, name in names.items():
        rows = "".join(
            f'<row r="{row}">'
            + "".join(
                f'<c r="{chr(65 + at)}{row}" t="inlineStr"><is><t xml:space="preserve">{escape(str(cell))}</t></is></c>'
                for at, cell in enumerate(cells)
            )
            + "</row>"
            for row, cells in enumerate(sheets[name], start=1)
        )
        far = f'<row r="1048576"><c r="{far_cell}" t="inlineStr"><is><t>x</t></is></c></row>' if far_cell else ""
        far = far.replace('"', quote)
        parts[part] = f'<worksheet xmlns="{spreadsheet}"><sheetData>{rows}{far}</sheetData></worksheet>'
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, text in parts.items():
            archive.writestr(part, text)
    return buffer.getvalue()


def open_document() -> bytes:
    """Return an .ods with one sheet."""
    from xml.sax.saxutils import escape

    def cell(value: str) -> str:
        lines = "".join(f"<text:p>{escape(line)}</text:p>" for line in value.split("\n"))
        return f'<table:table-cell office:value-type="string">{lines}</table:table-cell>'

    rows = "".join(f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in [HEADER, *TICKETS])
    oasis = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        f'<office:document-content xmlns:office="{oasis}:office:1.0" xmlns:text="{oasis}:text:1.0" '
        f'xmlns:table="{oasis}:table:1.0"><office:body><office:spreadsheet><table:table table:name="S">{rows}'
        "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = f'<m:manifest xmlns:m="{oasis}:manifest:1.0"><m:file-entry m:full-path="/" m:media-type="{kind}"/>'
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", kind)
        archive.writestr("META-INF/manifest.xml", manifest + "</m:manifest>")
        archive.writestr("content.xml", content)
    return buffer.getvalue()


PLAIN = written()
SINGLE = written(delimiter=";", quotechar="'", quoting=csv.QUOTE_ALL)
BACKSLASH = written(doublequote=False, escapechar="\\", quoting=csv.QUOTE_ALL)
TRAILING = written(tickets=[(*ticket, "") for ticket in TICKETS])
SPACES = PLAIN.replace("id,texte,catégorie", " ID, Texte ,CATÉGORIE", 1)
NUL_PADDED = PLAIN.encode() + b"\0" * 4096
DAMAGED = PLAIN.encode() + "1060,\xe9t\xe9,Acc\xe8s\r\n".encode("latin-1")
LINES = "\n".join(json.dumps(record, ensure_ascii=False) for record in records())
ARRAY = json.dumps(records(), ensure_ascii=False)
EMPTY_SHEET: dict[str, list[Any]] = {"Notes": [["nothing", "here"]], "Tickets": [HEADER, *TICKETS]}

SHIFTED = [["", "", *row] for row in [HEADER, *TICKETS]]
# Made of TICKETS by xlwt: no library that we have writes this format.
OLD_WORKBOOK = Path(__file__).with_name("tickets.xls").read_bytes()

CASES = {
    "plain": FileCase("t.csv", PLAIN.encode()),
    "UTF-8 with a mark": FileCase("t.csv", PLAIN.encode("utf-8-sig")),
    "UTF-16": FileCase("t.csv", PLAIN.encode("utf-16")),
    "UTF-16 without a mark": FileCase("t.csv", PLAIN.encode("utf-16-be")),
    "UTF-32": FileCase("t.csv", PLAIN.encode("utf-32")),
    "Windows-1252": FileCase("t.csv", PLAIN.encode("cp1252")),
    "Mac": FileCase("t.csv", PLAIN.encode("mac_roman")),
    "named encoding": FileCase("t.csv", PLAIN.encode("utf-7"), ReadOptions(encoding="utf-7")),
    "damaged UTF-8": FileCase("t.csv", DAMAGED, unreadable=1),
    "NUL padding": FileCase("t.csv", NUL_PADDED),
    "semicolons": FileCase("t.csv", written(delimiter=";").encode()),
    "tabs": FileCase("t.csv", written(delimiter="\t").encode()),
    "pipes": FileCase("t.txt", written(delimiter="|").encode()),
    "named delimiter": FileCase("t.csv", written(delimiter="~").encode(), ReadOptions(delimiter="~")),
    "sep line": FileCase("t.csv", ("sep=;\r\n" + written(delimiter=";")).encode("utf-8-sig")),
    "single quotes": FileCase("t.csv", SINGLE.encode()),
    "backslash quotes": FileCase("t.csv", BACKSLASH.encode()),
    "spaces after commas": FileCase("t.csv", written(quoting=csv.QUOTE_ALL).replace('","', '", "').encode()),
    "LF": FileCase("t.csv", written(end="\n").encode()),
    "CR": FileCase("t.csv", written(end="\r", quoting=csv.QUOTE_ALL).encode()),
    "blank lines": FileCase("t.csv", ("\r\n\r\n" + PLAIN + "\r\n  \r\n").encode()),
    "title line": FileCase("t.csv", ("Export des tickets 2025\r\n\r\n" + PLAIN).encode()),
    "padded title line": FileCase("t.csv", ("Export des tickets,,\r\n" + PLAIN).encode()),
    "trailing separators": FileCase("t.csv", TRAILING.encode()),
    "trailing separators in the header": FileCase("t.csv", TRAILING.replace("gorie\r", "gorie,\r", 1).encode()),
    "header in another case": FileCase("t.csv", SPACES.encode()),
    "row names": FileCase("t.csv", written(tickets=[(n, *row) for n, row in enumerate(TICKETS, 1)]).encode()),
    "total line": FileCase("t.csv", (PLAIN + "Total: 60 tickets\r\n").encode(), unreadable=1),
    "cut-off last row": FileCase("t.csv", (PLAIN + '1060,"le dernier ticket éta').encode(), unreadable=1),
    "no header": FileCase("t.csv", written(header=False).encode(), ReadOptions(header=False), ("2", "3")),
    "JSON Lines": FileCase("t.jsonl", LINES.encode()),
    "JSON Lines of another name": FileCase("t.csv", ("\n\n" + LINES + "\n").encode()),
    "JSON array": FileCase("t.json", ARRAY.encode("utf-8-sig")),
    "JSON under a key": FileCase("t.json", f'{{"total": 60, "result": {{"n": [1], "rows": {ARRAY}}}}}'.encode()),
    "JSON objects one after the other": FileCase("t.json", LINES.replace("\n", "").encode()),
    "JSON over several lines": FileCase("t.json", json.dumps(records(), indent=2).encode()),
    "JSON in UTF-16": FileCase("t.json", ARRAY.encode("utf-16")),
    "Parquet": FileCase("t.parquet", parquet()),
    "Parquet of bytes": FileCase("t.parquet", parquet(as_bytes=True)),
    "Parquet of another name": FileCase("t.csv", parquet()),
    "workbook": FileCase("t.xlsx", workbook(EMPTY_SHEET)),
    "workbook of another name": FileCase("t.csv", workbook(EMPTY_SHEET)),
    "named sheet": FileCase("t.xlsx", workbook({"A": [HEADER], "b": [HEADER, *TICKETS]}), ReadOptions(sheet="B")),
    "old workbook": FileCase("t.xls", OLD_WORKBOOK),
    "cells far from the edge": FileCase("t.xlsx", workbook({"S": [[], ["", "", "Export"], [], *SHIFTED]})),
    "OpenDocument": FileCase("t.ods", open_document()),
    "gzip": FileCase("t.csv.gz", gzip.compress(PLAIN.encode("cp1252"))),
    "gzip of another name": FileCase("t.csv", gzip.compress(PLAIN.encode())),
    "gzip in a zip": FileCase("t.zip", zipped(gzip.compress(PLAIN.encode()), "t.csv.gz")),
    "zip": FileCase("t.zip", zipped(PLAIN.encode("utf-16"), "été.csv")),
}
