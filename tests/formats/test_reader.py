"""Reading tickets: all formats give the same tickets, unchanged, and an error names the exact place of a fault."""

import csv
import gzip
import io
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from callcenterai.core.cli import UserError
from callcenterai.formats.reader import Ticket, stream_tickets
from support.repository import REPOSITORY
from support.thoroughness import rounds
from support.tickets import invent

TWO = [Ticket(1, "hello there", "A"), Ticket(2, "good bye", "B")]
HEADER = b"text,category\n"


@pytest.fixture
def read(tmp_path):
    def read_bytes(content: bytes, name: str = "t.csv") -> list[Ticket]:
        (tmp_path / name).write_bytes(content)
        return list(stream_tickets(tmp_path / name, "text", "category"))

    return read_bytes


def parquet(**columns) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


SAME = {
    "plain": ("t.csv", b"text,category\nhello there,A\ngood bye,B\n"),
    "no final line end": ("t.csv", b"text,category\nhello there,A\ngood bye,B"),
    "BOM and CRLF": ("t.csv", b"\xef\xbb\xbftext,category\r\nhello there,A\r\ngood bye,B\r\n"),
    "BOM and quoted header": ("t.csv", b'\xef\xbb\xbf"text","category"\n"hello there","A"\n"good bye","B"\n'),
    "CR line ends": ("t.csv", b"text,category\rhello there,A\rgood bye,B\r"),
    "blank lines": ("t.csv", b"\n\ntext,category\n\nhello there,A\n\n\ngood bye,B\n\n"),
    "other columns": ("t.CSV", b"id,category,x,text\n7,A,,hello there\n8,B,,good bye\n"),
    "same name twice elsewhere": ("t.csv", b"x,x,category,text\n1,2,A,hello there\n1,2,B,good bye\n"),
    "TSV": ("t.tsv", b"text\tcategory\nhello there\tA\ngood bye\tB\n"),
    "gzip": ("t.csv.gz", gzip.compress(b"text,category\nhello there,A\ngood bye,B\n")),
    "two gzip members": ("t.csv.GZ", gzip.compress(HEADER) + gzip.compress(b"hello there,A\ngood bye,B\n")),
    "JSON Lines": (
        "t.jsonl",
        b'{"text": "hello there", "category": "A"}\n\n{"x": [1], "category": "B", "text": "good bye"}\r\n',
    ),
    "JSON Lines, gzipped": (
        "a.b.ndjson.gz",
        gzip.compress(b'{"text": "hello there", "category": "A"}\n{"text": "good bye", "category": "B"}'),
    ),
    "Parquet": ("t.parquet", parquet(id=[1, 2], text=["hello there", "good bye"], category=["A", "B"])),
    "Parquet, categories": (
        "t.parquet.gz",
        gzip.compress(
            parquet(text=["hello there", "good bye"], category=pyarrow.array(["A", "B"]).dictionary_encode())
        ),
    ),
}


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


def test_numbers_become_text_and_missing_values_none(read):
    lines = b'{"text": 5, "category": 1.5}\n{"text": null, "category": NaN}\n{"text": ""}\n{"category": 3}\n'
    expected = [Ticket(1, "5", "1.5"), Ticket(2, None, None), Ticket(3, "", None), Ticket(4, None, "3")]
    assert expected == read(lines, "t.jsonl")
    table = parquet(text=["a", None, "b"], category=[1, 2, None])
    assert [Ticket(1, "a", "1"), Ticket(2, None, "2"), Ticket(3, "b", None)] == read(table, "t.parquet")


def test_a_ticket_of_2_mb_is_read_whole(read):
    assert [Ticket(1, "x" * 2_000_000, "A")] == read(HEADER + b"x" * 2_000_000 + b",A\n")


RECORD = b'{"text": "a b c", "category": "A"}\n'
QUOTES = "; inside a quoted text, double quotes are written twice"
SETTINGS = "set prepare.text_column and prepare.label_column in params.yaml"
BROKEN = {
    "empty": ("t.csv", b"", " is empty; check the export that made it"),
    "white space": ("t.tsv", b" \n\t\r\n", " is empty; check the export that made it"),
    "byte order mark alone": ("t.csv", b"\xef\xbb\xbf\n", " is empty; check the export that made it"),
    "gzipped nothing": ("t.csv.gz", gzip.compress(b""), " is empty; check the export that made it"),
    "header only": ("t.csv", HEADER, " holds no ticket, only a header; check the export that made it"),
    "Parquet without rows": ("t.parquet", parquet(text=[], category=[]), " holds no ticket, only a header"),
    "missing column": ("t.csv", b"body,category\nx,A\n", f"no column 'text'; there are 'body', 'category': {SETTINGS}"),
    "wrong separator": ("t.csv", b"text;category\nx;A\n", "no column 'text'; there are 'text;category'"),
    "column twice": ("t.csv", b"text,category,text\n", "more than one column 'text'; there are 'text', "),
    "missing key": ("t.jsonl", b'{"text": "a"}\n', " has no column 'category'; there are 'text': "),
    "no key at all": ("t.jsonl", b"{}\n", " has no column 'text'; there are none: "),
    "missing Parquet column": ("t.parquet", parquet(text=["a"]), " has no column 'category'; there are 'text': "),
    "not UTF-8": ("t.csv", HEADER + b"fine,A\ncaf\xe9,B\n", " is not UTF-8: byte 0xe9 at offset 24 (line 3); save it"),
    "not UTF-8, with BOM": ("t.csv", b"\xef\xbb\xbf" + HEADER + b"\xe9,B\n", "byte 0xe9 at offset 17 (line 2)"),
    "UTF-16": ("t.csv", HEADER.decode().encode("utf-16"), "with `iconv -f UTF-16 -t UTF-8`"),
    "UTF-16 without BOM": ("t.csv", HEADER.decode().encode("utf-16-le"), " holds a NUL character in line 1; "),
    "NUL": ("t.csv", HEADER + b"fine,A\nfi\0ne,A\n", " holds a NUL character in line 3; "),
    "NUL in JSON": ("t.jsonl", RECORD + RECORD + RECORD.replace(b"a b", b"\\u0000"), ": row 3 holds a NUL"),
    "NUL in Parquet": ("t.parquet", parquet(text=["a\0"], category=["A"]), ": row 1 holds a NUL character; remove it"),
    "never closed": ("t.csv", HEADER + b'x,A\n"y,A\n', f"ends in line 3 (unexpected end of data){QUOTES}"),
    "closed too early": ("t.csv", HEADER + b'"say "no"",A\n', f"ends in line 2 (',' expected after '\"'){QUOTES}"),
    "too many fields": ("t.csv", HEADER + b'"a\nb",A\none,two,A\n', "line 4 has 3 fields where the header has 2; put"),
    "too few fields": ("t.tsv", b"text\tcategory\nfine\tA\nalone\n", "line 3 has 1 fields where the header has 2; put"),
    "half a surrogate pair": ("t.jsonl", RECORD.replace(b"a b", b"\\ud83d"), ": row 1 holds half a surrogate pair"),
    "not JSON": ("t.jsonl", RECORD + b"\n{text: 1}\n", ": line 3 is not JSON (Expecting property name"),
    "not an object": ("t.jsonl", RECORD + b"[1]\n", ": line 2 is not a JSON object"),
    "deep JSON": ("t.jsonl", b"[" * 200_000, ": line 1 is not JSON ("),
    "a list for a text": ("t.jsonl", b'\n{"text": ["a"]}', ": line 2 holds a list where a text or a label is expected"),
    "bytes for a text": ("t.parquet", parquet(text=[b"a"], category=["A"]), ": row 1 holds a bytes where a text"),
    "truncated gzip": ("t.csv.gz", gzip.compress(HEADER)[:-9], " is not a complete gzip file ("),
    "not gzip": ("t.csv.gz", HEADER, " is not a complete gzip file (Not a gzipped file (b'te')); copy"),
    "not Parquet": ("t.parquet", HEADER, " is not a readable Parquet file ("),
    "truncated Parquet": ("t.parquet", parquet(text=["a"])[:-9], " is not a readable Parquet file ("),
    "unknown kind": ("t.xlsx", b"x", "the name must end in .csv, .tsv, .jsonl, .ndjson or .parquet"),
    "no kind": ("tickets", b"x", ": unknown kind of file; "),
}  # fmt: skip


@pytest.mark.parametrize("name, content, expected", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_one_error_line_and_leaves_the_outputs(prepare, error_line, name, content, expected):
    assert prepare.run(prepare.write(invent(60))) == 0
    before = prepare.files()
    path = prepare.folder / name
    path.write_bytes(content)
    assert prepare.run(path) == 2
    message = error_line()
    assert message.startswith(str(path)) and expected in message
    assert before == prepare.files()


def test_parquet_text_that_is_not_utf_8_is_an_error(read):
    """pyarrow reads such a file without an error and fails only when its strings are used."""
    broken = pyarrow.StringArray.from_buffers(1, pyarrow.py_buffer(b"\0\0\0\0\4\0\0\0"), pyarrow.py_buffer(b"caf\xe9"))
    with pytest.raises(UserError, match="is not a readable Parquet file .*can't decode byte 0xe9"):
        read(parquet(text=broken, category=["A"]), "t.parquet")


def test_a_missing_file_and_a_folder_are_errors(prepare, error_line):
    missing = prepare.folder / "nowhere.csv"
    assert prepare.run(missing) == 2
    assert error_line() == (
        f"{missing}: no such file; set prepare.input, test_input and feedback_input in params.yaml to your tickets, "
        "or make the sample with `python scripts/make_sample_tickets.py data/raw/tickets.csv`"
    )
    (prepare.folder / "folder.csv").mkdir()
    assert prepare.run(prepare.folder / "folder.csv") == 2
    assert error_line().startswith(f"{prepare.folder / 'folder.csv'}: ")


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
TABLE = st.lists(st.tuples(ANY_TEXT, ANY_TEXT), min_size=1, max_size=8)
PIECES = [
    b'"',
    b",",
    b"\t",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"{",
    b"}",
    b'"text": 1',
    b'"category":',
    b"\xef\xbb\xbf",
    b"1e999",
]
NEARLY = st.lists(st.sampled_from([HEADER, RECORD, *PIECES]) | st.binary(max_size=5), max_size=12).map(b"".join)
FUZZED = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=rounds(40, 150)
)


@FUZZED
@given(
    content=st.binary(max_size=80) | NEARLY,
    name=st.sampled_from(["t.csv", "t.tsv", "t.jsonl", "t.csv.gz", "t.parquet"]),
)
def test_any_bytes_give_tickets_or_one_clear_error(read, content, name):
    try:
        assert read(content, name)
    except UserError as error:
        assert "t." in str(error)


@FUZZED
@given(content=NEARLY, cut=st.integers(0, 80), flipped=st.integers(0, 80))
def test_any_broken_gzip_gives_tickets_or_one_clear_error(read, content, cut, flipped):
    packed = bytearray(gzip.compress(content, mtime=0))
    packed[flipped % len(packed)] ^= 0x10
    for damaged in (bytes(packed), gzip.compress(content)[:cut]):
        try:
            assert read(damaged, "t.jsonl.gz")
        except UserError as error:
            assert "t.jsonl.gz" in str(error)


@FUZZED
@given(
    table=TABLE,
    delimiter=st.sampled_from(",\t"),
    line_end=st.sampled_from(["\r\n", "\n"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
)
@example(table=[('a\rb\nc\r\n"', "\ufeff")], delimiter=",", line_end="\n", quoting=csv.QUOTE_ALL)
def test_any_csv_written_by_python_reads_back_the_same(read, table, delimiter, line_end, quoting):
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
    writer.writerows([("text", "category"), *table])
    expected = [Ticket(number, *row) for number, row in enumerate(table, start=1)]
    assert expected == read(buffer.getvalue().encode(), "t.csv" if delimiter == "," else "t.tsv")


@FUZZED
@given(table=TABLE, ascii_only=st.booleans())
def test_any_json_lines_written_by_python_read_back_the_same(read, table, ascii_only):
    records = [json.dumps({"text": text, "category": label}, ensure_ascii=ascii_only) for text, label in table]
    expected = [Ticket(number, *row) for number, row in enumerate(table, start=1)]
    assert expected == read("\n".join(records).encode(), "t.jsonl")


LONG = [{"text": f"{number} " + "word " * 200, "category": "A"} for number in range(20_000)]


def write_long_tickets(path: Path) -> Path:
    """Write 20,000 tickets of 1,000 characters."""
    frame = pd.DataFrame(LONG)
    if ".parquet" in path.name:
        # With compression, these repeated words would make a small file.
        content = frame.to_parquet(compression=None, use_dictionary=False)
    elif ".jsonl" in path.name:
        content = frame.to_json(orient="records", lines=True).encode()
    else:
        content = frame.to_csv(index=False, sep="\t" if ".tsv" in path.name else ",").encode()
    assert len(content) > 20e6
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.tsv.gz", "t.jsonl", "t.jsonl.gz", "t.parquet", "t.parquet.gz"])
def test_reading_takes_a_fraction_of_the_memory_of_the_file(tmp_path, name):
    path = write_long_tickets(tmp_path / name)
    arrow = before = pyarrow.total_allocated_bytes()
    tracemalloc.start()
    try:
        for number, ticket in enumerate(stream_tickets(path, "text", "category")):
            assert ticket == (number + 1, *LONG[number].values())
            arrow = max(arrow, pyarrow.total_allocated_bytes())
        assert number == 19_999
        assert arrow - before + tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()
