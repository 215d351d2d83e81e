"""However large a partition is, all rows of the files are in one, each of them once and in order."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenterai.batch.partitions import TicketColumns, TicketStream
from callcenterai.batch.rows import split_rows
from callcenterai.formats.reader import ReadOptions, open_tickets
from support.thoroughness import rounds

# Characters that end a row or look as if they did, and bytes that are not UTF-8.
ALPHABET = [b"a", b" ", b",", b",", b'"', b'"', b'""', b'","', b"\n", b"\n", b"\r\n", b"\r", b'"\n', b'\n"', b"\\"]
ALPHABET += ["é".encode(), "é".encode("latin-1"), "é".encode()[:1], "\ufeff".encode(), b"1,b\n", b"2,c\n"]
# So many letters beyond ASCII that a file with any of the bytes above is damaged UTF-8, not of another encoding.
FIRST = "là" * 20
WRITTEN = st.lists(st.text('ab" ,\né', max_size=8), min_size=2, max_size=2)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("streams")


def rows_in_partitions(path: Path, size: int) -> list[tuple[int, str | None, str]]:
    """Return number, id, and text or reason of each row, as workers unpack them; check the sizes of the partitions."""
    stream = TicketStream(path, TicketColumns(("text",), "id"), ReadOptions())
    partitions = list(stream.partitions(size))
    assert all(len(each) == size for each in partitions[:-1]) and stream.done == stream.total
    found = []
    for partition in partitions:
        assert 0 < len(partition) <= size
        for rows in split_rows(partition):
            found += zip(rows.numbers, rows.ids, rows.values, strict=True)
    return sorted(found, key=lambda row: row[0])


@settings(max_examples=rounds(100, 1000), deadline=None)
@given(st.lists(st.sampled_from(ALPHABET), max_size=40), st.integers(1, 4))
def test_any_rows_are_in_one_partition_each(place, characters, size):
    """The file begins and ends with a good row; what lies between may be broken in any way."""
    path = place / "any.csv"
    path.write_bytes(f"id,text\n0,{FIRST}\n".encode() + b"".join(characters) + b"\n")
    with open_tickets(path, ("id", "text")) as file:
        rows = list(file.rows())
    found = rows_in_partitions(path, size)
    assert [row.number for row in rows] == [number for number, _, _ in found] == list(range(1, len(rows) + 1))
    assert found[0] == (1, "0", FIRST)
    for row, (_, id_, value) in zip(rows, found, strict=True):
        if row.values is None:
            assert value == row.fault
        else:
            assert (id_, value) == (row.values[0], row.values[1] if (row.values[1] or "").strip() else "no_text")


@settings(max_examples=rounds(60, 300), deadline=None)
@given(st.lists(WRITTEN, min_size=1, max_size=12), st.sampled_from(["\n", "\r\n"]), st.integers(1, 4))
def test_rows_written_by_csv_writer_come_back_unchanged(place, rows, line_end, size):
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows([["id", "text"], *rows])
    path = place / "written.csv"
    path.write_bytes(buffer.getvalue().encode("utf-8-sig"))
    expected = [(number, id_, text if text.strip() else "no_text") for number, (id_, text) in enumerate(rows, 1)]
    assert rows_in_partitions(path, size) == expected
