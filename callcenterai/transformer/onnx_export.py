"""Write a trained transformer as ONNX: in single precision, and with weights of eight bits."""

import io
import logging
import tempfile
import warnings
from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

from callcenterai.transformer.network import Calibrated, Ensemble

NAMES = ["input_ids", "attention_mask"]


def onnx_bytes(classifier: Ensemble, temperature: float, tokens: int) -> bytes:
    """Return the model with its temperature; it takes batches of any size, and texts of up to `tokens` tokens."""
    module = Calibrated(classifier, temperature).cpu().eval()
    # What attention does is written out, in operations that every runtime knows.
    for member in classifier.members:
        member.encoder.set_attn_implementation("eager")
    example = torch.ones((2, min(tokens, 8)), dtype=torch.int64)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter that traces is on its way out; the one to replace it gave other probabilities for this module
        # (torch 2.13.0), which the caller's comparison would not let pass.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (example, example),
            buffer,
            input_names=NAMES,
            output_names=["probabilities"],
            dynamic_axes={name: {0: "batch", 1: "tokens"} for name in NAMES} | {"probabilities": {0: "batch"}},
            dynamo=False,
        )
    return buffer.getvalue()


def int8_bytes(model: bytes) -> bytes:
    """Return an ONNX model with its weights in eight bits; what flows between the layers is rounded as it comes."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "model.onnx", Path(folder) / "model.int8.onnx"
        source.write_bytes(model)
        # It warns, through the root logger, that a preparation was not done which these graphs do not need.
        logging.disable(logging.WARNING)
        try:
            quantize_dynamic(source, target, weight_type=QuantType.QInt8, extra_options={"MatMulConstBOnly": True})
        finally:
            logging.disable(logging.NOTSET)
        return target.read_bytes()
