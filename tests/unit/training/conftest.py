"""One thread for torch, for every test of this folder."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def one_torch_thread():
    """Several threads only wait for each other on chips this small."""
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)
