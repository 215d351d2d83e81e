"""Train a transformer, calibrate it, export it to ONNX and evaluate the export.

Importing this module needs PyTorch; stage.check_pytorch says whether it is there.
"""

import hashlib
import io
import json
import logging
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from tokenizers import Tokenizer

from callcenterai.artifact.folder import INT8_FILE, ONNX_FILE, TOKENIZER_FILE
from callcenterai.artifact.onnx_classifier import OnnxClassifier
from callcenterai.core.cli import UserError
from callcenterai.core.files import sha256
from callcenterai.core.params import TrainTransformerParameters
from callcenterai.data.parts import Part
from callcenterai.data.split import assign_folds
from callcenterai.tracking import store as tracking
from callcenterai.training.evaluation import Predictions
from callcenterai.training.stage import TrainedModel, run_training
from callcenterai.transformer.network import Calibrated, Ensemble, build_classifier
from callcenterai.transformer.trainer import Encoded, Progress, Trainer, concatenate

# The checkpoints of the training that chooses epoch and temperature, and of the final one.
CHECKPOINTS = (".checkpoint.tmp", ".refit.tmp")
LIBRARIES = ("onnxruntime", "tokenizers", "numpy", "torch", "transformers", "onnx")
# Single precision and another order of the same sums change probabilities by less.
TOLERANCE = 1e-3
INPUT_NAMES = ["input_ids", "attention_mask"]


class FittedClassifier(NamedTuple):
    """A trained classifier inside its trainer, its tokenizer, the id of the mask token, and validation as token ids.

    tickets are those that it has learned from.
    """

    trainer: Trainer
    tokenizer: Tokenizer
    mask: int | None
    tickets: Encoded
    validation: Encoded
    progress: Progress


class HeldOutFit(NamedTuple):
    """The exports of the final classifier, and what was chosen on tickets that were held out.

    mask is the id of its mask token, or None. held_out are the answers to these tickets by weights that did not learn
    from them, (n, n_labels), by precision: to the last n of train followed by validation.
    """

    exported: "ExportedModels"
    mask: int | None
    held_out: dict[str, np.ndarray]
    temperature: float
    progress: Progress


class ExportedModels(NamedTuple):
    """Both exports by precision, their bytes by file name, and the probabilities of validation, (n, n_labels) each.

    difference is the largest one between the probabilities of PyTorch and of the export in single precision.
    """

    models: dict[str, OnnxClassifier]
    files: dict[str, bytes]
    probabilities: dict[str, np.ndarray]
    difference: float


def train_transformer(
    parts: dict[str, Part], params: TrainTransformerParameters, clean: str, folders: dict[str, Path]
) -> None:
    """Train, evaluate, write and log the model; folders: "model", "metrics" (a file) and "plots".

    clean is how the texts of the parts were cleaned.
    """
    checkpoints = [folders["model"] / name for name in CHECKPOINTS]
    run_training("transformer", parts, params, folders, lambda: train_and_export(parts, params, clean, checkpoints))
    for checkpoint in checkpoints:
        checkpoint.unlink(missing_ok=True)


def train_and_export(
    parts: dict[str, Part], params: TrainTransformerParameters, clean: str, checkpoints: list[Path]
) -> TrainedModel:
    """Return the trained and exported model with its files: both exports and the tokenizer.

    With params.refit, it learns from train and validation. Epoch, temperature and the figures of validation rest on
    answers to tickets by weights that did not learn from them.
    """
    started = time.process_time()
    labels = sorted(set(parts["train"].labels))
    fit = fit_on_folds if params.refit and params.members > 1 else fit_on_train
    exported, mask, held_out, temperature, progress = fit(parts, params, labels, checkpoints)
    predicted = predictions_of(held_out, exported.models[params.precision], labels, parts)
    # Epoch and temperature were chosen on these tickets, so their figures are a little too good; those of test are not.
    validation = {name: each.last(len(parts["validation"])) for name, each in predicted.items()}
    accuracies = {
        name: {"validation_accuracy": round(float(each.correct.mean()), 6)} for name, each in validation.items()
    }
    metrics = {
        "exports": accuracies,
        "temperature": round(temperature, 6),
        "epochs": {"run": progress.epoch, "best": progress.best_epoch},
    }
    return TrainedModel(
        exported.models[params.precision],
        exported.files,
        validation[params.precision],
        LIBRARIES,
        time.process_time() - started,
        refit=params.refit,
        held_out=predicted[params.precision],
        find_known=lambda texts: exported.models[params.precision].find_known(list(texts)),
        metrics=metrics | {"onnx_difference": round(exported.difference, 9)},
        metadata={
            "clean": clean,
            "serves": ONNX_FILE if params.precision == "float32" else INT8_FILE,
            "mask_id": mask,
        },
    )


def fit_on_folds(
    parts: dict[str, Part], params: TrainTransformerParameters, labels: list[str], checkpoints: list[Path]
) -> HeldOutFit:
    """Train on train and validation; each member leaves out one fold of them, which judges it.

    So all of these tickets are held out from one member, at less than the cost of training each member once. The
    final model is all members together, a little better than what they answer alone. Near-duplicates are in one fold.
    """
    fitted = fit_classifier(parts, params, labels, checkpoints[0], folds=True)
    temperature = fit_temperature(fitted.trainer.logits(fitted.tickets), fitted.tickets.labels)
    exported = export_classifier(fitted, temperature, labels, parts["validation"], params)
    texts = np.concatenate([parts["train"].texts, parts["validation"].texts])
    held_out = {name: np.empty((len(texts), len(labels))) for name in exported.models}
    for number, member in enumerate(fitted.trainer.classifier.members):
        rows = fitted.tickets.left_out(number)
        models, _ = make_exports(Ensemble([member]), fitted.tokenizer, temperature, labels, params)
        for name, model in models.items():
            held_out[name][rows] = model.predict_proba(list(texts[rows]))
    return HeldOutFit(exported, fitted.mask, held_out, temperature, fitted.progress)


def fit_on_train(
    parts: dict[str, Part], params: TrainTransformerParameters, labels: list[str], checkpoints: list[Path]
) -> HeldOutFit:
    """Train on train, judged by validation; with params.refit, then from the start on both, for as many epochs."""
    first = fitted = fit_classifier(parts, params, labels, checkpoints[0])
    temperature = fit_temperature(first.trainer.logits(first.validation), first.validation.labels)
    exported = export_classifier(fitted, temperature, labels, parts["validation"], params)
    held_out = exported.probabilities
    if params.refit:
        fitted = fit_classifier(parts, params, labels, checkpoints[1], epochs=first.progress.best_epoch)
        exported = export_classifier(fitted, temperature, labels, parts["validation"], params)
    return HeldOutFit(exported, fitted.mask, held_out, temperature, first.progress)


def predictions_of(
    held_out: dict[str, np.ndarray], model: OnnxClassifier, labels: list[str], parts: dict[str, Part]
) -> dict[str, Predictions]:
    """Return HeldOutFit.held_out with the tickets' labels, and with whether the model knows anything of their texts."""
    count = len(next(iter(held_out.values())))
    texts, true = (
        np.concatenate([getattr(parts[name], column) for name in ("train", "validation")])[-count:]
        for column in ("texts", "labels")
    )
    known = model.find_known(list(texts))
    return {name: Predictions(labels, true, each, known) for name, each in held_out.items()}


def fit_classifier(
    parts: dict[str, Part],
    params: TrainTransformerParameters,
    labels: list[str],
    checkpoint: Path,
    epochs: int | None = None,
    folds: bool = False,
) -> FittedClassifier:
    """Train on train and choose the epoch on validation, or train on both for a number of epochs.

    With folds, train on both, where each member leaves one fold out, and choose the epoch on these.
    """
    torch.manual_seed(params.random_state)
    names = ["train"] if epochs is None and not folds else ["train", "validation"]
    texts = [text for name in names for text in parts[name].texts]
    classifier, tokenizer, mask = build_classifier(params, texts, len(labels), tracking.ROOT)
    encoded = {name: encode_part(parts[name], tokenizer, labels) for name in ("train", "validation")}
    special = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    pad = tokenizer.padding["pad_id"]  # type: ignore[index]  # None without padding, which with_limits enabled
    trainer = Trainer(classifier, pad, mask, special, params, checkpoint)
    tickets = concatenate([encoded[name] for name in names])
    judged_by = encoded["validation"] if epochs is None else None
    if folds:
        groups = np.concatenate([parts[name].groups for name in names])
        left_out_by = assign_folds(tickets.labels, groups, params.random_state, params.members)
        tickets = judged_by = replace(tickets, left_out_by=left_out_by)
    identity = training_identity(params, parts, tokenizer, names)
    progress = trainer.fit(tickets, judged_by, epochs or params.epochs, identity)
    return FittedClassifier(trainer, tokenizer, mask, tickets, encoded["validation"], progress)


def encode_part(part: Part, tokenizer: Tokenizer, labels: list[str]) -> Encoded:
    """Return a part as token ids and label numbers; raise a UserError when it has a label that train lacks."""
    numbers = {label: number for number, label in enumerate(labels)}
    if unknown := sorted(set(part.labels) - set(numbers)):
        raise UserError(f"{part.path} has labels that train.csv lacks ({', '.join(unknown)}): `dvc repro -f prepare`")
    batches = tokenizer.encode_batch_fast([str(text) for text in part.texts])
    # Cut off the padding: the trainer pads each of its own batches.
    ids = [np.array(each.ids, dtype=np.int64)[: sum(each.attention_mask)] for each in batches]
    return Encoded(ids, np.array([numbers[label] for label in part.labels]))


def training_identity(
    params: TrainTransformerParameters, parts: dict[str, Part], tokenizer: Tokenizer, trained_on: list[str]
) -> str:
    """Return a hash of all that the weights depend on; a checkpoint with another one is not resumed."""
    data = [sha256(parts[name].path) for name in ("train", "validation")]
    depends_on = [params.model_dump(), data, trained_on, tokenizer.to_str(), torch.__version__]
    return hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()


def export_classifier(
    fitted: FittedClassifier,
    temperature: float,
    labels: list[str],
    validation: Part,
    params: TrainTransformerParameters,
) -> ExportedModels:
    """Make both exports; raise a RuntimeError when the predictions of ONNX and PyTorch on validation differ."""
    expected = softmax(fitted.trainer.logits(fitted.validation) / temperature, axis=1)
    models, files = make_exports(fitted.trainer.classifier, fitted.tokenizer, temperature, labels, params)
    probabilities = {name: model.predict_proba(list(validation.texts)) for name, model in models.items()}
    difference = float(np.abs(probabilities["float32"] - expected).max())
    if difference > TOLERANCE:
        raise RuntimeError(f"the exported model's probabilities differ from PyTorch's by up to {difference:.6f}")
    return ExportedModels(models, files, probabilities, difference)


def make_exports(
    classifier: Ensemble,
    tokenizer: Tokenizer,
    temperature: float,
    labels: list[str],
    params: TrainTransformerParameters,
) -> tuple[dict[str, OnnxClassifier], dict[str, bytes]]:
    """Return both exports by precision, and their bytes by file name; moves the classifier to the CPU."""
    vocabulary = tokenizer.to_str().encode()
    files = {ONNX_FILE: onnx_bytes(classifier, temperature, params.max_tokens)}
    files |= {INT8_FILE: int8_bytes(files[ONNX_FILE]), TOKENIZER_FILE: vocabulary}
    models = {
        "float32": OnnxClassifier(files[ONNX_FILE], vocabulary, labels),
        "int8": OnnxClassifier(files[INT8_FILE], vocabulary, labels),
    }
    return models, files


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature with the lowest log loss (Guo et al. 2017); logits (n, n_labels), labels (n,) of int."""

    def log_loss(logarithm: float) -> float:
        return -log_softmax(logits / np.exp(logarithm), axis=1)[np.arange(len(labels)), labels].mean()

    return float(np.exp(minimize_scalar(log_loss, bounds=(-4, 4), method="bounded").x))


def onnx_bytes(classifier: Ensemble, temperature: float, tokens: int) -> bytes:
    """Return classifier and temperature as ONNX, for batches of any size and texts of up to `tokens` tokens."""
    module = Calibrated(classifier, temperature).cpu().eval()
    # Eager attention is exported as operations that every runtime knows.
    for member in classifier.members:
        member.encoder.set_attn_implementation("eager")
    example = torch.ones((2, min(tokens, 8)), dtype=torch.int64)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # torch.onnx.export warns that tracing is deprecated. Its successor (dynamo=True, torch 2.13.0) gave other
        # probabilities for this module, which export_classifier would refuse.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (example, example),
            buffer,
            input_names=INPUT_NAMES,
            output_names=["probabilities"],
            dynamic_axes={name: {0: "batch", 1: "tokens"} for name in INPUT_NAMES} | {"probabilities": {0: "batch"}},
            dynamo=False,
        )
    return buffer.getvalue()


def int8_bytes(model: bytes) -> bytes:
    """Return an ONNX model with weights in eight bits; activations are quantized at run time."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "model.onnx", Path(folder) / "model.int8.onnx"
        source.write_bytes(model)
        # quantize_dynamic warns through the root logger of a missing pre-processing, which these graphs do not need.
        logging.disable(logging.WARNING)
        try:
            quantize_dynamic(source, target, weight_type=QuantType.QInt8, extra_options={"MatMulConstBOnly": True})
        finally:
            logging.disable(logging.NOTSET)
        return target.read_bytes()
