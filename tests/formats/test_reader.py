"""Reading files of tickets: what is in them arrives unchanged, and a fault is one line that says what to do."""

import contextlib
import csv
import gzip
import io
import json
import subprocess
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from callcenterai.formats.problems import Fault, FileProblem
from callcenterai.formats.reader import open_tickets
from callcenterai.formats.rows import MAX_ROW, ReadOptions, Row
from support.file_cases import workbook
from support.repository import REPOSITORY
from support.thoroughness import rounds
from support.tickets import invent

COLUMNS = ("text", "category")
HEADER = b"text,category\n"
TWO = [Row(1, ("hello there", "A")), Row(2, ("good bye", "B"))]


@pytest.fixture
def read(tmp_path):
    def read_bytes(content: bytes, name: str = "t.csv", **options) -> list[Row]:
        (tmp_path / name).write_bytes(content)
        with open_tickets(tmp_path / name, COLUMNS, ReadOptions(**options)) as file:
            return list(file.rows())

    return read_bytes


def parquet(**columns) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


SAME = {
    "no final line end": ("t.csv", b"text,category\nhello there,A\ngood bye,B"),
    "a mark and a quoted header": ("t.csv", b'\xef\xbb\xbf"text","category"\n"hello there","A"\n"good bye","B"\n'),
    "two marks": ("t.csv", b"\xef\xbb\xbf\xef\xbb\xbftext,category\nhello there,A\ngood bye,B\n"),
    "mixed line ends": ("t.csv", b"text,category\r\nhello there,A\ngood bye,B\r"),
    "same name twice elsewhere": ("t.csv", b"x,x,category,text\n1,2,A,hello there\n1,2,B,good bye\n"),
    "title lines": ("t.csv", b"Export of tickets\n" + b"\n".join(b"line %d" % n for n in range(15)) + b"\n" + HEADER
                    + b"hello there,A\ngood bye,B\n"),
    "row names of R": ("t.csv", b'"text","category"\n"1","hello there","A"\n"2","good bye","B"\n'),
    "two gzip members": ("t.csv.GZ", gzip.compress(HEADER) + gzip.compress(b"hello there,A\ngood bye,B\n")),
    "gzip twice": ("t.csv.gz", gzip.compress(gzip.compress(HEADER + b"hello there,A\ngood bye,B\n"))),
    "JSON Lines": (
        "t.jsonl",
        b'{"text": "hello there", "category": "A"}\n\n{"x": [1], "category": "B", "text": "good bye"}\r\n',
    ),
    "JSON with a label list": (
        "t.json",
        b'[{"text": "hello there", "category": ["A"]}, {"text": "good bye", "category": ["B"]}]',
    ),
    "JSON objects within objects": (
        "t.json",
        b'{"n": 2, "data": {"rows": [{"text": "hello there", "category": "A"},{"text": "good bye", "category": "B"}]}}',
    ),
    "Parquet, categories": (
        "t.parquet.gz",
        gzip.compress(
            parquet(text=["hello there", "good bye"], category=pyarrow.array(["A", "B"]).dictionary_encode())
        ),
    ),
    "Parquet with a list": ("t.parquet", parquet(text=["hello there", "good bye"], category=[["A"], ["B"]])),
    "title page in a workbook": (
        "t.xlsx",
        workbook({"Read me": [["Tickets of"], ["2025"]], "S": [COLUMNS, ("hello there", "A"), ("good bye", "B")]}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name, content", SAME.values(), ids=SAME.keys())
def test_all_formats_give_the_same_tickets(read, name, content):
    assert TWO == read(content, name)


def test_importing_formats_loads_no_heavy_library():
    """The images of the services have none of them."""
    code = (
        "import sys, callcenterai.formats.reader, callcenterai.formats.delimited, callcenterai.formats.opening\n"
        "heavy = {'numpy', 'pandas', 'pyarrow', 'pydantic', 'yaml'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)


def test_without_pyarrow_a_parquet_file_is_one_problem(tmp_path):
    """As in the image of the pages."""
    path = tmp_path / "t.parquet"
    path.write_bytes(parquet(text=["a"], category=["A"]))
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from pathlib import Path\n"
        "from callcenterai.formats.problems import FileProblem\n"
        "from callcenterai.formats.reader import open_tickets\n"
        "try:\n    open_tickets(Path(sys.argv[1])).__enter__()\n"
        "except FileProblem as problem:\n    print(problem.kind)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout == "no_parquet\n"


def test_numbers_become_text_and_missing_values_none(read):
    lines = b'{"text": 5, "category": 1.5}\n{"text": null, "category": NaN}\n{"text": ""}\n{"category": 3}\n'
    expected = [Row(1, ("5", "1.5")), Row(2, (None, None)), Row(3, ("", None)), Row(4, (None, "3"))]
    assert expected == read(lines, "t.jsonl")
    table = parquet(text=["a", None, "b"], category=[1, 2, None])
    assert [Row(1, ("a", "1")), Row(2, (None, "2")), Row(3, ("b", None))] == read(table, "t.parquet")


def test_several_labels_in_a_list_are_written_like_those_in_a_cell(read):
    """So that prepare reports them alike."""
    assert read(b'[{"text": "a", "category": ["A", "B"]}, {"text": "b", "category": []}]', "t.json") == [
        Row(1, ("a", "A; B")),
        Row(2, ("b", None)),
    ]


def test_a_ticket_of_2_mb_is_read_whole(read):
    assert [Row(1, ("x" * 2_000_000, "A"))] == read(HEADER + b"x" * 2_000_000 + b",A\n")


ENCODED = {
    "cp932": "ログインできません、パスワードを忘れました",
    "euc_jp": "ログインできません、パスワードを忘れました",
    "iso2022_jp": "ログインできません、パスワードを忘れました",
    "gb18030": "昨天的快递一直没有收到，请帮忙查询",
    "big5": "昨天的包裹一直沒有收到，請幫忙查詢",
    "cp949": "프린터가 작동하지 않습니다, 확인 부탁드립니다",
    "iso2022_kr": "비밀번호를 잊어버렸습니다",
    "cp1251": "Принтер не печатает, замялась бумага",
    "koi8_r": "Принтер не печатает, замялась бумага",
    "cp1253": "Δεν μπορώ να συνδεθώ, ξέχασα τον κωδικό",
    "cp1255": "שכחתי את הסיסמה ואני לא יכול להתחבר",
    "cp1256": "نسيت كلمة المرور ولا أستطيع الدخول",
    "cp874": "ลืมรหัสผ่านเข้าระบบไม่ได้",
    "cp1250": "Nemohu se přihlásit, zapomněl jsem heslo",
    "iso8859_2": "Drukarka nie działa, zaciął się papier, proszę o pomoc",
    "cp1254": "Şifremi unuttum, giriş yapamıyorum, yazıcı çalışmıyor",
    "cp1257": "Nevaru pieslēgties, aizmirsu paroli, lūdzu palīdziet šodien",
    "iso8859_15": "Prix 50 € trop élevé, remboursement demandé",
    "cp850": "Drücker geht nicht, Papier klemmt über Nacht, Grüße",
    "mac_roman": "Le réseau coupe à l’étage, mot de passe « périmé »",
    "utf-16-le": "Le réseau coupe à l’étage",
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_the_encoding_is_told_by_the_content(read, encoding):
    """Of a file without a mark, in which only the texts are beyond ASCII."""
    text = ENCODED[encoding]
    rows = [f'"{text} {number}",{"AB"[number % 2]}\n' for number in range(60)]
    content = ("text,category\n" + "".join(rows)).encode(encoding)
    assert [row.values for row in read(content)] == [(f"{text} {n}", "AB"[n % 2]) for n in range(60)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "iso2022_jp", "cp932", "utf-7"])
def test_a_file_that_is_cut_within_a_character_loses_only_its_last_row(read, encoding):
    content = ("text,category\n" + "ログインできません,A\n" * 60).encode(encoding)
    *good, last = read(content[:-1] + b"\x1b" if encoding == "iso2022_jp" else content[:-7], encoding=encoding)
    assert [row.values for row in good[:59]] == [("ログインできません", "A")] * 59 and last.number in (60, 61)


def test_quotes_that_are_none_stay_in_the_text(read):
    """Database programs write tab-separated texts without quoting."""
    rows = [f'"unbalanced {n} and 19" wide\t{"AB"[n % 2]}\n' if n % 3 else f"plain {n}\tA\n" for n in range(30)]
    found = read(("text\tcategory\n" + "".join(rows)).encode(), "t.tsv")
    assert [row.values for row in found] == [tuple(row.rstrip("\n").split("\t")) for row in rows]


@pytest.mark.parametrize("length", [MAX_ROW + 100, 3 * MAX_ROW])
def test_an_over_long_record_of_a_json_list_loses_no_other(read, length):
    record = '{"text": "a", "category": "A"},\n'
    content = "[" + record * 3 + '{"text": "' + "x" * length + '", "category": "A"},' + record * 3 + "]"
    found = read(content.encode(), "t.json")
    assert [row.fault for row in found] == [None] * 3 + [Fault.OVER_LONG] + [None] * 3
    assert [row.number for row in found] == list(range(1, 8)) and len(found[3].raw) <= 200


RECORD = b'{"text": "a b c", "category": "A"}\n'
SETTINGS = "name the columns with --text-column and --label-column (text_column and label_column in params.yaml)"
EMPTY = " is empty; check the export that made it"
MANY = b"".join(b"x%d,A,\n" % n for n in range(50))


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return buffer.getvalue()


BROKEN = {
    "empty": ("t.csv", b"", EMPTY),
    "white space": ("t.tsv", b" \n\t\r\n", EMPTY),
    "byte order mark alone": ("t.csv", b"\xef\xbb\xbf\n", EMPTY),
    "gzipped nothing": ("t.csv.gz", gzip.compress(b""), EMPTY),
    "empty workbook": ("t.xlsx", workbook({"S": []}), EMPTY),
    "header only": ("t.csv", HEADER, " holds no ticket, only a header; check the export that made it"),
    "Parquet without rows": ("t.parquet", parquet(text=[], category=[]), " holds no ticket, only a header"),
    "workbook without rows": ("t.xlsx", workbook({"S": [COLUMNS]}), " holds no ticket, only a header"),
    "missing column": ("t.csv", b"body,category\nx,A\n", f"no column 'text'; there are 'body', 'category'; {SETTINGS}"),
    "near miss": ("t.csv", b"text,Categorie\nx,A\n", "no column 'category'; there are 'text', 'Categorie' (did you"),
    "no header": ("t.csv", b"my laptop is slow,A\nyour desk is high,B\nher,A\n", "has no header: its first row is 'my"),
    "other separator": ("t.csv", b"text~category\nx~A\n", "no column 'text'; there are 'text~category'"),
    "column twice": ("t.csv", b"text,category,text\n", "more than one column 'text'; there are 'text', "),
    "missing key": ("t.jsonl", b'{"text": "a"}\n', " has no column 'category'; there are 'text'; "),
    "no key at all": ("t.jsonl", b"{}\n", " has no column 'text'; there are none; "),
    "missing Parquet column": ("t.parquet", parquet(text=["a"]), " has no column 'category'; there are 'text'; "),
    "two sheets": (
        "t.xlsx",
        workbook({"A": [COLUMNS, ("a", "A")], "B": [COLUMNS, ("b", "B")]}),
        " has 2 sheets ('A', 'B') and more than one of them has the columns 'text', 'category'; name one with --sheet",
    ),
    "no encoding": ("t.csv", HEADER + bytes(range(128, 256)) * 40, " is not UTF-8 and its encoding cannot be told; "),
    "closed too early": ("t.csv", HEADER + b'"say "no"",A\n', "1 broken_quoting; the first is row 1, '\"say"),
    "too many fields": ("t.csv", HEADER + b"one,two,A\n", "1 field_count; the first is row 1, 'one,two,A'. Put"),
    "too few fields": ("t.tsv", b"text\tcategory\nalone\n", "1 field_count; the first is row 1, 'alone'. Put texts"),
    "half a surrogate pair": ("t.jsonl", RECORD.replace(b"a b", b"\\ud83d"), "1 undecodable; the first is row 1"),
    "not JSON": ("t.jsonl", b"{text: 1}\n[1]\n", "2 not_json; the first is row 1, '{text: 1}'. Each line"),
    "a list of lists": ("t.json", b'[["text", "category"], ["a", "A"]]', " holds no list of records; write a list"),
    "columns of JSON": ("t.json", b'{"text": {"0": "a"}, "category": {"0": "A"}}', " holds no list of records; write"),
    "deep JSON": ("t.jsonl", b"[" * 200_000, " holds no list of records; "),
    "an object for a text": ("t.jsonl", b'\n{"text": {"a": 1}, "category": "A"}', "1 not_text; the first is row 1"),
    "numbers for a text": ("t.parquet", parquet(text=[[1, 2]], category=["A"]), "1 not_text; the first is row 1"),
    "bytes that are no text": ("t.parquet", parquet(text=[b"\xff"], category=["A"]), "1 not_text; the first is row 1"),
    "truncated gzip": ("t.csv.gz", gzip.compress(HEADER)[:-9], " is not a complete gzip file ("),
    "truncated zip": ("t.zip", archive(t=HEADER)[:-9], " is not a zip archive that can be read ("),
    "two members": ("t.zip", archive(a=HEADER, b=HEADER), " is a zip archive of 2 files (a, b); unpack it and give"),
    "truncated workbook": ("t.xlsx", workbook({"S": [COLUMNS]})[:-99], " is not a workbook that can be read ("),
    "truncated Parquet": ("t.parquet", parquet(text=["a"])[:-9], " is not a readable Parquet file ("),
    "web page": ("t.xls", b"<html><body><table><tr><td>text</td></tr></table>", " is a web page (HTML), what"),
    "XML workbook": ("t.xls", b'<?xml version="1.0"?><Workbook><Worksheet><Table/>', " is an XML document, not a"),
    "PDF": ("t.csv", b"%PDF-1.7\n" + HEADER, " is a PDF, not a table of tickets; export"),
    "SQL": ("t.sql", b"INSERT INTO t VALUES (1, 'a');\n", " is an SQL script, not a table of tickets; export"),
    "random bytes": ("tickets", bytes(range(256)) * 9, " is a binary file, not a table of tickets; export"),
    "many columns": ("t.csv", b",".join(b"c%d" % n for n in range(100_000)), " has more than 16,384 columns, the most"),
    "one long line": ("t.csv", b"x" * (MAX_ROW + 9), " has no column 'text'; there are 'xxx"),
    "bomb": ("t.csv.gz", gzip.compress(bytes(250 * 2**20), 1), " MB, 200 times its size; unpack it yourself"),
    "far cell of a sheet elsewhere": (
        "t.xlsx",
        workbook({"S": [COLUMNS, ("a", "A")]}, "XFD1048576", folder="data"),
        " has a sheet of 1,048,576 rows and",
    ),
    "far cell in other quotes": (
        "t.xlsx",
        workbook({"S": [COLUMNS, ("a", "A")]}, "xfd1048576", quote="'"),
        " has a sheet of 1,048,576 rows and",
    ),
    "many keys": ("t.json", json.dumps([dict.fromkeys(range(20_000))]).encode(), " has more than 16,384 columns"),
    "packed three times": ("t.csv", gzip.compress(gzip.compress(gzip.compress(HEADER))), " is packed more than twice"),
    "far cell": ("t.xlsx", workbook({"S": [COLUMNS, ("a", "A")]}, "XFD1048576"), " has a sheet of 1,048,576 rows and"),
}  # fmt: skip


HOSTILE = {
    "tags that never end": ("t.xlsx", archive(**{"[Content_Types].xml": b"", "xl/a.xml": b"<c " * 300_000 + b">"})),
    "blanks after a bracket": ("t.json", b"[{bad}" + b" " * 1_000_000 + b"x"),
    "repeated without end": (
        "t.ods",
        archive(mimetype=b"", **{"content.xml": b'<table:table-row number-rows-repeated="' + b"9" * 9_000 + b'">'}),
    ),
    "marks in a name": ("t.csv", ("text" + "\u0301\u0323" * 500_000 + ",category\n").encode()),
}


@pytest.mark.parametrize("name, content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_file_that_was_made_to_take_for_ever_is_refused_in_seconds(tmp_path, name, content):
    """Each took minutes or hours, or ended in a traceback. Five seconds leave room for slow machines."""
    (tmp_path / name).write_bytes(content)
    started = time.process_time()
    with contextlib.suppress(FileProblem), open_tickets(tmp_path / name, COLUMNS) as file:
        assert [row.values for row in file.rows()] == [None]
    assert time.process_time() - started < 5


@pytest.mark.parametrize("name, content, expected", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_one_error_line_and_leaves_the_outputs(prepare, error_line, name, content, expected):
    prepare.output.mkdir()
    (prepare.output / "train.csv").write_text("as before", encoding="utf-8")
    before = prepare.files()
    path = prepare.folder / name
    path.write_bytes(content)
    assert prepare.run(path) == 2
    message = error_line()
    assert message.startswith(str(path)) and expected in message
    assert before == prepare.files()


@pytest.mark.parametrize(
    "changes, expected",
    [
        (
            {"delimiter": '"'},
            " cannot be read with the delimiter '\"'; give one character",
        ),
        ({"encoding": "klingon"}, " cannot be read as 'klingon', which is no encoding that Python knows; name another"),
        ({"encoding": "base64"}, " cannot be read as 'base64', which is no encoding that Python knows; name another"),
        (
            {"header": False, "text_column": "1", "label_column": "3"},
            "named by its number from 1 to 2, and '3' is none",
        ),
        (
            {"header": False},
            "named by its number from 1 to 2, and 'text' is none; there are 1 is 'text', 2 is 'category'",
        ),
    ],
)
def test_an_option_that_does_not_fit_is_one_error_line(prepare, error_line, changes, expected):
    assert prepare.run(prepare.write(invent(60)), **changes) == 2
    assert expected in error_line()


def test_a_sheet_that_does_not_exist_is_an_error_with_the_names_of_those_that_do(prepare, error_line):
    path = prepare.folder / "t.xlsx"
    path.write_bytes(workbook({"Tickets": [COLUMNS, ("a", "A")]}))
    assert prepare.run(path, sheet="Ticket") == 2
    assert error_line().endswith(" has no sheet 'Ticket'; there are 'Tickets'")


def test_parquet_text_that_is_not_utf_8_is_an_error(read):
    """pyarrow reads such a file without an error and fails only when its strings are used."""
    broken = pyarrow.StringArray.from_buffers(1, pyarrow.py_buffer(b"\0\0\0\0\4\0\0\0"), pyarrow.py_buffer(b"caf\xe9"))
    with pytest.raises(FileProblem, match="is not a readable Parquet file .*can't decode byte 0xe9"):
        read(parquet(text=broken, category=["A"]), "t.parquet")


def test_a_missing_file_and_a_folder_are_errors(prepare, error_line):
    missing = prepare.folder / "nowhere.csv"
    assert prepare.run(missing) == 2
    assert error_line() == (
        f"{missing} does not exist: no such file; check the path, or make the sample with "
        "`python scripts/make_sample_tickets.py data/raw/tickets.csv`"
    )
    (prepare.folder / "folder.csv").mkdir()
    assert prepare.run(prepare.folder / "folder.csv") == 2
    assert error_line().startswith(f"{prepare.folder / 'folder.csv'}: ")


# Text has few control characters; a file that is full of them is taken for a binary one.
CONTROLS = "".join(map(chr, (*range(9), *range(14, 32))))
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=CONTROLS), max_size=30)
TABLE = st.lists(st.tuples(ANY_TEXT, ANY_TEXT), min_size=1, max_size=8)
PIECES = [
    *(b'"', b"'", b"\\", b",", b";", b"\t", b"\n", b"\r", b"\0", b"\x1b$B", b"\xff", b"\xfe", b"{", b"}", b"["),
    *(b'"text": 1', b'"category":', b"\xef\xbb\xbf", b"1e999", b"sep=;\n", b"PK\x03\x04", b"<table>"),
]
NEARLY = st.lists(st.sampled_from([HEADER, RECORD, *PIECES]) | st.binary(max_size=5), max_size=12).map(b"".join)
FUZZED = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=rounds(100, 1000)
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "header": st.booleans(),
        "delimiter": st.sampled_from([";", "|", "tab", "", "'"]),
        "encoding": st.sampled_from(["utf-8", "utf-16", "utf-7", "cp932", "iso2022_jp", "gb18030", "idna", "hex"]),
    },
)


@FUZZED
@given(
    content=st.binary(max_size=80) | NEARLY,
    name=st.sampled_from(["t.csv", "t.json", "t.jsonl", "t.csv.gz", "t.zip", "t.xlsx", "t.parquet"]),
    options=OPTIONS,
)
@example(content=b"text,category\n\xff,A\n", name="t.csv", options={"encoding": "utf-7"})
def test_any_bytes_give_rows_or_one_clear_error(read, content, name, options):
    try:
        rows = read(content, name, **options)
    except FileProblem as error:
        assert "t." in str(error)
    else:
        assert [row.number for row in rows] == list(range(1, len(rows) + 1)) and rows
        assert all((row.values is None) == bool(row.fault) for row in rows)
        str(rows).encode()


@FUZZED
@given(content=NEARLY, cut=st.integers(0, 80), flipped=st.integers(0, 80))
def test_any_broken_gzip_gives_rows_or_one_clear_error(read, content, cut, flipped):
    packed = bytearray(gzip.compress(content, mtime=0))
    packed[flipped % len(packed)] ^= 0x10
    for damaged in (bytes(packed), gzip.compress(content)[:cut]):
        try:
            assert read(damaged, "t.jsonl.gz")
        except FileProblem as error:
            assert "t.jsonl.gz" in str(error)


@FUZZED
@given(
    table=TABLE,
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\r\n", "\n"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
)
@example(table=[('a\rb\nc\r\n"', "\ufeff")], delimiter=",", line_end="\n", quoting=csv.QUOTE_ALL)
def test_any_csv_written_by_python_reads_back_the_same(read, table, delimiter, line_end, quoting):
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
    writer.writerows([COLUMNS, *table])
    expected = [Row(number, row) for number, row in enumerate(table, start=1)]
    assert expected == read(buffer.getvalue().encode())


@FUZZED
@given(table=TABLE, ascii_only=st.booleans(), as_list=st.booleans())
def test_any_json_written_by_python_reads_back_the_same(read, table, ascii_only, as_list):
    records = [dict(zip(COLUMNS, row, strict=True)) for row in table]
    lines = [json.dumps(record, ensure_ascii=ascii_only) for record in records]
    content = json.dumps(records, ensure_ascii=ascii_only) if as_list else "\n".join(lines)
    expected = [Row(number, row) for number, row in enumerate(table, start=1)]
    assert expected == read(content.encode(), "t.json" if as_list else "t.jsonl")


LONG = [{"text": f"{number} " + "word " * 200, "category": "A"} for number in range(20_000)]


def write_long_tickets(path: Path) -> Path:
    """Write 20,000 tickets of 1,000 characters."""
    frame = pd.DataFrame(LONG)
    if ".parquet" in path.name:
        # With compression, these repeated words would make a small file.
        content = frame.to_parquet(compression=None, use_dictionary=False)
    elif ".json" in path.name:
        content = frame.to_json(orient="records", lines=".jsonl" in path.name).encode()
    else:
        content = frame.to_csv(index=False, sep="\t" if ".tsv" in path.name else ",").encode()
    assert len(content) > 20e6
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.tsv.gz", "t.jsonl", "t.json", "t.parquet", "t.parquet.gz"])
def test_reading_takes_little_memory_whatever_the_size_of_the_file(tmp_path, name):
    """What is unpacked waits on disk, but for its first 16 MB."""
    path = write_long_tickets(tmp_path / name)
    bound = 40e6 if name.endswith(".gz") else 12e6
    arrow = before = pyarrow.total_allocated_bytes()
    tracemalloc.start()
    try:
        with open_tickets(path, COLUMNS) as file:
            for number, row in enumerate(file.rows()):
                assert row == (number + 1, tuple(LONG[number].values()), None, "")
                arrow = max(arrow, pyarrow.total_allocated_bytes())
        assert number == 19_999
        assert arrow - before + tracemalloc.get_traced_memory()[1] < bound
    finally:
        tracemalloc.stop()
