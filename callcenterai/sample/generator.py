"""Put invented service desk tickets together from the phrases of common.toml, en.toml and fr.toml.

The shares below decide how often tickets have each property that makes real ones hard to classify.
"""

import csv
import hashlib
import io
import random
import re
import tomllib
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from callcenterai.core.cli import UserError
from callcenterai.core.files import write_bytes

FOLDER = Path(__file__).resolve().parent
# The phrases of a language by the name of their entry.
Bank = dict[str, list[str]]
Option = TypeVar("Option")

# The share of each category in per cent: uneven, as in the queues of real service desks.
CATEGORIES = {
    "Access": 16.0,
    "Administrative rights": 5.5,
    "HR Support": 17.5,
    "Hardware": 25.0,
    "Internal Project": 6.0,
    "Miscellaneous": 13.0,
    "Purchase": 8.0,
    "Storage": 9.0,
}

FRENCH_SHARE = 0.40
MIXED_SHARE = 0.03  # tickets in one language with sentences in the other
AMBIGUOUS_SHARE = 0.075
REDRAWN_SHARE = 0.03  # text about a newly drawn category; some draws hit the same one, so about 2.5% are mislabelled
SHORT_SHARE = 0.11
DUPLICATE_SHARE = 0.003
CHASER_SHARE = 0.01  # an earlier ticket sent again with "any news?" in front

# The sentences of a ticket's body and the parts around it, each with the chance that it is there.
GREETING_SHARE = 0.75
BODY = (
    ("noise", 0.30),
    ("ask", 2.0),  # always there, even in a ticket of half the verbosity
    ("detail", 0.45),
    ("detail", 0.10),
    ("trouble", 0.35),
    ("asked", 0.20),
    ("impact", 0.30),
    ("request", 0.42),
    ("reference", 0.10),
    ("aside", 0.06),
)
TAIL = (("closing", 0.60), ("signature", 0.55), ("quote", 0.04))
COLUMNS = ("text", "category")
# Only these get sentences of "trouble", such as "It worked until Monday", which fits no request for leave.
TECHNICAL = {"Access", "Administrative rights", "Hardware", "Storage"}

MARK = re.compile(r"\[([^\[\]]*)\]|\{([^{}]+)\}")
ELISION = re.compile(r"\b([Dd]|[Qq]u)e (?=[aeiouéèêAEIOUÉ]\w*[a-zà-ÿ])")
REPEATED = re.compile(r"\b(\w[\w ]*) (?:to|and|à|et|à l'équipe|au service) \1\b")  # "from Lyon to Lyon"
WORD = re.compile(r"[^\W\d_]{4,}")


class SampleTicket(NamedTuple):
    """An invented ticket; COLUMNS of it are written to the file.

    true_category is the category that its text is about; where it differs, category is a planted label error.
    """

    text: str
    category: str
    true_category: str


class Dice(random.Random):
    """A generator that gives the same on every Python: it uses only random(), whose stream is documented as stable."""

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self.random() < probability

    def pick(self, options: Sequence[Option]) -> Option:
        """Return one of the options, each with the same probability."""
        return options[int(self.random() * len(options))]


def write_sample(output: Path, count: int, seed: int, force: bool = False, if_missing: bool = False) -> None:
    """Write count tickets to output unless that would overwrite somebody's own data.

    force overwrites it all the same, if_missing leaves whatever is there.
    """
    if count < 1:
        raise UserError(f"--tickets must be at least 1, not {count}")
    if if_missing and output.exists():
        print(f"{output} is there and stays as it is")
        return
    content = to_csv(make_tickets(count, seed))
    if output.exists() and output.read_bytes() == content:
        state = "already in"
    elif output.exists() and not force:
        raise UserError(f"{output} exists and holds something else, perhaps your own tickets: --force replaces it")
    else:
        write_bytes(output, content)
        state = "written to"
    print(f"{count} tickets {state} {output}, sha256 {hashlib.sha256(content).hexdigest()}")


def to_csv(tickets: list[SampleTicket]) -> bytes:
    """Return the tickets as UTF-8 CSV with LF line ends."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((ticket.text, ticket.category) for ticket in tickets)
    return file.getvalue().encode()


def make_tickets(count: int, seed: int) -> list[SampleTicket]:
    """Return count tickets, with no equal texts apart from a few deliberate duplicates."""
    dice = Dice(seed)
    banks = (read_phrases("en"), read_phrases("fr"))
    tickets: list[SampleTicket] = []
    seen: set[str] = set()
    while len(tickets) < count:
        if tickets and dice.chance(DUPLICATE_SHARE):
            tickets.append(dice.pick(tickets))
        ticket = make_ticket(dice, banks, tickets)
        if ticket.text not in seen:
            seen.add(ticket.text)
            tickets.append(ticket)
    return tickets[:count]


def read_phrases(language: str) -> Bank:
    """Return the phrases of a language, including those that all languages share."""
    entries: dict[str, str] = {}
    for name in ("common", language):
        entries |= tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    return {name: phrases.strip().split("\n") for name, phrases in entries.items()}


def make_ticket(dice: Dice, banks: tuple[Bank, Bank], tickets: list[SampleTicket]) -> SampleTicket:
    """Return a ticket whose category, language and kind are drawn; `tickets` are the earlier ones."""
    french = dice.chance(FRENCH_SHARE)
    bank, other = (banks[1], banks[0]) if french else banks
    if tickets and dice.chance(CHASER_SHARE):
        again = dice.pick(tickets)
        return again._replace(text=f"{fill(dice, bank, 'chaser')} {again.text}")
    category = draw_category(dice)
    topic = truth = draw_category(dice) if dice.chance(REDRAWN_SHARE) else category
    if dice.chance(AMBIGUOUS_SHARE):
        topic = dice.pick([name for name in bank if " + " in name and topic in name.split(" + ")])
    elif dice.chance(SHORT_SHARE):
        return SampleTicket(make_short(dice, bank, topic), category, truth)
    other = other if dice.chance(MIXED_SHARE) else bank
    return SampleTicket(make_letter(dice, bank, other, topic), category, truth)


def draw_category(dice: Dice) -> str:
    """Return a category, drawn with the weights of CATEGORIES."""
    point = dice.random() * sum(CATEGORIES.values())
    for category, weight in CATEGORIES.items():
        point -= weight
        if point < 0:
            return category
    return category


def make_short(dice: Dice, bank: Bank, topic: str) -> str:
    """Return a ticket of a few words, as typed in a hurry."""
    text = fill(dice, bank, f"{topic} short")
    if dice.chance(0.45):
        text += fill(dice, bank, "suffix")
    text = restyle(dice, bank, text)
    return capitalise(text) if dice.chance(0.4) else text


def make_letter(dice: Dice, bank: Bank, other: Bank, topic: str) -> str:
    """Return a ticket with a body and mostly a greeting, a closing and a signature.

    Some sentences and the end come from `other`, the phrases of the same or of the other language.
    """
    verbosity = dice.pick((0.5, 1.0, 1.0, 1.7))
    names = {"ask": topic, "detail": f"{topic} detail"}
    if not TECHNICAL.issuperset(topic.split(" + ")):
        names["trouble"] = ""
    sentences: list[str] = []
    for part, probability in BODY:
        name = names.get(part, part)
        if name in bank and dice.chance(probability * verbosity):
            source = bank if part == "ask" or dice.chance(0.4) else other
            sentences.append(capitalise(fill(dice, source, name)))
    if len(sentences) > 1 and dice.chance(0.15):
        sentences[0], sentences[1] = sentences[1], sentences[0]
    separator = "\n" if dice.chance(0.08) else " "
    body = restyle(dice, bank, separator.join(dict.fromkeys(sentences)))
    head = [fill(dice, bank, "greeting")] if dice.chance(GREETING_SHARE) else []
    tail = [fill(dice, other, name) for name, probability in TAIL if dice.chance(probability)]
    gap = dice.pick(("\n", "\n\n", " ", " "))
    return gap.join([*head, body, *tail])


def fill(dice: Dice, bank: Bank, name: str) -> str:
    """Return a phrase of the entry `name` with all its placeholders filled in."""
    text = dice.pick(bank[name])
    while match := MARK.search(text):
        chosen = dice.pick(bank[match[2]]) if match[2] else dice.pick(match[1].split("|"))
        text = text[: match.start()] + chosen + text[match.end() :]
    text = re.sub("#", lambda _: dice.pick("0123456789"), text)
    text = ELISION.sub(r"\1'", text)
    if REPEATED.search(text):
        return fill(dice, bank, name)
    return re.sub(r" +(?=[ .,]|$)", "", text).replace("¶", "\n")


def capitalise(text: str) -> str:
    """Return text with its first letter in upper case and the others as they are."""
    return text[:1].upper() + text[1:]


def restyle(dice: Dice, bank: Bank, text: str) -> str:
    """Return text as a hurried, careless or angry person might have typed it."""
    if dice.chance(0.18):
        for pair in bank["abbreviations"]:
            long, short = pair.split(" > ")
            text = re.sub(rf"\b{long}\b", short, text, flags=re.IGNORECASE)
    if dice.chance(0.25):
        rate = 0.03 + 0.07 * dice.random()
        text = WORD.sub(lambda match: misspell(dice, match[0]) if dice.chance(rate) else match[0], text)
    if dice.chance(0.15):
        text = without_accents(text)
    if dice.chance(0.12):
        return text.lower()
    return text.upper() + "!" * int(dice.random() * 4) if dice.chance(0.03) else text


def misspell(dice: Dice, word: str) -> str:
    """Return word with two letters swapped, one missing or one doubled."""
    at = 1 + int(dice.random() * (len(word) - 2))
    swapped = word[at + 1] + word[at]
    middle = dice.pick([swapped, swapped, word[at + 1], word[at] + word[at] + word[at + 1]])
    return word[:at] + middle + word[at + 2 :]


def without_accents(text: str) -> str:
    """Return text without accents, as written on a foreign keyboard."""
    return "".join(letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter))
