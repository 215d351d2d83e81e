"""Train a transformer on the prepared tickets, calibrate it, export it to ONNX and evaluate what was exported.

    dvc --cd transformer repro
    python scripts/train_transformer.py --params params.yaml --data data/processed --model models/transformer

Needs `python setup_mlops.py transformer` once, which installs PyTorch. Reads the section `train_transformer` of
params.yaml. Everything is chosen on train and validation; test is looked at once, through the exported model. A
training that was killed goes on from its last whole epoch. The run is tracked in MLflow.
"""

import argparse
import hashlib
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli import UserError, run

if TYPE_CHECKING:
    from parameters import TrainTransformerParameters
    from prepared_data import Part
    from training import Trained

CHECKPOINT = ".checkpoint.tmp"
LIBRARIES = ("onnxruntime", "tokenizers", "numpy", "torch", "transformers", "onnx")
# What single precision and another order of the same sums may change.
TOLERANCE = 1e-3


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
    from parameters import TrainTransformerParameters, read_parameters
    from prepared_data import read_part

    params = read_parameters(params_path, "train_transformer", TrainTransformerParameters)
    parts = {name: read_part(data, name) for name in ("train", "validation", "test")}
    check_installation()

    import training

    checkpoint = folders["model"] / CHECKPOINT
    training.carry_out("transformer", parts, params, folders, lambda: train(parts, params, checkpoint))
    checkpoint.unlink(missing_ok=True)


def check_installation() -> None:
    """Raise a UserError when what only this script needs is not there."""
    from importlib.util import find_spec

    missing = [name for name in ("torch", "transformers", "onnx") if find_spec(name) is None]
    if missing:
        raise UserError(
            f"{', '.join(missing)} not installed: `python setup_mlops.py transformer` installs what it needs"
        )


def train(parts: "dict[str, Part]", params: "TrainTransformerParameters", checkpoint: Path) -> "Trained":
    """Return the trained and exported model with its files: both exports and the tokenizer."""
    import torch

    import transformer_model
    from tracking import ROOT
    from transformer_training import Trainer

    started = time.process_time()
    torch.manual_seed(params.random_state)
    labels = sorted(set(parts["train"].labels))
    classifier, tokenizer, mask = transformer_model.build(params, list(parts["train"].texts), len(labels), ROOT)
    encoded = {name: encode(parts[name], tokenizer, labels) for name in ("train", "validation")}
    special = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    trainer = Trainer(classifier, tokenizer.padding["pad_id"], mask, special, params, checkpoint)
    progress = trainer.fit(encoded["train"], encoded["validation"], identity(params, parts, tokenizer))
    exported = export(trainer, tokenizer, encoded["validation"], labels, parts["validation"], params)
    exported.metrics["epochs"] = {"run": progress.epoch, "best": progress.best_epoch}
    exported.metadata["mask_id"] = mask
    return replace(exported, cpu_seconds=time.process_time() - started)


def encode(part: "Part", tokenizer: Any, labels: list[str]) -> Any:
    """Return a part as token ids and label numbers; a UserError when it has a label that training never saw."""
    import numpy as np

    from transformer_training import Encoded

    numbers = {label: number for number, label in enumerate(labels)}
    if unknown := sorted(set(part.labels) - set(numbers)):
        raise UserError(f"{part.path} has labels that train.csv lacks ({', '.join(unknown)}): `dvc repro -f prepare`")
    batches = tokenizer.encode_batch_fast([str(text) for text in part.texts])
    # Padding is for batches, whose longest differs.
    ids = [np.array(each.ids, dtype=np.int64)[: sum(each.attention_mask)] for each in batches]
    return Encoded(ids, np.array([numbers[label] for label in part.labels]))


def identity(params: "TrainTransformerParameters", parts: "dict[str, Part]", tokenizer: Any) -> str:
    """Return a hash of what the weights depend on, by which a checkpoint knows its training again."""
    import torch

    from files import sha256

    data = [sha256(parts[name].path) for name in ("train", "validation")]
    told = [params.model_dump(), data, tokenizer.to_str(), torch.__version__]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def export(trainer: Any, tokenizer: Any, encoded: Any, labels: list[str], validation: "Part", params: Any) -> "Trained":
    """Calibrate on validation and write both exports; a RuntimeError when ONNX and PyTorch do not agree."""
    import numpy as np
    from scipy.special import softmax

    import transformer_model
    from evaluation import Predictions
    from model_folder import INT8_FILE, ONNX_FILE, TOKENIZER_FILE
    from onnx_classifier import OnnxClassifier
    from onnx_export import int8_bytes, onnx_bytes
    from training import Trained

    logits = trainer.logits(encoded)
    temperature = transformer_model.fit_temperature(logits, encoded.labels)
    words = tokenizer.to_str().encode()
    files = {ONNX_FILE: onnx_bytes(trainer.classifier, temperature, params.max_tokens)}
    files |= {INT8_FILE: int8_bytes(files[ONNX_FILE]), TOKENIZER_FILE: words}
    models = {
        "float32": OnnxClassifier(files[ONNX_FILE], words, labels),
        "int8": OnnxClassifier(files[INT8_FILE], words, labels),
    }
    found = {name: model.predict_proba(validation.texts) for name, model in models.items()}
    difference = float(np.abs(found["float32"] - softmax(logits / temperature, axis=1)).max())
    if difference > TOLERANCE:
        raise RuntimeError(f"the exported model's probabilities differ from PyTorch's by up to {difference:.6f}")
    exports = {
        name: {
            "validation_accuracy": round(float(np.mean(model.classes_[found[name].argmax(1)] == validation.labels)), 6)
        }
        for name, model in models.items()
    }
    served = ONNX_FILE if params.precision == "float32" else INT8_FILE
    # Epoch and temperature were chosen on these tickets: their figures are a little too good; those of test are not.
    predicted = Predictions(labels, validation.labels, found[params.precision])
    metrics = {"exports": exports, "onnx_difference": round(difference, 9), "temperature": round(temperature, 6)}
    return Trained(
        models[params.precision], files, predicted, LIBRARIES, 0.0, metrics=metrics, metadata={"serves": served}
    )


if __name__ == "__main__":
    sys.exit(main())
