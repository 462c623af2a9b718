"""A detector without a network, whose boxes follow from the pixels in and right around them."""

import numpy as np
from scipy import ndimage


class ThresholdDetector:
    """Each connected region above a threshold is a landslide; its score is its strongest value over 10."""

    def __init__(self, size, threshold=1.2, kind="gradients"):
        self.name, self.kind, self.size, self.threshold = f"above-{threshold}", kind, size, threshold
        self.seen = []

    def predict(self, images, score=0.5):
        assert images.dtype == np.float32 and images.shape[1:] == (self.size, self.size)
        self.seen += list(images)
        answers = []
        for image in images:
            strength = np.abs(np.nan_to_num(image))
            regions, _ = ndimage.label(strength > self.threshold)
            rows = []
            for i, (y, x) in enumerate(ndimage.find_objects(regions), 1):
                best = strength[regions == i].max() / 10
                if best >= score:
                    rows.append([x.start, y.start, x.stop, y.stop, best])
            answers.append(np.array(rows, float).reshape(-1, 5))
        return answers
