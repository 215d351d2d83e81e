"""Tokenizers for the transformer: one learned from the training tickets, or that of a pretrained encoder.

Everything that a text goes through (Unicode form, case, cutting, padding) is kept inside tokenizer.json, so that
training, registry and service read a text alike.
"""

from collections.abc import Sequence

from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import NFKD, Lowercase, StripAccents
from tokenizers.normalizers import Sequence as Normalizers
from tokenizers.pre_tokenizers import Split
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import WordLevelTrainer

PAD, UNKNOWN, START, MASK = "[PAD]", "[UNK]", "[CLS]", "[MASK]"


def learn_tokenizer(texts: Sequence[str], vocabulary: int, min_count: int, max_tokens: int) -> Tokenizer:
    """Return a tokenizer of the most frequent words, lower case and without accents, as the TF-IDF model sees them.

    Each text begins with [CLS], so that one without any word still has a token to look at.
    """
    tokenizer = Tokenizer(WordLevel(unk_token=UNKNOWN))
    tokenizer.normalizer = Normalizers([NFKD(), StripAccents(), Lowercase()])
    tokenizer.pre_tokenizer = Split(Regex(r"\w+"), "removed", invert=True)
    trainer = WordLevelTrainer(
        vocab_size=vocabulary,
        min_frequency=min_count,
        special_tokens=[PAD, UNKNOWN, START, MASK],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    start = tokenizer.token_to_id(START)
    tokenizer.post_processor = TemplateProcessing(single=f"{START} $A", special_tokens=[(START, start)])
    return with_limits(tokenizer, PAD, max_tokens)


def pretrained_tokenizer(name: str, revision: str, max_tokens: int) -> tuple[Tokenizer, str | None]:
    """Return the tokenizer of a pretrained encoder and its mask token, if it has one.

    Raises a ValueError when it is none that the tokenizers library can run: the service has nothing else.
    """
    from transformers import AutoTokenizer

    # B615 wants a pinned revision: it is the one that the user has named, or the newest; no code of a hub is run.
    loaded = AutoTokenizer.from_pretrained(name, revision=revision)  # nosec B615
    if not loaded.is_fast or loaded.pad_token is None:
        raise ValueError("its tokenizer is not a fast one with a padding token")
    return with_limits(loaded.backend_tokenizer, loaded.pad_token, max_tokens), loaded.mask_token


def with_limits(tokenizer: Tokenizer, pad: str, max_tokens: int) -> Tokenizer:
    """Let the tokenizer cut texts at max_tokens, its own included, and pad a batch to its longest."""
    tokenizer.enable_truncation(max_tokens)
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id(pad), pad_token=pad)
    return tokenizer
