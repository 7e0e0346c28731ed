"""What a real camera does to a picture: exposure, white balance, vignette, blur, noise, JPEG."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.simulation.layout import Sensor

Image = NDArray[np.uint8]
GAINS = (0.7, 1.5)  # automatic exposure goes no further


def expose(image_hwc: Image, sensor: Sensor) -> Image:
    """Return the picture that the sensor would deliver, RGB (H, W, 3), before JPEG."""
    height, width = image_hwc.shape[:2]
    light = image_hwc.astype(np.float32)
    gain = np.clip(sensor.brightness / max(float(light.mean()), 1.0), *GAINS)
    rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None] ** 2
    columns = np.linspace(-1, 1, width, dtype=np.float32)[None] ** 2
    light *= (1 - sensor.vignette / 2 * (rows + columns))[..., None] \
        * np.float32(gain) * np.array(sensor.balance, np.float32)
    if sensor.blur > 0.2:
        light = cv2.GaussianBlur(light, (5, 5), sensor.blur).astype(np.float32)
    random = np.random.Generator(np.random.SFC64(sensor.seed))
    light += sensor.noise * random.standard_normal(light.shape, np.float32)
    return np.clip(light + 0.5, 0, 255).astype(np.uint8)


def encode(image_hwc: Image, sensor: Sensor) -> tuple[bytes, str]:
    """Return an RGB picture (H, W, 3) as a file, and its ending."""
    bgr = np.ascontiguousarray(image_hwc[..., ::-1])
    if sensor.jpeg:
        return cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, sensor.jpeg])[1].tobytes(), \
            'jpg'
    return cv2.imencode('.png', bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes(), 'png'
