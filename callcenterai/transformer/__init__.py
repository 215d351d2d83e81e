"""The small transformer: network, training and export to ONNX."""
