"""Draws the workcell: which object is at which pixel, and the colours.

    from latent_vqa_ros.simulation.world import render
    view = render.View(cell, size=96);  owner = view.owners(layout);  image_hwc = view.colors()

Without a window: OSMesa on the processor, EGL where a GPU is found; the environment variable
MUJOCO_GL chooses otherwise. Colours are drawn larger and averaged. Knows no truth.
"""

from __future__ import annotations

import atexit
import ctypes.util
import importlib.util
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.datasets.record import DatasetError
from latent_vqa_ros.simulation.world.model_xml import HIDDEN_GROUP

OVERSAMPLE = 1.25
SHADOW = 256 / 120  # texels of the shadow map per pixel of the picture
GEOMS = 200  # drawn at once, at most
LIBRARIES = {'osmesa': ('OSMesa', 'libosmesa6'), 'egl': ('EGL', 'libegl1')}


class RenderError(OSError):
    """Nothing can be drawn on this machine; the message names the package that is missing."""


C = TypeVar('C', bound='Cell')


def choose_gl() -> str:
    """Set MUJOCO_GL before MuJoCo is imported; return it. RenderError names what to install."""
    if importlib.util.find_spec('mujoco') is None:
        raise RenderError('the simulation needs MuJoCo: pip install mujoco')
    egl = ctypes.util.find_library('EGL') is not None and (
        Path('/dev/nvidia0').exists() or ctypes.util.find_library('OSMesa') is None)
    name = os.environ.get('MUJOCO_GL', '').lower() or ('egl' if egl else 'osmesa')
    if name in LIBRARIES:
        library, package = LIBRARIES[name]
        if ctypes.util.find_library(library) is None:
            raise RenderError(f'drawing with MUJOCO_GL={name} needs the library {library}, which '
                              f'is not installed: apt-get install {package}')
    os.environ['MUJOCO_GL'] = name
    os.environ.setdefault('LP_NUM_THREADS', '0')  # Mesa: scenes run in parallel, not pixels
    return name


def open_view(make: Callable[[], C], size: int, longest: float = 1.0) -> tuple[View, C]:
    """Return a new cell and its view (see View); RenderError in one line if it cannot be."""
    name = choose_gl()
    logging.getLogger('OpenGL').setLevel(logging.WARNING)  # silent about its missing accelerator
    try:
        cell = make()
        return View(cell, size, longest), cell
    except DatasetError:
        raise
    except Exception as error:  # OpenGL's wrappers and MuJoCo fail in ways of their own
        raise RenderError(f'drawing with MUJOCO_GL={name} does not work here ({error}); without '
                          'a GPU: apt-get install libosmesa6 and MUJOCO_GL=osmesa') from error


class Cell(Protocol):
    """What a view can draw."""

    mj: Any
    model: Any
    data: Any
    beyond: int  # whose a pixel is where nothing stands

    def owners(self, layout: Any) -> NDArray[np.int8]:
        """Return whose each geom is, (geoms,)."""


class View:
    """Pictures of a workcell, ``size`` × ``size`` pixels unless ``width``, ``height`` are set.

    Neither may exceed ``longest`` × ``size``: beyond it nothing would be drawn.

    The driver draws into the context that is current, whichever view it belongs to: each view
    makes its own current before it touches the driver.
    """

    def __init__(self, cell: Cell, size: int, longest: float = 1.0) -> None:
        mj = cell.mj
        self.cell, self.width, self.height = cell, size, size
        self.longest = round(size * longest)
        wide = round(OVERSAMPLE * self.longest)
        cell.model.vis.global_.offwidth = cell.model.vis.global_.offheight = wide
        cell.model.vis.quality.shadowsize = round(SHADOW * size)
        self.gl: Any = mj.GLContext(wide, wide)
        self.gl.make_current()
        self.context: Any = mj.MjrContext(cell.model, mj.mjtFontScale.mjFONTSCALE_100)
        mj.mjr_setBuffer(mj.mjtFramebuffer.mjFB_OFFSCREEN, self.context)
        self.scene: Any = mj.MjvScene(cell.model, GEOMS)
        self.option: Any = mj.MjvOption()
        self.option.geomgroup[HIDDEN_GROUP] = 0
        self.eye: Any = mj.MjvCamera()
        self.eye.type = mj.mjtCamera.mjCAMERA_FIXED
        self.eye.fixedcamid = 0
        atexit.register(self.close)  # Python would tear down the driver's wrapper first

    def close(self) -> None:
        """Free what the driver holds."""
        atexit.unregister(self.close)
        self.gl.make_current()
        self.context.free()
        self.gl.free()
        del self.gl  # its destructor needs modules that Python takes down at exit

    def update(self) -> None:
        """Take over what the workcell looks like now; call before drawing."""
        mj, cell = self.cell.mj, self.cell
        if max(self.width, self.height) > self.longest:
            raise ValueError(f'a picture of {self.width}x{self.height} pixels, but the view has '
                             f'{self.longest} at most')
        self.gl.make_current()
        mj.mj_kinematics(cell.model, cell.data)
        mj.mj_camlight(cell.model, cell.data)
        mj.mjv_updateScene(cell.model, cell.data, self.option, None, self.eye,
                           mj.mjtCatBit.mjCAT_ALL, self.scene)

    def owners(self, layout: Any) -> NDArray[np.int8]:
        """Return who is seen at each pixel, (height, width): an object's index or a *_PIXEL."""
        rgb = self._draw(self.width, self.height, segment=True)
        ids = rgb[..., 0].astype(np.int32) + rgb[..., 1].astype(np.int32) * 256  # 0: background
        return np.asarray(self._table(self.cell.owners(layout))[np.minimum(ids, self.scene.ngeom)])

    def _table(self, by_geom: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return the owner of each segment number, (segments + 1,)."""
        table = np.full(self.scene.ngeom + 1, self.cell.beyond, np.int8)
        for geom in self.scene.geoms[:self.scene.ngeom]:
            if geom.segid >= 0:
                table[geom.segid + 1] = by_geom[geom.objid]
        return table

    def colors(self) -> NDArray[np.uint8]:
        """Return the picture as RGB, (height, width, 3)."""
        wide = self._draw(round(OVERSAMPLE * self.width), round(OVERSAMPLE * self.height),
                          segment=False)
        image = cv2.resize(wide, (self.width, self.height), interpolation=cv2.INTER_AREA)
        return np.asarray(image, np.uint8)

    def _draw(self, width: int, height: int, segment: bool) -> NDArray[np.uint8]:
        mj = self.cell.mj
        self.gl.make_current()
        flags = self.scene.flags
        flags[mj.mjtRndFlag.mjRND_SEGMENT] = flags[mj.mjtRndFlag.mjRND_IDCOLOR] = segment
        flags[mj.mjtRndFlag.mjRND_SHADOW] = not segment
        rect = mj.MjrRect(0, 0, width, height)
        mj.mjr_render(rect, self.scene, self.context)
        pixels = np.empty((height, width, 3), np.uint8)
        mj.mjr_readPixels(pixels, None, rect, self.context)
        return pixels[::-1]
