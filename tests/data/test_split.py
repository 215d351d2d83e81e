"""The split: every class is in every part, groups stay together, and appending tickets moves no old one."""

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenterai.data.split import LARGE_GROUP, draw, free_groups, split
from support.tickets import PARTS, invent

SHARES = {"train": 0.65, "validation": 0.15, "test": 0.2}
TICKETS = st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 40)), max_size=60)


def split_tickets(tickets: list[tuple[str, int]], seed: int = 42, shares: dict[str, float] = SHARES) -> list[str]:
    """Return the part of each ticket (label, group); the ticket's number serves as its text."""
    draws = [draw(f"ticket {number}", seed) for number in range(len(tickets))]
    return parts_of(draws, [label for label, _ in tickets], [group for _, group in tickets], shares)


def parts_of(draws: list[float], labels: list[str], groups: Sequence[int], shares: dict[str, float]) -> list[str]:
    return [PARTS[part] for part in split(draws, labels, groups, shares)]


def ungrouped(labels: str) -> list[tuple[str, int]]:
    return [(label, number) for number, label in enumerate(labels)]


def test_the_first_three_groups_of_a_class_go_to_one_part_each():
    assert ["train", "train", "validation", "test", "validation", "test"] == split_tickets(ungrouped("ABAABB"))
    assert ["train", "validation", "train", "train"] == split_tickets([("A", 1), ("A", 2), ("A", 1), ("A", 1)])


def test_a_group_shares_a_part_even_across_classes():
    assert ["train", "train", "validation", "train"] == split_tickets([("A", 1), ("B", 1), ("A", 2), ("C", 1)])


def test_a_group_of_more_than_twenty_goes_to_train():
    assert ["train", "validation", "test"] + ["train"] * 21 == split_tickets(ungrouped("AAA") + [("A", 9)] * 21)
    assert ["train"] + ["validation"] * 20 == split_tickets(ungrouped("A") + [("A", 9)] * 20)


def test_without_a_test_share_there_are_two_parts():
    parts = split_tickets(ungrouped("AB" * 500), shares={"train": 0.8, "validation": 0.2})
    assert {"train": 800, "validation": 200} == pytest.approx(Counter(parts), abs=12)


@pytest.mark.parametrize("shares", [(0.65, 0.15, 0.2), (0.1, 0.45, 0.45), (0.98, 0.01, 0.01), (0.2, 0.1, 0.7)])
def test_every_class_has_its_share_of_every_part(shares):
    labels = "".join(random.Random(1).choices("ABC", (80, 15, 5), k=4000))
    counts = Counter(
        zip(split_tickets(ungrouped(labels), shares=dict(zip(PARTS, shares, strict=True))), labels, strict=False)
    )
    for label, total in Counter(labels).items():
        for part, share in zip(PARTS, shares, strict=True):
            assert counts[part, label] == pytest.approx(share * total, abs=3 + total / 100)


def test_another_seed_gives_another_split():
    first, second = split_tickets(ungrouped("A" * 1000)), split_tickets(ungrouped("A" * 1000), seed=43)
    assert 400 < sum(a == b for a, b in zip(first, second, strict=True)) < 600


def test_draws_are_uniform_and_depend_on_text_and_seed_alone():
    draws = sorted(draw(f"ticket {number}", 42) for number in range(10_000))
    assert all(abs(value - rank / 10_000) < 0.03 for rank, value in enumerate(draws))
    assert 0.65381 == pytest.approx(draw("été", 2**32 - 1), abs=1e-5)


@given(old=TICKETS, new=TICKETS)
def test_appending_moves_no_old_ticket_unless_its_group_becomes_large(old, new):
    sizes = Counter(group for _, group in old + new)
    before, after = split_tickets(old), split_tickets(old + new)[: len(old)]
    if max(sizes.values(), default=0) <= LARGE_GROUP:
        assert before == after


@given(tickets=TICKETS)
def test_groups_stay_together_and_classes_with_three_free_groups_are_in_every_part(tickets):
    parts = split_tickets(tickets)
    assert len(set(zip(parts, (group for _, group in tickets), strict=True))) == len({group for _, group in tickets})
    free = free_groups([label for label, _ in tickets], [group for _, group in tickets])
    for label in (label for label, count in free.items() if count >= 3):
        assert set(PARTS) == {part for part, ticket in zip(parts, tickets, strict=True) if ticket[0] == label}


def test_free_groups_are_small_and_start_with_a_ticket_of_the_class():
    tickets = [("A", 1), ("B", 1), ("B", 2), ("A", 2), ("B", 3)] + [("B", 4)] * 21
    assert Counter({"A": 1, "B": 2}) == free_groups([label for label, _ in tickets], [group for _, group in tickets])


def with_near_duplicates(count: int, seed: int) -> list[list[str]]:
    rows = invent(count, seed)
    return [row for text, label in rows for row in ([text, label], [f"{text} thanks", label])]


@pytest.mark.parametrize("tickets", [invent, with_near_duplicates])
@pytest.mark.parametrize("more", [60, 600])
def test_prepare_moves_no_old_ticket_when_new_ones_are_appended(prepare, tickets, more):
    old = tickets(600, seed=1)
    assert prepare.run(prepare.write(old)) == 0
    before = prepare.part_of()
    assert prepare.run(prepare.write(old + tickets(more, seed=2))) == 0
    after = prepare.part_of()
    assert before == {text: after[text] for text in before}


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.1, 1.0])
def test_appending_real_tickets_moves_hardly_any(prepare, shared_data, share):
    """Real tickets bring near-duplicates that merge old groups, and conflicts by which old tickets are rejected."""
    from callcenterai.formats.reader import open_tickets

    with open_tickets(shared_data("it_tickets.csv.gz"), ("Document", "Topic_group")) as file:
        rows = [row.values for row in file.rows()]
    old = rows[: int(len(rows) / (1 + share))]
    assert prepare.run(prepare.write(old)) == 0
    before = prepare.part_of()
    assert prepare.run(prepare.write(rows)) == 0
    after = prepare.part_of()
    assert sum(after.get(text) == part for text, part in before.items()) >= 0.99 * len(before)


def test_removing_a_ticket_moves_few_others():
    rows = invent(1200)
    draws, labels = [draw(text, 42) for text, _ in rows], [label for _, label in rows]
    before = dict(zip(draws, parts_of(draws, labels, range(1200), SHARES), strict=True))
    moved = []
    for gone in range(0, 1200, 60):
        rest, rest_labels = draws[:gone] + draws[gone + 1 :], labels[:gone] + labels[gone + 1 :]
        after = parts_of(rest, rest_labels, range(1199), SHARES)
        moved.append(sum(before[each] != part for each, part in zip(rest, after, strict=True)))
    assert 0 < sum(moved) / len(moved) < 0.03 * 1200
