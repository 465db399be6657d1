"""onnxruntime behind one small class; nothing else in mien imports it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mien.errors import DeviceError, ModelError

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "webgpu": "WebGpuExecutionProvider",
    "xnnpack": "XnnpackExecutionProvider",
}
"""Device names of the command line and the execution provider each stands for."""

logger = logging.getLogger(__name__)


def available_devices() -> list[str]:
    """Names of the devices that the installed onnxruntime can use."""
    import onnxruntime

    present = set(onnxruntime.get_available_providers())
    return [name for name, provider in PROVIDERS.items() if provider in present]


class Session:
    """One ONNX model, ready to run; safe to call from several threads at the same time.

    Args:
        path: The ONNX file.
        device: A key of `PROVIDERS`.
        threads: Threads inside one call; 0 lets onnxruntime use all cores.
        content: The model itself, where it was built in memory; `path` is then just its name.

    Raises:
        DeviceError: The device is unknown or not available here.
        ModelError: The file is not a model that onnxruntime can load.
    """

    def __init__(
        self, path: Path, *, device: str = "cpu", threads: int = 0, content: bytes | None = None
    ) -> None:
        import onnxruntime

        if device not in available_devices():
            raise DeviceError(
                f"device {device!r} is not available. "
                f"Here: {', '.join(available_devices())}. A GPU needs its own onnxruntime build, "
                "e.g. onnxruntime-gpu for cuda."
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Warnings about optimiser details would end up on the user's terminal.
        options.log_severity_level = 3
        # A waiting thread that spins steals the core from decoding and drawing.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = [PROVIDERS[device]]
        if device != "cpu":
            providers.append(PROVIDERS["cpu"])
        try:
            self._session = onnxruntime.InferenceSession(
                content or str(path), sess_options=options, providers=providers
            )
        except Exception as error:  # onnxruntime has no common base class for load errors
            raise ModelError(
                f"{path}: onnxruntime cannot load this model: {_one_line(error)}"
            ) from error
        self.path = path
        self.input_name: str = self._session.get_inputs()[0].name
        self.output_names: list[str] = [output.name for output in self._session.get_outputs()]
        self.metadata: dict[str, str] = dict(
            self._session.get_modelmeta().custom_metadata_map or {}
        )

    def run(
        self, batch: npt.NDArray[np.float32], outputs: Sequence[str] | None = None
    ) -> list[npt.NDArray[np.float32]]:
        """Run one batch.

        Args:
            batch: The only input, first axis is the batch.
            outputs: Names of the wanted outputs; all of them by default.

        Returns:
            One array an output, in the order of `outputs` or `output_names`.

        Raises:
            ModelError: onnxruntime refuses the input or fails.
        """
        try:
            names = None if outputs is None else list(outputs)
            return list(self._session.run(names, {self.input_name: batch}))
        except Exception as error:
            raise ModelError(
                f"{self.path.name} failed on input {batch.shape}: {_one_line(error)}"
            ) from error


def _one_line(error: Exception) -> str:
    """Message of an error without the line breaks that onnxruntime likes to put in."""
    return " ".join(str(error).split())
