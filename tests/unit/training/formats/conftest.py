"""The trained toy network as every format gets it, and a network whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest


@pytest.fixture(scope="session")
def source(tiny_run):
    """What `mien export` hands to a format."""
    from mien.training.export import calibrated
    from mien.training.state import load_run

    return calibrated(*load_run(tiny_run), "corners.onnx")[0]


@pytest.fixture(scope="session")
def mirrored(source):
    """The same with the mirror image inside."""
    from mien.training.folding import Mirrored

    return replace(source, network=Mirrored(source.network).eval())


@pytest.fixture(scope="session")
def faces(source):
    """Seven validation faces, ready for the network."""
    from mien.training.formats.base import parity_faces

    return parity_faces(source.held_out, source.recipe.input, 7)


@pytest.fixture(scope="session")
def expected(source, faces):
    """What torch answers for them."""
    from mien.training.formats.base import torch_runner

    return torch_runner(source.network)(faces)


@pytest.fixture
def agrees(expected):
    """Function that says whether answers are those of torch, shape, order and numbers."""

    def check(found):
        assert set(found) == set(expected)
        for head, values in expected.items():
            assert found[head].dtype == np.float32
            np.testing.assert_allclose(found[head], values, atol=1e-4)
        return True

    return check
