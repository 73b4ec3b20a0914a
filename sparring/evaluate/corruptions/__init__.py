"""MNIST-C's, CIFAR-C's and ImageNet-C's corruptions of whole batches, the same for every student.

Ours, in torch (jpeg_compression and pixelate by Pillow, a picture at a time): all but three. Those three ask the extra
`corruptions`: canny_edges (scikit-image), the water of spatter in colour at severities 1 to 3 (OpenCV), and frost's
photographs (shipped with corrupt-tta). Levels and recipes are those of the code that made the published files (Mu and
Gilmer 2019; Hendrycks and Dietterich 2019). The chance is ours: images differ from theirs, and accuracies by chance.
"""

from sparring.evaluate.corruptions.score import CLEAN, corruption_accuracies
from sparring.evaluate.corruptions.table import CORRUPTIONS, benchmark, corrupted, require_known, severities, unfit
from sparring.evaluate.corruptions.warp import translate

__all__ = [
    "CLEAN",
    "CORRUPTIONS",
    "benchmark",
    "corrupted",
    "corruption_accuracies",
    "require_known",
    "severities",
    "translate",
    "unfit",
]
