"""Compares labels by their spelling: which are one, which are only similar, and which are several in one cell."""

import ast
import html
import json
import re
import unicodedata
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Set

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from callcenterai.text.normal_form import compose

# Marks that nobody sees: soft hyphens, zero-width spaces, directions of writing, byte order marks. The zero-width
# joiners stay, which belong to the spelling of some languages and to emoji.
INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
# They choose between a coloured and a plain picture of the same emoji.
VARIATIONS = re.compile("[\ufe00-\ufe0f]")
CONTROLS = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]")
WHOLE_NUMBER = re.compile(r"([+-]?\d+)\.0+")

# Separators in cells with several labels. A comma or a slash is often part of a label, so there each piece has to be a
# label; between semicolons or bars, each piece has to occur in another cell.
CLEAR_SEPARATORS = re.compile("[;|；｜]")
POSSIBLE_SEPARATORS = re.compile(r"[,/，、／+&\n]|\s(?:and|und|et|y|e|en|och|og)\s", re.IGNORECASE)
LINE_ENDS = re.compile("\n")
# A list as JSON or Python writes it; no longer one is read.
LIST, LONGEST_LIST = re.compile(r"\s*\[.*\]\s*", re.DOTALL), 2_000

# Punctuation that people leave out or replace; the point of a decimal number is none.
SLOPPY = re.compile(r"""[\s\-_'’‘´`"“”„«»/\\,:;()\[\]&>|]+|(?<!\d)\.|\.(?!\d)""")
ACCENTS = re.compile("[\u0300-\u036f]+")
# Cyrillic letters that look like Latin ones.
LOOK_LATIN = str.maketrans("аеорсухіјѕАВЕКМНОРСТХІЈЅ", "aeopcyxijsABEKMHOPCTXIJS")
MIXED_SCRIPTS = re.compile("[a-z][а-яіјѕ]|[а-яіјѕ][a-z]", re.IGNORECASE)
# Where a letter was lost when a file was saved in another encoding.
LOST_LETTER = re.compile("\ufffd|(?<=[^\\W\\d_])[?](?=[^\\W\\d_])")
NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
# Shorter names are too often different words, and longer ones are texts.
SHORTEST_SLIP, LONGEST_SLIP = 5, 100


def tidy(label: str) -> str:
    """Return a label as the name of a class: in NFC, single blanks, nothing that nobody sees; line ends stay."""
    if not (label.isascii() and label.isprintable()):
        label = compose(CONTROLS.sub(" ", INVISIBLE.sub("", label.replace("\r\n", "\n"))))
    lines = [" ".join(line.split()) for line in label.replace("\r", "\n").split("\n")]
    return "\n".join(filter(None, lines))


def spelling_key(label: str) -> str:
    """Return what labels have in common that differ in case, blanks, invisible marks, NFC, width, or as 1 and 1.0."""
    if not label.isascii():
        label = "".join(map(_usual_width, VARIATIONS.sub("", label)))
    label = " ".join(tidy(label).lower().split())
    number = WHOLE_NUMBER.fullmatch(label)
    return number[1] if number else label


def _usual_width(character: str) -> str:
    """Return a full-width or half-width form of East Asian text as the usual character."""
    is_form = unicodedata.decomposition(character).startswith(("<wide>", "<narrow>"))
    return unicodedata.normalize("NFKC", character) if is_form else character


def visible(label: str) -> str:
    """Return a label in quotes for a message, as YAML may have it, with codes for characters that would mislead.

    These are the invisible ones, accents that are characters of their own, and letters of another script.
    """
    misleading = VARIATIONS.findall(label)
    if compose(label) != label:
        misleading += [each for each in label if unicodedata.combining(each)]
    if MIXED_SCRIPTS.search(label):
        misleading += [each for each in label if ord(each) in LOOK_LATIN]
    shown = "".join(
        f"\\u{ord(each):04x}" if each in misleading or not each.isprintable() else each
        for each in json.dumps(label, ensure_ascii=False)[1:-1]
    )
    return repr(label) if shown == label else f'"{shown}"'


def is_damaged(label: str) -> bool:
    """Whether letters of a label were lost or replaced when it was saved in another encoding."""
    return bool(LOST_LETTER.search(label)) or _repair(label) != label


def unify(counts: dict[str, int], chosen: Iterable[str]) -> dict[str, str]:
    """Return the class of each label: the chosen or else most frequent spelling among those with the same key."""
    keys = {spelling_key(name) for name in counts}
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    for name in counts:
        key, written = _single_label(name, keys)
        groups[key][name] = written
    wanted = {spelling_key(name): name for name in reversed(list(chosen))}
    return {
        name: wanted.get(key) or names[max(names, key=lambda each: counts[each])]
        for key, names in groups.items()
        for name in names
    }


def _single_label(name: str, keys: set[str]) -> tuple[str, str]:
    """Return the key and the name of the class of a label, given the keys of all labels.

    A cell that holds one label twice, or a list of one, is that label. A line end between labels separates them, and
    is a blank otherwise.
    """
    pieces = split_cell(name, CLEAR_SEPARATORS)
    if len(pieces) == 1 and (len(_raw_pieces(name, CLEAR_SEPARATORS)) > 1 or _read_list(name) is not None):
        ((key, written),) = pieces.items()
        return key, written
    lines = split_cell(name, LINE_ENDS)
    if len(lines) > 1 and lines.keys() <= keys:
        return "\n".join(sorted(lines)), tidy(name)
    return spelling_key(name), tidy(name).replace("\n", " ")


def split_cell(name: str, separators: re.Pattern[str]) -> dict[str, str]:
    """Return the different labels in a cell, each by its key; those of a list whatever the separators are."""
    pieces = _read_list(name) or _raw_pieces(name, separators)
    found: dict[str, str] = {}
    for piece in pieces:
        found.setdefault(spelling_key(piece), tidy(piece))
    return found


def _raw_pieces(name: str, separators: re.Pattern[str]) -> list[str]:
    return [piece for piece in separators.split(name) if piece.strip()]


def _read_list(name: str) -> list[str] | None:
    """Return the items of a label that is written as a list of texts or numbers, or None."""
    if len(name) > LONGEST_LIST or not LIST.fullmatch(name):
        return None
    readers: tuple[Callable, ...] = (json.loads, ast.literal_eval)
    for read in readers:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                items = read(name.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(items, list) and items and all(isinstance(item, str | int | float) for item in items):
            return [str(item) for item in items if str(item).strip()] or None
    return None


def find_several(counts: dict[str, int], chosen: set[str | None]) -> dict[str, int]:
    """Return the labels that consist of several others, and their counts; those that label_map has chosen are none."""
    keys = {spelling_key(name) for name in counts}
    clear = {name: pieces for name in counts if len(pieces := split_cell(name, CLEAR_SEPARATORS)) > 1}
    elsewhere: dict[str, int] = defaultdict(int)
    for pieces in clear.values():
        for piece in pieces:
            elsewhere[piece] += 1
    found = {}
    for name, count in counts.items():
        if name in chosen:
            continue
        pieces = clear.get(name, {})
        in_cells = pieces and (_read_list(name) or all(elsewhere[piece] > 1 or piece in keys for piece in pieces))
        possible = split_cell(name, POSSIBLE_SEPARATORS)
        if in_cells or (len(possible) > 1 and possible.keys() <= keys):
            found[name] = count
    return found


def find_look_alikes(names: Iterable[str]) -> list[list[str]]:
    """Return groups of classes whose names differ so little that they may mean the same.

    They differ only in accents, punctuation, symbols, compatibility forms, leading zeros, HTML entities, letters of
    another script, broken encoding, or in one letter that is left out or two that are exchanged.
    """
    by_key: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_key[_loose_key(name) or name].append(name)
    number_of = {key: number for number, key in enumerate(by_key)}
    pairs = [(number_of[one], number_of[other]) for one, other in [*_slips(number_of.keys()), *_lost_letters(by_key)]]
    ones, others = zip(*pairs, strict=True) if pairs else ((), ())
    graph = sparse.coo_matrix((np.ones(len(pairs)), (ones, others)), shape=(len(by_key), len(by_key)))
    _, components = connected_components(graph, directed=False)
    groups: dict[int, list[str]] = defaultdict(list)
    for component, similar in zip(components.tolist(), by_key.values(), strict=True):
        groups[component] += similar
    return [group for group in groups.values() if len(group) > 1]


def _loose_key(name: str) -> str:
    """Return what is left of a name without the differences that find_look_alikes lists, except slips."""
    name = _repair(html.unescape(VARIATIONS.sub("", name)))
    if MIXED_SCRIPTS.search(name):
        name = name.translate(LOOK_LATIN)
    name = ACCENTS.sub("", unicodedata.normalize("NFKD", name.casefold()))
    key = SLOPPY.sub("", unicodedata.normalize("NFKD", name))
    if not key.isascii():
        key = "".join(each for each in key if unicodedata.category(each) not in ("So", "Sk"))
    return key.lstrip("0") if key.isdigit() else key


def _repair(name: str) -> str:
    """Return a name in UTF-8 that was read as Windows-1252 as it was written, and any other as it is."""
    try:
        return name.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return name


def _slips(keys: Set[str]) -> Iterator[tuple[str, str]]:
    """Yield pairs of keys of which one lacks a letter of the other, not the first, or has two letters exchanged."""
    for key in keys:
        for place in range(1, len(key) if SHORTEST_SLIP <= len(key) <= LONGEST_SLIP else 0):
            before, letter, following, after = key[:place], key[place], key[place + 1 : place + 2], key[place + 2 :]
            if not letter.islower():
                continue
            if (shorter := before + following + after) in keys:
                yield key, shorter
            exchanged = before + following + letter + after
            if following != letter and following.islower() and exchanged in keys:
                yield key, exchanged


def _lost_letters(by_key: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    """Yield pairs of keys whose names are the same except where a letter of one was lost."""
    whole: dict[str, list[str]] = defaultdict(list)
    lossy: list[tuple[str, str]] = []
    for key, names in by_key.items():
        for name in names:
            mask = NOT_ASCII.sub("\ufffd", LOST_LETTER.sub("\ufffd", name.casefold()))
            whole[mask].append(key)
            if LOST_LETTER.search(name):
                lossy.append((mask, key))
    yield from ((key, other) for mask, key in lossy for other in whole[mask] if other != key)
