"""Training: pack chips, train, export. The only package that may import torch."""
