"""Serves the exported transformer with ONNX Runtime, without PyTorch."""
