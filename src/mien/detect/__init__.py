"""Image in, faces out: one class a detector, chosen by name.

Importing this package is cheap: onnxruntime, dlib and the weights of MTCNN are loaded when a
detector that needs them is built.
"""

from mien.detect.base import DetectorSettings, create_detector, detectors
from mien.detect.crops import Crop
from mien.detect.haar import Haar
from mien.detect.hog import Hog
from mien.detect.mtcnn import Mtcnn
from mien.detect.whole import Whole
from mien.detect.yunet import YuNet

__all__ = [
    "Crop",
    "DetectorSettings",
    "Haar",
    "Hog",
    "Mtcnn",
    "Whole",
    "YuNet",
    "create_detector",
    "detectors",
]
