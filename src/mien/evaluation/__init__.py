"""How good a shipped model is: metrics, and runs of the ONNX file through the pipeline."""
