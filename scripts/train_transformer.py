"""Train a transformer on the prepared tickets, calibrate it, export it to ONNX and evaluate what was exported.

    dvc --cd transformer repro
    python scripts/train_transformer.py --params params.yaml --data data/processed --model models/transformer

Needs `python setup_mlops.py transformer` once, which installs PyTorch. Reads the section `train_transformer` of
params.yaml. Everything is chosen on train and validation, and the final model trained anew on both; test is looked at
once, through the exported model. A training that was killed goes on from its last whole epoch. The run is tracked in
MLflow.
"""

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import _path  # noqa: F401
from callcenterai.core.cli import UserError, run

if TYPE_CHECKING:
    import numpy as np

    from callcenterai.core.params import TrainTransformerParameters
    from callcenterai.data.parts import Part
    from callcenterai.training.stage import Trained

# Of the training by which everything is chosen, and of the final one.
CHECKPOINTS = (".checkpoint.tmp", ".refit.tmp")
LIBRARIES = ("onnxruntime", "tokenizers", "numpy", "torch", "transformers", "onnx")
# What single precision and another order of the same sums may change.
TOLERANCE = 1e-3


class Fitted(NamedTuple):
    """A trained classifier inside its trainer, with what reads texts for it and the validation tickets so read."""

    trainer: Any
    tokenizer: Any
    mask: int | None
    validation: Any
    progress: Any


class Exported(NamedTuple):
    """Both exports by precision, their bytes by file name, and the probabilities of validation, (n, n_labels) each."""

    models: dict[str, Any]
    files: dict[str, bytes]
    said: "dict[str, np.ndarray]"
    difference: float


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and train; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: %(default)s")
    parser.add_argument("--data", type=Path, default=Path("data/processed"), help="folder; default: %(default)s")
    parser.add_argument("--model", type=Path, default=Path("models/transformer"), help="folder; default: %(default)s")
    parser.add_argument("--metrics", type=Path, default=Path("metrics/transformer.json"), help="default: %(default)s")
    parser.add_argument("--plots", type=Path, default=Path("plots/transformer"), help="folder; default: %(default)s")
    args = parser.parse_args(argv)
    folders = {"model": args.model, "metrics": args.metrics, "plots": args.plots}
    return run(lambda: train_and_track(args.params, args.data, folders))


def train_and_track(params_path: Path, data: Path, folders: dict[str, Path]) -> None:
    """Check parameters, data and the installation, then train, write the outputs and log the run."""
    from callcenterai.core.params import TrainTransformerParameters, read_parameters
    from callcenterai.data.parts import read_part

    params = read_parameters(params_path, "train_transformer", TrainTransformerParameters)
    parts = {name: read_part(data, name) for name in ("train", "validation", "test")}
    check_installation()

    from callcenterai.training import stage as training

    checkpoints = [folders["model"] / name for name in CHECKPOINTS]
    training.carry_out("transformer", parts, params, folders, lambda: train(parts, params, checkpoints))
    for checkpoint in checkpoints:
        checkpoint.unlink(missing_ok=True)


def check_installation() -> None:
    """Raise a UserError when what only this script needs is not there."""
    from importlib.util import find_spec

    missing = [name for name in ("torch", "transformers", "onnx") if find_spec(name) is None]
    if missing:
        raise UserError(
            f"{', '.join(missing)} not installed: `python setup_mlops.py transformer` installs what it needs"
        )


def train(parts: "dict[str, Part]", params: "TrainTransformerParameters", checkpoints: list[Path]) -> "Trained":
    """Return the trained and exported model with its files: both exports and the tokenizer.

    Epoch and temperature are chosen on validation by a training on train alone. With params.refit the final model is
    trained anew on both, for as many epochs and with the same temperature; the figures of validation stay the first's.
    """
    from callcenterai.artifact.folder import INT8_FILE, ONNX_FILE
    from callcenterai.training.evaluation import Predictions
    from callcenterai.training.stage import Trained
    from callcenterai.transformer.network import fit_temperature

    started = time.process_time()
    labels, validation = sorted(set(parts["train"].labels)), parts["validation"]
    fitted = fit(parts, params, labels, checkpoints[0])
    temperature = fit_temperature(fitted.trainer.logits(fitted.validation), fitted.validation.labels)
    exported = export(fitted, temperature, labels, validation, params)
    # Epoch and temperature were chosen on these tickets: their figures are a little too good; those of test are not.
    predicted = {name: Predictions(labels, validation.labels, said) for name, said in exported.said.items()}
    metrics = {
        "exports": {
            name: {"validation_accuracy": round(float(each.correct.mean()), 6)} for name, each in predicted.items()
        },
        "temperature": round(temperature, 6),
        "epochs": {"run": fitted.progress.epoch, "best": fitted.progress.best_epoch},
    }
    if params.refit:
        fitted = fit(parts, params, labels, checkpoints[1], fitted.progress.best_epoch)
        exported = export(fitted, temperature, labels, validation, params)
    return Trained(
        exported.models[params.precision],
        exported.files,
        predicted[params.precision],
        LIBRARIES,
        time.process_time() - started,
        refit=params.refit,
        metrics=metrics | {"onnx_difference": round(exported.difference, 9)},
        metadata={"serves": ONNX_FILE if params.precision == "float32" else INT8_FILE, "mask_id": fitted.mask},
    )


def fit(
    parts: "dict[str, Part]",
    params: "TrainTransformerParameters",
    labels: list[str],
    checkpoint: Path,
    epochs: int | None = None,
) -> Fitted:
    """Train on train and choose the epoch on validation, or train on both for a number of epochs."""
    import torch

    from callcenterai.tracking.store import ROOT
    from callcenterai.transformer import network as transformer_model
    from callcenterai.transformer.trainer import Trainer, join

    torch.manual_seed(params.random_state)
    names = ["train"] if epochs is None else ["train", "validation"]
    texts = [text for name in names for text in parts[name].texts]
    classifier, tokenizer, mask = transformer_model.build(params, texts, len(labels), ROOT)
    encoded = {name: encode(parts[name], tokenizer, labels) for name in ("train", "validation")}
    special = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    trainer = Trainer(classifier, tokenizer.padding["pad_id"], mask, special, params, checkpoint)
    progress = trainer.fit(
        join([encoded[name] for name in names]),
        encoded["validation"] if epochs is None else None,
        epochs or params.epochs,
        identity(params, parts, tokenizer, names),
    )
    return Fitted(trainer, tokenizer, mask, encoded["validation"], progress)


def encode(part: "Part", tokenizer: Any, labels: list[str]) -> Any:
    """Return a part as token ids and label numbers; a UserError when it has a label that training never saw."""
    import numpy as np

    from callcenterai.transformer.trainer import Encoded

    numbers = {label: number for number, label in enumerate(labels)}
    if unknown := sorted(set(part.labels) - set(numbers)):
        raise UserError(f"{part.path} has labels that train.csv lacks ({', '.join(unknown)}): `dvc repro -f prepare`")
    batches = tokenizer.encode_batch_fast([str(text) for text in part.texts])
    # Padding is for batches, whose longest differs.
    ids = [np.array(each.ids, dtype=np.int64)[: sum(each.attention_mask)] for each in batches]
    return Encoded(ids, np.array([numbers[label] for label in part.labels]))


def identity(
    params: "TrainTransformerParameters", parts: "dict[str, Part]", tokenizer: Any, trained_on: list[str]
) -> str:
    """Return a hash of what the weights depend on, by which a checkpoint knows its training again."""
    import torch

    from callcenterai.core.files import sha256

    data = [sha256(parts[name].path) for name in ("train", "validation")]
    told = [params.model_dump(), data, trained_on, tokenizer.to_str(), torch.__version__]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def export(
    fitted: Fitted, temperature: float, labels: list[str], validation: "Part", params: "TrainTransformerParameters"
) -> Exported:
    """Write both exports; a RuntimeError when ONNX and PyTorch do not say the same of validation."""
    import numpy as np
    from scipy.special import softmax

    from callcenterai.artifact.folder import INT8_FILE, ONNX_FILE, TOKENIZER_FILE
    from callcenterai.artifact.onnx_classifier import OnnxClassifier
    from callcenterai.transformer.onnx_export import int8_bytes, onnx_bytes

    expected = softmax(fitted.trainer.logits(fitted.validation) / temperature, axis=1)
    words = fitted.tokenizer.to_str().encode()
    files = {ONNX_FILE: onnx_bytes(fitted.trainer.classifier, temperature, params.max_tokens)}
    files |= {INT8_FILE: int8_bytes(files[ONNX_FILE]), TOKENIZER_FILE: words}
    models = {
        "float32": OnnxClassifier(files[ONNX_FILE], words, labels),
        "int8": OnnxClassifier(files[INT8_FILE], words, labels),
    }
    said = {name: model.predict_proba(validation.texts) for name, model in models.items()}
    difference = float(np.abs(said["float32"] - expected).max())
    if difference > TOLERANCE:
        raise RuntimeError(f"the exported model's probabilities differ from PyTorch's by up to {difference:.6f}")
    return Exported(models, files, said, difference)


if __name__ == "__main__":
    sys.exit(main())
