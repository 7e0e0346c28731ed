"""Features of a region of a frame: all groups of a bundle of kind ``features`` as one vector.

    encoder = RegionEncoder(lambda: backends.open_features('lite0'))
    x_d = encoder.encode(rgb_hwc, (0.4, 0.3, 0.2, 0.2))

Each group of ``encoder.layout`` has unit length. Refuses to know answers.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.core.bundle import Bundle, BundleError
from latent_vqa_ros.core.config import PreprocessConfig
from latent_vqa_ros.core.image_formats import finish_rgb
from latent_vqa_ros.core.manifest import FEATURES, IMAGE_ENCODER
from latent_vqa_ros.core.preprocess import prepare
from latent_vqa_ros.teach.question import Region, TeachError

Array = NDArray[Any]
ENCODER = 'lite0'  # the bundle whose features are compared
GENERIC = 'generic.npy'  # in that bundle: averages of pictures of anything
AVERAGE = '_1'  # how the name of a group ends that is one average over the region
QUALITY = 92  # of the JPEG that a shot is kept as
BLOCK = 16  # pixels of a side that a JPEG encodes together, where its colours have half of them
LARGE = 1 << 17  # pixels of a region that shrink so much that JPEG changes little


class Network(Protocol):
    """Executes a bundle of kind ``features``."""

    def features(self, image_hwc: Array) -> dict[str, Array]:
        """Return each group's vectors (vectors, channels)."""


@dataclass(frozen=True)
class Layout:
    """Where each unit vector stands in a feature vector of ``size`` numbers."""

    parts: tuple[slice, ...]  # one per unit vector
    averages: tuple[int, ...]  # the parts that are one average over the region

    @property
    def size(self) -> int:
        """Numbers in a feature vector."""
        return int(self.parts[-1].stop)

    def near(self, x_nd: Array) -> Array:
        """Return the averages alone (n, channels), scaled so that a product is a mean cosine."""
        parts = [x_nd[..., self.parts[i]] for i in self.averages]
        return np.asarray(np.concatenate(parts, -1) / np.sqrt(len(parts)))


def layout_of(features: Mapping[str, Array]) -> Layout:
    """Return the layout of what a network gives."""
    parts: list[slice] = []
    averages: list[int] = []
    start = 0
    for name, vectors in features.items():
        for _ in vectors:
            if name.endswith(AVERAGE):
                averages.append(len(parts))
            parts.append(slice(start, start + vectors.shape[1]))
            start += vectors.shape[1]
    return Layout(tuple(parts), tuple(averages))


def pixels_of(region: Region | None, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return a region as x, y, width, height in pixels of a frame of (height, width)."""
    height, width = size
    if region is None:
        return 0, 0, width, height
    x, y = min(round(region[0] * width), width - 1), min(round(region[1] * height), height - 1)
    return (x, y, max(1, round((region[0] + region[2]) * width) - x),
            max(1, round((region[1] + region[3]) * height) - y))


def crop(pixels: Array, region: Region | None) -> Array:
    """Return a frame's region, (x, y, width, height) as shares; at least one pixel."""
    x, y, width, height = pixels_of(region, (pixels.shape[0], pixels.shape[1]))
    return pixels[y:y + height, x:x + width]


def jpeg(rgb_hwc: Array) -> bytes:
    """Return a picture as the JPEG that a shot is kept as; TeachError where it cannot be."""
    bgr = cv2.cvtColor(np.ascontiguousarray(rgb_hwc), cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise TeachError('the frame cannot be kept as JPEG')
    return bytes(data.tobytes())


def as_kept(pixels: Array, region: Region | None, code: int | None = None) -> Array:
    """Return a frame's region, RGB, as it is read from a shot that the frame was kept as.

    What JPEG does to a small region is more than what changes between two frames; whoever compares
    a frame with shots does the same to it. ``pixels`` and ``code`` as in ``RegionEncoder.encode``.
    """
    x, y, width, height = pixels_of(region, (pixels.shape[0], pixels.shape[1]))
    left, top = ((max(0, start - BLOCK) // BLOCK) * BLOCK for start in (x, y))
    right, bottom = (-(-(end + BLOCK) // BLOCK) * BLOCK for end in (x + width, y + height))
    part = finish_rgb(pixels[top:bottom, left:right], code)
    found = cv2.imdecode(np.frombuffer(jpeg(part), np.uint8), cv2.IMREAD_COLOR)
    assert found is not None  # it was made a line above
    rgb = cv2.cvtColor(found, cv2.COLOR_BGR2RGB)
    return np.asarray(rgb[y - top:y - top + height, x - left:x - left + width])


@dataclass(frozen=True, eq=False)
class _Opened:
    """A bundle that can be run, and what it says once for all."""

    network: Network
    rule: PreprocessConfig
    layout: Layout
    sha256: str
    generic_mk: Array


class RegionEncoder:
    """A bundle of kind ``features``, opened when it is first needed. Any thread may use it.

    Whatever first needs it raises BundleError where it is no bundle for teaching.
    """

    def __init__(self, open_bundle: Callable[[], tuple[Bundle, Network]]) -> None:
        self._open_bundle = open_bundle
        self._lock = threading.Lock()
        self._opened: _Opened | None = None

    @property
    def opened(self) -> bool:
        """Whether it takes memory already."""
        return self._opened is not None

    @property
    def layout(self) -> Layout:
        """Where each unit vector stands in a feature vector."""
        return self.open().layout

    @property
    def sha256(self) -> str:
        """The digest of the graph that gives the features."""
        return self.open().sha256

    @property
    def generic_mk(self) -> Array:
        """The averages of pictures of anything (pictures, channels), as ``Layout.near``."""
        return self.open().generic_mk

    def open(self) -> _Opened:
        """Open the bundle, if it is not yet; return what it holds."""
        with self._lock:
            if self._opened is None:
                self._opened = _opened(*self._open_bundle())
            return self._opened

    def encode(self, pixels: Array, region: Region | None = None,
               code: int | None = None) -> Array:
        """Return the features (layout.size,) of a region of a frame, float32.

        ``pixels`` uint8 (H, W[, channels]) and ``code`` are as ``Frame.decode`` gives them.
        """
        opened = self.open()
        image_hwc = finish_rgb(prepare(crop(pixels, region), opened.rule), code)
        groups = opened.network.features(image_hwc)
        return np.concatenate([(v / (np.linalg.norm(v, axis=1, keepdims=True) + 1e-6)).ravel()
                               for v in groups.values()]).astype(np.float32)


    def encode_as_kept(self, pixels: Array, region: Region | None = None,
                       code: int | None = None) -> Array:
        """Return what ``encode`` would of the shot that the frame would be kept as, about.

        A large region shrinks so much that JPEG changes little: it is taken as it is.
        """
        _, _, width, height = pixels_of(region, (pixels.shape[0], pixels.shape[1]))
        if width * height > LARGE:
            return self.encode(pixels, region, code)
        return self.encode(as_kept(pixels, region, code))


def _opened(bundle: Bundle, network: Network) -> _Opened:
    manifest = bundle.manifest
    if manifest.kind != FEATURES:
        raise BundleError(f'{bundle.path}: teaching needs a bundle of kind {FEATURES}')
    size = manifest.preprocess
    layout = layout_of(network.features(np.zeros((size.height, size.width, 3), np.uint8)))
    channels = sum(layout.parts[i].stop - layout.parts[i].start for i in layout.averages)
    try:
        stored = np.load(io.BytesIO(bundle.content(GENERIC)), allow_pickle=False)
    except ValueError as error:
        raise BundleError(f'{bundle.path}: {GENERIC}: {error}') from None
    if stored.ndim != 2 or stored.shape[1] != channels or not len(stored):
        raise BundleError(f'{bundle.path}: {GENERIC} has shape {stored.shape}, expected '
                          f'(pictures, {channels})')
    return _Opened(network, size, layout, manifest.files[IMAGE_ENCODER].sha256,
                   stored.astype(np.float32) / np.sqrt(len(layout.averages)))
