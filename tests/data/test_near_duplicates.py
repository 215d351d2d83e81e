"""Near-duplicate groups: exactly the texts that share enough words, found without comparing every pair."""

import random
from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components
from sklearn.feature_extraction.text import CountVectorizer

from callcenterai.data import near_duplicates
from callcenterai.data.fingerprints import BANDS, fold, sign
from callcenterai.data.near_duplicates import near_duplicate_groups
from support.tickets import NOUNS, PARTS, invent


def groups(texts: list[str], similarity: float = 0.8) -> list[int]:
    return near_duplicate_groups(sign([fold(text) for text in texts]), similarity).tolist()


def test_texts_that_share_enough_words_get_the_number_of_the_first_one():
    assert [0, 1, 0, 3] == groups(["a b c d", "p q r s", "a b c d e", "a b x y"])


def test_a_similarity_equal_to_the_threshold_is_enough():
    assert [0, 0] == groups(["a b c d", "a b c d e"], 0.8)
    assert [0, 1] == groups(["a b c d", "a b c d e"], 0.81)


def test_case_accents_order_punctuation_and_repetition_do_not_count():
    assert [0] * 4 == groups(["Été à Paris", "paris, a ete!", "PARIS A E\u0301TE\u0301", "été été à à paris"], 1.0)


def test_groups_are_chains_of_pairs():
    """The first and the last text are too different, but both are near-duplicates of the second one."""
    assert [0, 0, 0] == groups(["a b c d e f g h", "a b c d e f g h i", "b c d e f g h i"])
    assert [0, 1] == groups(["a b c d e f g h", "b c d e f g h i"])


@pytest.mark.parametrize(
    "texts", [[], ["a b"], ["???"], ["", "???", "???", "\U0001f600"], ["???", "a b", "", "c d", "!"]]
)
def test_texts_without_a_word_are_groups_of_their_own(texts):
    assert list(range(len(texts))) == groups(texts)


def test_a_last_text_without_words_does_not_change_the_text_before_it():
    """In an earlier version, it took the last word of that text."""
    for first, second in pairwise(NOUNS):
        assert [0, 0, 2] == groups([f"{first} {second}", f"{second} {first}", "???"])


def test_an_accent_that_is_part_of_a_letter_counts_outside_the_latin_script():
    """The Russian, the Thai and the Hindi words differ in such a mark alone, and mean different things."""
    for first, second in [("мой дом", "мои дом"), ("ขา", "ข้า"), ("की", "का")]:
        assert [0, 1] == groups([first, second])


def test_fold_removes_what_no_model_sees():
    """Not the accents, which tell words apart."""
    assert "naïve café fin strasse" == fold("NAÏVE\tCafe\u0301\u200e  fin\u200bStrasse ")


def mutated(count: int, seed: int = 3) -> list[str]:
    """Return texts with many similar pairs, some just above and some just below 0.8."""
    generator = random.Random(seed)
    texts = [[f"{noun}{generator.randrange(40)}" for noun in generator.choices(NOUNS, k=14)] for _ in range(count // 3)]
    while len(texts) < count:
        text = list(generator.choice(texts))
        for _ in range(generator.randrange(4)):
            text[generator.randrange(len(text))] = generator.choice(NOUNS)
        texts.append(text)
    return [" ".join(text) for text in texts]


def close_pairs(texts: list[str], some: np.ndarray, similarity: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """Compare each of the texts `some` with every other text and return the near-duplicate pairs."""
    matrix = CountVectorizer(preprocessor=fold, token_pattern=r"\w+", binary=True).fit_transform(texts)
    sizes = np.diff(matrix.indptr)
    common = (matrix[some] @ matrix.T).tocoo()
    left, right = some[common.row], common.col
    close = (common.data / (sizes[left] + sizes[right] - common.data) >= similarity) & (left != right)
    return left[close], right[close]


def test_the_groups_equal_those_found_by_comparing_every_pair():
    texts = mutated(2400)
    left, right = close_pairs(texts, np.arange(len(texts)))
    graph = np.zeros((len(texts), len(texts)), dtype=bool)
    graph[left, right] = True
    _, expected = connected_components(graph, directed=False)
    actual = np.array(groups(texts))
    assert 1000 < len(set(actual.tolist())) < 2000
    assert ((expected[:, None] == expected) == (actual[:, None] == actual)).all()


def test_a_common_signature_hides_at_most_one_percent_of_the_pairs():
    """The hardest case: all texts end alike, so that all are similar and most pairs are just below the threshold."""
    generator = random.Random(5)
    signature = " ".join(f"signature{number}" for number in range(20))
    words = [f"word{number}" for number in range(100)]
    texts = [" ".join([signature, *generator.sample(words, generator.randint(3, 6))]) for _ in range(600)]
    left, right = close_pairs(texts, np.arange(len(texts)))
    found = np.array(groups(texts))
    assert len(left) > 5000
    assert (found[left] != found[right]).mean() <= 0.01


def test_appending_texts_may_merge_old_groups_but_never_splits_one():
    texts = mutated(2000)
    before, after = groups(texts[:1000]), groups(texts)
    assert all(after[index] == after[first] for index, first in enumerate(before))


WORKLOADS = {
    "a template with one changing word": lambda n: f"please reset the password of user{n} on the old mail server",
    "one text over and over": lambda n: "please reset my password",
    "nothing in common": lambda n: f"w{n}a w{n}b w{n}c w{n}d",
    "a few templates": lambda n: f"{n % 7} one two three four five six seven {n % 5} {n}",
}


@pytest.mark.parametrize("text", WORKLOADS.values(), ids=WORKLOADS.keys())
def test_comparisons_grow_linearly_with_the_texts(text, monkeypatch):
    """Count the pairs whose words are compared: the only step whose work could grow faster than the texts."""
    compared = []
    exact = near_duplicates._jaccard

    def counted(signatures, left, right):
        compared[-1] += len(left)
        return exact(signatures, left, right)

    monkeypatch.setattr(near_duplicates, "_jaccard", counted)
    for count in (1000, 4000):
        compared.append(0)
        groups([text(number) for number in range(count)])
    assert compared[1] <= 4.4 * compared[0] + 100
    assert compared[1] <= 4000 * BANDS * (near_duplicates.NEIGHBOURS + 1)


def test_a_progress_bar_appears_after_three_seconds(prepare, monkeypatch, capsys):
    path = prepare.write(invent(60))
    assert prepare.run(path) == 0
    assert "" == capsys.readouterr().err
    seconds = iter(range(10_000))
    monkeypatch.setattr("tqdm.std.time", lambda: next(seconds))
    assert prepare.run(path) == 0
    assert "finding near-duplicates" in capsys.readouterr().err


@pytest.mark.slow
def test_near_duplicates_of_real_tickets_stay_in_one_part(prepare, shared_data):
    """Compare 4,000 texts with all 38,000; at most one near-duplicate pair in a thousand may be in two parts."""
    columns = {"text_column": "Document", "label_column": "Topic_group"}
    assert prepare.run(shared_data("it_tickets.csv.gz"), **columns) == 0
    metrics = prepare.metrics()
    assert metrics["rows_in"] == 38_193 == metrics["rows_kept"] + metrics["rows_rejected"]
    rows = [(row["text"], part) for part in PARTS for row in prepare.read(part)]
    parts = np.array([part for _, part in rows])
    left, right = close_pairs(
        [text for text, _ in rows], np.random.default_rng(1).choice(len(rows), 4000, replace=False)
    )
    assert len(left) > 1000
    assert (parts[left] != parts[right]).sum() <= 0.001 * len(left)
