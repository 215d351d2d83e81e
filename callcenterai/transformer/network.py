"""The transformer: an encoder, new or pretrained, under a head that sees the mean and the maximum of its outputs."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoModel, BertConfig, BertModel

from callcenterai.core.cli import UserError
from callcenterai.core.params import TrainTransformerParameters
from callcenterai.transformer.transformer_text import MASK, PAD, learn_tokenizer, pretrained_tokenizer

# Below what any output reaches, and still a number in half precision.
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
    """Several classifiers that began from other weights; their mean is the answer."""

    def __init__(self, members: list[TicketClassifier]) -> None:
        """Hold the members."""
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return the mean of the members' logarithmic probabilities, shape (batch, labels)."""
        found = [torch.log_softmax(member(input_ids, attention_mask), dim=1) for member in self.members]
        return torch.stack(found).mean(dim=0)


class Calibrated(nn.Module):
    """What is exported: the classifier with its temperature, giving probabilities."""

    def __init__(self, classifier: nn.Module, temperature: float) -> None:
        """Divide the logits by temperature."""
        super().__init__()
        self.classifier, self.temperature = classifier, temperature

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return the probabilities, shape (batch, labels)."""
        return torch.softmax(self.classifier(input_ids, attention_mask) / self.temperature, dim=1)


def build(params: TrainTransformerParameters, texts: list[str], labels: int, root: Path) -> tuple[Any, Tokenizer, Any]:
    """Return the untrained classifier, its tokenizer and its mask token's id, None without one.

    texts are the training tickets, of which a new tokenizer learns its words. A pretrained encoder is a folder, named
    from root, or what the Hugging Face hub has under that name; only weights in safetensors format are read.
    """
    if params.from_scratch:
        tokenizer, mask = learn_tokenizer(texts, params.vocabulary, params.min_count, params.max_tokens), MASK
        encoders = [new_encoder(params, tokenizer) for _ in range(params.members)]
    else:
        encoder, tokenizer, mask = pretrained(params, root)
        # They begin alike, but for their heads and for the words that are hidden from each.
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
        # Drawing what is dropped of each attention weight took 40% of the forward pass and did not help: 85.5% of 5,609
        # IT tickets of validation right without it, 85.6% with it (November 2026).
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=params.max_tokens,
        pad_token_id=tokenizer.token_to_id(PAD),
    )
    return BertModel(config, add_pooling_layer=False)


def pretrained(params: TrainTransformerParameters, root: Path) -> tuple[nn.Module, Tokenizer, str | None]:
    """Return a pretrained encoder, its tokenizer and its mask token; a UserError when it cannot be had."""
    # The stage's working folder is transformer/, the names in params.yaml are from the repository's root.
    folder = root / params.encoder
    name, _, revision = (str(folder), "", "") if folder.is_dir() else params.encoder.partition("@")
    try:
        # B615 wants a pinned revision: the user may pin one with @; only safetensors are read, and no code comes along.
        encoder = AutoModel.from_pretrained(  # nosec B615
            name, revision=revision or "main", use_safetensors=True, attn_implementation="eager"
        )
        tokenizer, mask = pretrained_tokenizer(name, revision or "main", params.max_tokens)
    except (OSError, ValueError) as error:
        told = str(error).strip().splitlines()[0]
        raise UserError(
            f"train_transformer.encoder: {params.encoder!r} cannot be used ({told}): name a folder with a Hugging Face "
            "encoder, or one of the hub, or `scratch`"
        ) from None
    most = getattr(encoder.config, "max_position_embeddings", params.max_tokens)
    if params.max_tokens > most:
        raise UserError(f"train_transformer.max_tokens: this encoder reads {most} tokens at most")
    return encoder, tokenizer, mask


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature with the lowest log loss (Guo et al. 2017); logits (n, n_labels), labels (n,) of int."""

    def log_loss(logarithm: float) -> float:
        return -log_softmax(logits / np.exp(logarithm), axis=1)[np.arange(len(labels)), labels].mean()

    return float(np.exp(minimize_scalar(log_loss, bounds=(-4, 4), method="bounded").x))
