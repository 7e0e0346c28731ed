"""The wide world in MuJoCo: one compiled model, edited in place for each scene. No physics.

    cell = WideCell(sources);  cell.build(stage, clutter, setting);  cell.dress(…)

What stands where was decided before; a thing's triangles are written into its mesh, its skin into
its texture. Both have to be sent to the driver, so that ``build`` and ``dress`` take its context.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.datasets.record import DatasetError
from latent_vqa_ros.simulation.truth import SHAPES
from latent_vqa_ros.simulation.world.camera import Camera
from latent_vqa_ros.simulation.world.layout import MAX_THINGS, Light
from latent_vqa_ros.simulation.world.wide import model_xml
from latent_vqa_ros.simulation.world.wide.clutter import (
    MAX_BARS,
    MAX_PROPS,
    MAX_SHEETS,
    Bar,
    Clutter,
    Prop,
    Sheet,
)
from latent_vqa_ros.simulation.world.wide.framing import WIDE, Setting
from latent_vqa_ros.simulation.world.wide.items import Item, shaped
from latent_vqa_ros.simulation.world.wide.paint import TEX
from latent_vqa_ros.simulation.world.wide.plan import Stage
from latent_vqa_ros.simulation.world.wide.sources import Sources
from latent_vqa_ros.simulation.world.workcell import (
    GRIPPER_PIXEL,
    NOBODY,
    TRAY_PIXEL,
    light_up,
    place_gripper,
    place_tray,
    show,
)

TABLE_PIXEL, BEYOND_PIXEL = -4, -5  # the table's, and the floor's or the sky's
SHADOWS, LEAST_SHADOWS = 1.3, 0.3  # radius: of the picture's width, and metres at least


class WideCell:
    """The model and its state; ``model`` and ``data`` are MuJoCo's own."""

    beyond = BEYOND_PIXEL

    def __init__(self, sources: Sources) -> None:
        import mujoco

        self.mj: Any = mujoco
        xml, files, self.props = model_xml.make(sources)
        try:
            self.model: Any = mujoco.MjModel.from_xml_string(xml, files)
        except ValueError as error:  # of a user's mesh or its picture
            raise DatasetError(f'MuJoCo refuses the meshes: {" ".join(str(error).split())}'
                               ) from None
        self.model.geom_sameframe[:] = 0  # geoms move within their bodies: heed geom_pos
        self.data: Any = mujoco.MjData(self.model)
        self.thing_geoms = self._geoms('thing', MAX_THINGS)
        self.bar_geoms = self._geoms('bar', MAX_BARS)
        self.sheet_geoms = self._geoms('sheet', MAX_SHEETS)
        self.prop_geoms = self._geoms('prop', MAX_PROPS)
        self.tray_geoms = self._geoms('tray', 5)
        self.gripper_geoms = [self._geom(name) for name in ('left', 'right', 'palm', 'wrist')]
        self.table, self.floor = self._geom('table'), self._geom('floor')
        self.leg_geoms = self._geoms('leg', 4)

    def _geom(self, name: str) -> int:
        return int(self.model.geom(name).id)

    def _geoms(self, name: str, count: int) -> list[int]:
        return [self._geom(f'{name}{index}') for index in range(count)]

    def owners(self, stage: Stage) -> NDArray[np.int8]:
        """Return whose each geom is, (geoms,): a thing's index or one of *_PIXEL."""
        by_geom = np.full(self.model.ngeom, NOBODY, np.int8)
        by_geom[self.thing_geoms[:len(stage.things)]] = np.arange(len(stage.things))
        by_geom[self.tray_geoms] = TRAY_PIXEL
        by_geom[self.gripper_geoms] = GRIPPER_PIXEL
        by_geom[self.table] = TABLE_PIXEL
        by_geom[[self.floor, *self.leg_geoms]] = BEYOND_PIXEL
        return by_geom

    def build(self, stage: Stage, clutter: Clutter, setting: Setting, context: Any) -> None:
        """Put everything where it is, and the camera."""
        model = self.model
        for pool in (self.thing_geoms, self.bar_geoms, self.sheet_geoms, self.prop_geoms):
            show(model, pool, False)
        for index, item in enumerate(stage.things):
            self._thing(index, item, context)
        for geom, bar in zip(self.bar_geoms, clutter.bars, strict=False):
            self._bar(geom, bar)
        for geom, sheet in zip(self.sheet_geoms, clutter.sheets, strict=False):
            self._sheet(geom, sheet)
        for geom, prop in zip(self.prop_geoms, clutter.props, strict=False):
            self._prop(geom, prop)
        place_tray(model, self.tray_geoms, stage.tray)
        place_gripper(model, self.gripper_geoms, stage.gripper)
        self._furniture(setting)
        self._look_from(setting.camera)

    def _furniture(self, setting: Setting) -> None:
        model, (x, y) = self.model, setting.table
        show(model, [self.floor, *self.leg_geoms], x < WIDE)
        model.geom_size[self.table, :2] = x, y
        model.geom_pos[self.floor, 2] = setting.floor
        for geom, (right, far) in zip(self.leg_geoms, ((1, 1), (1, -1), (-1, 1), (-1, -1)),
                                      strict=True):
            model.geom_pos[geom, :2] = right * (x - 0.03), far * (y - 0.03)

    def _look_from(self, camera: Camera) -> None:
        self.model.cam_pos[0] = camera.position
        self.mj.mju_mat2Quat(self.model.cam_quat[0], camera.axes.T.ravel())
        self.model.cam_fovy[0] = camera.fovy

    def _thing(self, index: int, item: Item, context: Any) -> None:
        model, geom = self.model, self.thing_geoms[index]
        mesh = int(model.mesh(model_xml.mesh_name(index, item.shape)).id)
        found = shaped(item)
        first, count = int(model.mesh_vertadr[mesh]), int(model.mesh_vertnum[mesh])
        model.mesh_vert[first:first + count] = found.vertices
        first, count = int(model.mesh_normaladr[mesh]), int(model.mesh_normalnum[mesh])
        model.mesh_normal[first:first + count] = found.normals
        self.mj.mjr_uploadMesh(model, context, mesh)
        model.geom_dataid[geom] = mesh
        self._stand(geom, item.position, item.yaw)

    def _stand(self, geom: int, place: Sequence[float] | NDArray[np.float64],
               yaw: float) -> None:
        """Show a geom upright at a place in the world, turned by yaw."""
        body = int(self.model.geom_bodyid[geom])
        self.model.body_pos[body] = place
        self.model.body_quat[body] = (np.cos(yaw / 2), 0, 0, np.sin(yaw / 2))
        show(self.model, [geom], True)

    def _bar(self, geom: int, bar: Bar) -> None:
        kinds = self.mj.mjtGeom
        self.model.geom_type[geom] = {'capsule': kinds.mjGEOM_CAPSULE,
                                      'ellipsoid': kinds.mjGEOM_ELLIPSOID}[bar.kind]
        self.model.geom_size[geom] = bar.half
        self.model.geom_rgba[geom, :3] = bar.rgb
        self._stand(geom, bar.place, 0.0)
        turn = np.empty(4)
        self.mj.mju_quatZ2Vec(turn, bar.along / np.linalg.norm(bar.along))
        self.model.body_quat[self.model.geom_bodyid[geom]] = turn

    def _sheet(self, geom: int, sheet: Sheet) -> None:
        self.model.geom_size[geom] = sheet.half
        self._stand(geom, (sheet.x, sheet.y, sheet.half[2]), sheet.yaw)

    def _prop(self, geom: int, prop: Prop) -> None:
        model = self.model
        mesh = int(model.mesh(model_xml.prop_name(prop.mesh, prop.size)).id)
        model.geom_dataid[geom] = mesh
        model.geom_matid[geom] = int(model.material(f'prop{prop.mesh}').id)
        model.geom_pos[geom] = model.mesh_pos[mesh]  # MuJoCo turns meshes into their own axes
        model.geom_quat[geom] = model.mesh_quat[mesh]
        self._stand(geom, (prop.x, prop.y, -self._lowest(mesh)), prop.yaw)

    def _lowest(self, mesh: int) -> float:
        """Return the height in metres of a mesh's lowest point above its own origin."""
        model, turn = self.model, np.empty(9)
        first, count = int(model.mesh_vertadr[mesh]), int(model.mesh_vertnum[mesh])
        self.mj.mju_quat2Mat(turn, model.mesh_quat[mesh])
        return float((model.mesh_vert[first:first + count] @ turn.reshape(3, 3)[2]).min()
                     + model.mesh_pos[mesh][2])

    def paint(self, name: str, pixels: NDArray[np.generic], context: Any) -> None:
        """Write a texture, RGB of 0 to 255, and send it to the driver."""
        texture = int(self.model.texture(name).id)
        first = int(self.model.tex_adr[texture])
        content = np.clip(pixels, 0, 255).astype(np.uint8).ravel()
        self.model.tex_data[first:first + content.size] = content
        self.mj.mjr_uploadTexture(self.model, context, texture)

    def paint_thing(self, index: int, skin: NDArray[np.float32], gloss: float,
                    context: Any) -> None:
        """Give a thing its cube map (6, TEX, TEX, 3)."""
        assert skin.shape == (len(SHAPES), TEX, TEX, 3)
        self.paint(f'thing{index}', skin, context)
        material = int(self.model.material(f'thing{index}').id)
        self.model.mat_specular[material] = gloss
        self.model.mat_shininess[material] = 0.1 + 0.6 * gloss

    def paint_surface(self, name: str, picture: NDArray[np.uint8], repeat: float, mirror: float,
                      context: Any) -> None:
        """Give 'table' or 'floor' its picture, so many times a metre; it may mirror things."""
        self.paint(name, picture, context)
        material = int(self.model.material(name).id)
        self.model.mat_texrepeat[material] = repeat
        self.model.mat_reflectance[material] = mirror

    def light(self, lamps: Sequence[Light], ambient: float, from_camera: float, setting: Setting,
              context: Any) -> None:
        """Light it by at most LIGHTS lamps, by light from everywhere and from the camera.

        Shadows are cast where the camera looks, and only there.
        """
        context.shadowClip = max(SHADOWS * setting.width, LEAST_SHADOWS)
        for index in range(model_xml.LIGHTS):
            light_up(self.model, index, lamps[index] if index < len(lamps) else None)
            self.model.light_pos[index] += setting.camera.target
        self.model.vis.headlight.ambient[:] = ambient
        self.model.vis.headlight.diffuse[:] = from_camera
        self.model.vis.headlight.specular[:] = 0.0
