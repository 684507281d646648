"""Exports: an encoder as a graph that ONNX Runtime or OpenVINO runs, and the encoder that runs it."""
