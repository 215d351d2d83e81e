"""The transformer: tokenizer, an encoder, new or pretrained, and a head on the mean and the maximum of its outputs.

Everything that is done to a text (Unicode form, case, cutting, padding) is stored in tokenizer.json, so that training,
registry and service read a text alike.
"""

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import NFC, Lowercase
from tokenizers.normalizers import Sequence as Normalizers
from tokenizers.pre_tokenizers import Split
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import WordLevelTrainer
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from callcenterai.core.cli import UserError
from callcenterai.core.params import TrainTransformerParameters
from callcenterai.text.normal_form import UNSPACED

PAD, UNKNOWN, START, MASK = "[PAD]", "[UNK]", "[CLS]", "[MASK]"
# A token: one character with its marks in a script without spaces, else a word. The regular expressions of the
# tokenizers library count marks as \w, and those of Python do not.
_UNSPACED = UNSPACED.pattern
TOKENS = rf"{_UNSPACED}\p{{M}}*|(?!{_UNSPACED})\w(?:(?!{_UNSPACED})[\w\u200c\u200d])*"
# Below any activation, and representable in float16.
LOWEST = -1e4


class TicketClassifier(nn.Module):
    """Encoder and head; from token ids and mask, int64 of shape (batch, tokens), to logits (batch, labels)."""

    def __init__(self, encoder: nn.Module, labels: int, dropout: float) -> None:
        """Put a new head on an encoder of the transformers library."""
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * encoder.config.hidden_size, labels)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return the logits."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
        highest = hidden.masked_fill(mask == 0, LOWEST).amax(dim=1)
        return self.head(self.dropout(torch.cat([mean, highest], dim=1)))


class Ensemble(nn.Module):
    """Several classifiers that started from different weights; their mean is the answer."""

    def __init__(self, members: list[TicketClassifier]) -> None:
        """Hold the members."""
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return the mean of the members' logarithmic probabilities, shape (batch, labels)."""
        found = [torch.log_softmax(member(input_ids, attention_mask), dim=1) for member in self.members]
        return torch.stack(found).mean(dim=0)


class Calibrated(nn.Module):
    """The classifier with its temperature, giving probabilities: the module that is exported."""

    def __init__(self, classifier: nn.Module, temperature: float) -> None:
        """Divide the logits by temperature."""
        super().__init__()
        self.classifier, self.temperature = classifier, temperature

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return the probabilities, shape (batch, labels)."""
        return torch.softmax(self.classifier(input_ids, attention_mask) / self.temperature, dim=1)


def build_classifier(
    params: TrainTransformerParameters, texts: list[str], labels: int, root: Path
) -> tuple[Ensemble, Tokenizer, int | None]:
    """Return the untrained classifier, its tokenizer and the id of its mask token, or None.

    texts are the training tickets, from which a new tokenizer learns its words. A pretrained encoder is a folder,
    relative to root, or a model of the Hugging Face hub; only weights in safetensors format are read.
    """
    mask: str | None
    if params.from_scratch:
        tokenizer, mask = learn_tokenizer(texts, params.vocabulary, params.min_count, params.max_tokens), MASK
        encoders = [new_encoder(params, tokenizer) for _ in range(params.members)]
    else:
        encoder, tokenizer, mask = load_encoder(params, root)
        # The members differ in their heads and in the words that are hidden from each.
        encoders = [encoder, *(copy.deepcopy(encoder) for _ in range(params.members - 1))]
    classifier = Ensemble([TicketClassifier(encoder, labels, params.dropout) for encoder in encoders])
    return classifier, tokenizer, tokenizer.token_to_id(mask) if mask else None


def new_encoder(params: TrainTransformerParameters, tokenizer: Tokenizer) -> nn.Module:
    """Return a small BERT (Devlin et al. 2019) with random weights."""
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=params.width,
        num_hidden_layers=params.layers,
        num_attention_heads=params.heads,
        intermediate_size=params.feed_forward,
        hidden_dropout_prob=params.dropout,
        # Dropout of attention weights took 40% of the forward pass and did not help: accuracy on 5,609 IT tickets of
        # validation was 85.5% without it and 85.6% with it (November 2026).
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=params.max_tokens,
        pad_token_id=tokenizer.token_to_id(PAD),
    )
    return BertModel(config, add_pooling_layer=False)


def load_encoder(params: TrainTransformerParameters, root: Path) -> tuple[nn.Module, Tokenizer, str | None]:
    """Return a pretrained encoder, its tokenizer and its mask token; raise a UserError when there is none."""
    # The stage runs in the folder transformer/, and names in params.yaml are relative to the repository's root.
    folder = root / params.encoder
    name, _, revision = (str(folder), "", "") if folder.is_dir() else params.encoder.partition("@")
    try:
        # The user may pin a revision with @; safetensors hold no code.
        encoder = AutoModel.from_pretrained(
            name, revision=revision or "main", use_safetensors=True, attn_implementation="eager"
        )
        tokenizer, mask = pretrained_tokenizer(name, revision or "main", params.max_tokens)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"train_transformer.encoder: {params.encoder!r} cannot be used ({reason}): name a folder with a Hugging "
            "Face encoder, or one of the hub, or `scratch`"
        ) from None
    most = getattr(encoder.config, "max_position_embeddings", params.max_tokens)
    if params.max_tokens > most:
        raise UserError(f"train_transformer.max_tokens: this encoder reads {most} tokens at most")
    return encoder, tokenizer, mask


def learn_tokenizer(texts: Sequence[str], vocabulary: int, min_count: int, max_tokens: int) -> Tokenizer:
    """Return a tokenizer of the most frequent words, or characters of scripts without spaces, in lower case.

    Each text begins with [CLS], so that a text without words still has one token.
    """
    tokenizer = Tokenizer(WordLevel(unk_token=UNKNOWN))
    tokenizer.normalizer = Normalizers([NFC(), Lowercase()])
    tokenizer.pre_tokenizer = Split(Regex(TOKENS), "removed", invert=True)
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
    """Return the tokenizer of a pretrained encoder, and its mask token or None.

    Raises a ValueError when the tokenizers library, all that the service has, cannot run it.
    """
    # The user may pin a revision with @; no code from the hub is run.
    loaded = AutoTokenizer.from_pretrained(name, revision=revision)
    if not loaded.is_fast or loaded.pad_token is None:
        raise ValueError("its tokenizer is not a fast one with a padding token")
    return with_limits(loaded.backend_tokenizer, loaded.pad_token, max_tokens), loaded.mask_token


def with_limits(tokenizer: Tokenizer, pad: str, max_tokens: int) -> Tokenizer:
    """Let the tokenizer cut texts at max_tokens, special tokens included, and pad a batch to its longest text."""
    tokenizer.enable_truncation(max_tokens)
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id(pad), pad_token=pad)
    return tokenizer
