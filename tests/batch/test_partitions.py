"""However a file is cut, the workers parse the same rows as one reader of the whole file, each of them once."""

import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenterai.batch.partitions import TicketColumns, TicketStream
from callcenterai.batch.rows import parse_partition
from support.thoroughness import rounds

# Characters that end a row or look as if they did, and bytes that are not UTF-8.
ALPHABET = [b"a", b" ", b",", b",", b'"', b'"', b'""', b'","', b"\n", b"\n", b"\r\n", b"\r", b'"\n', b'\n"']
ALPHABET += ["é".encode(), "é".encode("latin-1"), "é".encode()[:1], "\ufeff".encode()]
WRITTEN = st.lists(st.text('ab" ,\né', max_size=8), min_size=2, max_size=2)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("streams")


def rows_when_cut(path: Path, size: int, block: int) -> list[tuple[int, str | None, str]]:
    """Return number, id, and text or reason of each row, as workers parse them; check the sizes of the partitions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("callcenterai.batch.partitions.TEXT_BLOCK_BYTES", block)
        stream = TicketStream(path, TicketColumns("text", "id"))
        partitions = list(stream.partitions(size))
    assert all(len(each) == size for each in partitions[:-1]) and stream.done == stream.total
    found = []
    for partition in partitions:
        assert 0 < len(partition) <= size
        for rows in parse_partition(partition):
            found += zip(rows.numbers, rows.ids, rows.values, strict=True)
    return sorted(found)


def rows_of_whole(content: bytes) -> Iterator[tuple[int, str | None, str]]:
    """Return the same for the whole content, read at once with csv.reader; content is what follows the header."""
    reader = csv.reader(io.StringIO(content.decode("utf-8", "surrogateescape"), newline=""), strict=True)
    number = 0
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            number += 1
            yield number, None, f"broken quoting before the end of line {reader.line_num + 1} ({error})"
            continue
        if not fields:
            continue
        number += 1
        if len(fields) != 2:
            reason = f"{len(fields)} fields where the header has 2, in line {reader.line_num + 1}"
            yield number, None, reason
        else:
            broken = "not UTF-8" if fields[1] != shown(fields[1]) else None
            yield number, shown(fields[0]), broken or (fields[1] if fields[1].strip() else "no text")


def shown(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


@settings(max_examples=rounds(150, 1500), deadline=None)
@given(st.lists(st.sampled_from(ALPHABET), max_size=40), st.integers(1, 4), st.integers(3, 12))
def test_any_delimited_text_is_cut_where_csv_reader_ends_its_rows(place, characters, size, block):
    """Quotes and line ends may stand anywhere, and blocks are a few bytes long."""
    content = b"".join(characters)
    path = place / "any.csv"
    path.write_bytes(b"id,text\n" + content)
    assert rows_when_cut(path, size, block) == list(rows_of_whole(content))


@settings(max_examples=rounds(60, 300), deadline=None)
@given(st.lists(WRITTEN, max_size=12), st.sampled_from(["\n", "\r\n"]), st.integers(1, 4), st.integers(3, 30))
def test_rows_written_by_csv_writer_are_cut_without_csv_reader(place, rows, line_end, size, block):
    """Counting quotes is enough for regular files, and the texts come back unchanged."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator=line_end).writerows([["id", "text"], *rows])
    path = place / "written.csv.gz"
    path.write_bytes(gzip.compress(buffer.getvalue().encode("utf-8-sig")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("callcenterai.batch.row_ends._find_by_csv_reader", None)
        found = rows_when_cut(path, size, block)
    assert found == [(number, id_, text if text.strip() else "no text") for number, (id_, text) in enumerate(rows, 1)]


@settings(max_examples=rounds(60, 300), deadline=None)
@given(
    st.lists(st.sampled_from(['{"id": 1, "text": "a"}', "{", "", " ", "\r", "\ufeff", "[1]"]), max_size=20),
    st.booleans(),
    st.integers(1, 4),
    st.integers(3, 30),
)
def test_every_line_of_a_json_lines_file_that_is_not_blank_is_a_row(place, lines, ended, size, block):
    path = place / "lines.jsonl"
    path.write_bytes("\n".join([*lines, ""] if ended else lines).encode())
    answers = {"{": "line {} is not JSON", "[1]": "line {} is not a JSON object"}
    there = [(number, line) for number, line in enumerate(lines, 1) if line.strip("\ufeff \r")]
    expected = [
        (row, None, answers[line].format(number)) if line in answers else (row, "1", "a")
        for row, (number, line) in enumerate(there, 1)
    ]
    assert rows_when_cut(path, size, block) == expected


def test_bytes_that_are_not_utf8_reject_only_their_own_row(place):
    path = place / "latin.csv"
    path.write_bytes(b'id,text\n1,"caf\xe9"\n2,\xe2"\n3,fine\n')
    assert rows_when_cut(path, 2, 8) == [(1, "1", "not UTF-8"), (2, "2", "not UTF-8"), (3, "3", "fine")]
