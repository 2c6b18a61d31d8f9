"""From linear light to a camera's eight bits: exposure, tone, blur, grain, JPEG."""

from __future__ import annotations

import cv2
import numpy as np


def develop(linear: np.ndarray, rng: np.random.Generator, *, scale: float) -> np.ndarray:
    """Return an RGB picture (H, W, 3) uint8 as some camera would have taken it.

    Args:
        linear: Light, (H, W, 3).
        rng: Random numbers.
        scale: Pixels of the picture per pixel of the camera, at most 1.
    """
    aim = rng.uniform(0.16, 0.34)
    light = linear * (aim / max(float(np.median(linear)), 0.01)) ** rng.uniform(0.6, 1.0)
    light = light * (1 + rng.normal(0, 0.05, 3).astype(np.float32))
    # A shoulder keeps highlights; its strength is a camera's contrast.
    white = rng.uniform(1.2, 3.0)
    curve = np.clip(light * (1 + light / white**2) / (1 + light), 0, 1) * (1 + 1 / white)
    blur = rng.uniform(0.2, 0.65) * scale + 0.1
    curve = cv2.GaussianBlur(curve, (0, 0), blur)
    grain = rng.standard_normal(linear.shape, np.float32)
    grain = grain * (rng.uniform(0.001, 0.014) * (0.3 + np.sqrt(np.clip(curve, 0, 1))) * scale)
    image = 255 * np.clip(curve + grain, 0, 1) ** (1 / rng.uniform(1.9, 2.4))
    result = np.round(image).astype(np.uint8)
    if rng.uniform() < 0.6:
        quality = int(rng.uniform(40, 95))
        _, coded = cv2.imencode('.jpg', result, [cv2.IMWRITE_JPEG_QUALITY, quality])
        result = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return result
