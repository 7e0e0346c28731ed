"""What a real camera does to a picture: exposure, white balance, vignette, blur, noise, JPEG."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.simulation.world.layout import Sensor

Image = NDArray[np.uint8]
NOISE = 1 << 21  # random numbers that all pictures share
GAINS = (0.7, 1.25)  # automatic exposure goes no further


def expose(image_hwc: Image, sensor: Sensor) -> Image:
    """Return the picture that the sensor would deliver, RGB (H, W, 3), before JPEG."""
    gain = np.clip(sensor.brightness / max(float(image_hwc.mean()), 1.0), *GAINS)
    lost = 1 - np.float32(sensor.vignette / 2) * _from_middle(*image_hwc.shape[:2])
    light = image_hwc * (lost[..., None] * (np.float32(gain) * np.array(sensor.balance, 'f')))
    if sensor.blur > 0.2:
        cv2.GaussianBlur(light, (5, 5), sensor.blur, light)
    bank = normal_noise(max(NOISE, 2 * light.size))
    start = sensor.seed % (len(bank) - light.size)
    light += bank[start:start + light.size].reshape(light.shape) * np.float32(sensor.noise)
    return cv2.convertScaleAbs(np.maximum(light, 0, out=light)).astype(np.uint8, copy=False)


@cache
def normal_noise(count: int) -> NDArray[np.float32]:
    """Return normal noise, drawn once: each picture takes another stretch of it."""
    return np.random.default_rng(0).standard_normal(count, np.float32)


@cache
def _from_middle(height: int, width: int) -> NDArray[np.float32]:
    """Return the squared distance from the middle, 2 in the corners, (height, width)."""
    rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None] ** 2
    columns = np.linspace(-1, 1, width, dtype=np.float32)[None] ** 2
    return np.asarray(rows + columns)


def encode(image_hwc: Image, sensor: Sensor) -> tuple[bytes, str]:
    """Return an RGB picture (H, W, 3) as a file, and its ending."""
    bgr = np.ascontiguousarray(image_hwc[..., ::-1])
    if sensor.jpeg:
        return cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, sensor.jpeg])[1].tobytes(), \
            'jpg'
    fast = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY]  # it is noise anyway
    return cv2.imencode('.png', bgr, fast)[1].tobytes(), 'png'
