"""One picture of a room from a seed, drawn by MuJoCo.

    studio = RoomStudio(size=160);  content = studio.take(7)

The same seed and size give the same JPEG file on one machine.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from latent_vqa_ros.simulation.world import render
from latent_vqa_ros.simulation.world.camera import Camera
from latent_vqa_ros.simulation.world.layout import Rgb
from latent_vqa_ros.simulation.world.model_xml import HIDDEN_GROUP
from latent_vqa_ros.simulation.world.rooms import paint, plan
from latent_vqa_ros.simulation.world.rooms.furniture import Part, Rng
from latent_vqa_ros.simulation.world.wide import framing, kinds, sensor
from latent_vqa_ros.simulation.world.wide.kinds import SIDE, tone
from latent_vqa_ros.simulation.world.wide.studio import frame, lamp
from latent_vqa_ros.simulation.world.workcell import light_up

SEED = 78  # of rooms, beside the picture's
PARTS = 190  # drawn at most, the nearest ones
LAMPS = 3  # the first casts shadows from afar, the others shine from the ceiling
HEAD = """
<mujoco model="room">
  <statistic extent="1" center="0 0 1" meansize="0.1"/>
  <visual>
    <global offwidth="16" offheight="16"/>
    <quality offsamples="0" numquads="6" numslices="16" numstacks="8"/>
    <map znear="0.05" zfar="40" shadowclip="4"/>
  </visual>
  <default><geom contype="0" conaffinity="0"/></default>
"""


class RoomCell:
    """The model and its state; ``model`` and ``data`` are MuJoCo's own."""

    beyond = -1

    def __init__(self) -> None:
        import mujoco

        self.mj: Any = mujoco
        self.paints = paint.Paints()
        self.model: Any = mujoco.MjModel.from_xml_string(_xml(self.paints))
        self.model.geom_sameframe[:] = 0  # geoms move: heed geom_pos
        self.data: Any = mujoco.MjData(self.model)
        for name, skin in self.paints.skins.items():
            self._paint(name, np.repeat(skin[None], 6, axis=0))
        for index, wall in enumerate(self.paints.walls):
            self._paint(f'wall{index}', wall)
        for index in range(paint.GROUPS['view']):
            self.model.mat_emission[int(self.model.material(f'view{index}').id)] = 0.9
        self.walls = [int(self.model.geom(f'side{i}').id) for i in range(6)]
        self.parts = [int(self.model.geom(f'part{i}').id) for i in range(PARTS)]

    def owners(self, layout: Any) -> Any:
        """Nobody asks whose the pixels are."""
        raise NotImplementedError

    def _paint(self, name: str, pixels: np.ndarray) -> None:
        first = int(self.model.tex_adr[int(self.model.texture(name).id)])
        self.model.tex_data[first:first + pixels.size] = pixels.ravel()

    def build(self, rng: Rng, room: plan.Room) -> None:
        """Put everything where it is, and the camera."""
        self._sides(rng, room.size)
        dressed = []
        for piece in room.pieces:
            looks = {part.look: self.paints.of(rng, part.look) for part in piece}
            dressed += [(part, self.paints.of(rng, 'any') if part.look == 'any'
                         else looks[part.look]) for part in piece]
        place, ahead = room.camera.position, -room.camera.axes[2]
        far = [float(np.linalg.norm(np.array(part.at) - place)) for part, _ in dressed]
        order = [i for i in np.argsort(far, kind='stable')
                 if (np.array(dressed[i][0].at) - place) @ ahead > -max(dressed[i][0].half)]
        self.model.geom_group[self.parts] = HIDDEN_GROUP
        for geom, index in zip(self.parts, order, strict=False):
            self._part(geom, *dressed[index])
        self._look_from(room.camera)

    def _part(self, geom: int, part: Part, look: tuple[str, Rgb]) -> None:
        model = self.model
        model.geom_group[geom] = 0
        model.geom_type[geom] = getattr(self.mj.mjtGeom, f'mjGEOM_{part.kind.upper()}')
        model.geom_size[geom] = part.half
        model.geom_pos[geom] = part.at
        if part.kind == 'box':
            model.geom_quat[geom] = (math.cos(part.yaw / 2), 0, 0, math.sin(part.yaw / 2))
        else:
            turn = np.empty(4)
            self.mj.mju_quatZ2Vec(turn, np.array(part.along) / np.linalg.norm(part.along))
            model.geom_quat[geom] = turn
        name = 'glow' if part.look == 'glow' else look[0]
        model.geom_matid[geom] = int(model.material(name).id)
        model.geom_rgba[geom, :3] = look[1]

    def _sides(self, rng: Rng, size: tuple[float, float, float]) -> None:
        """Set floor, ceiling and walls; planes, which light passes from behind."""
        model, (x, y, z) = self.model, np.array(size) / 2
        walls = _wall_look(rng, 0.7)
        looks = [_wall_look(rng, 0.15), _wall_look(rng, 0.9),
                 *(walls if rng.random() < 0.8 else _wall_look(rng, 0.7) for _ in range(4))]
        places = [((0, 0, 0), (0, 0, 1)), ((0, 0, 2 * z), (0, 0, -1)), ((0, y, z), (0, -1, 0)),
                  ((0, -y, z), (0, 1, 0)), ((x, 0, z), (-1, 0, 0)), ((-x, 0, z), (1, 0, 0))]
        for geom, (at, normal), (wall, rgb, repeat) in zip(self.walls, places, looks, strict=True):
            turn = np.empty(4)
            self.mj.mju_quatZ2Vec(turn, np.array(normal, float))
            model.geom_pos[geom], model.geom_quat[geom] = at, turn
            model.geom_size[geom] = (8, 8, 1)
            model.geom_matid[geom] = material = int(model.material(f'wall{wall}').id)
            model.geom_rgba[geom, :3] = rgb
            model.mat_texrepeat[material] = repeat
            model.mat_reflectance[material] = 0

    def _look_from(self, camera: Camera) -> None:
        self.model.cam_pos[0] = camera.position
        self.mj.mju_mat2Quat(self.model.cam_quat[0], camera.axes.T.ravel())
        self.model.cam_fovy[0] = camera.fovy

    def light(self, rng: Rng, size: tuple[float, float, float]) -> None:
        """Light it by the sun or a lamp with shadows, by lamps at the ceiling, from all sides."""
        model, warmth = self.model, rng.uniform(-0.15, 0.15)
        light_up(model, 0, lamp(rng, rng.uniform(20, 85), rng.uniform(0.05, 0.6), warmth,
                                rng.random() < 0.8))
        model.light_pos[0] += (0, 0, 1)
        for index in range(1, LAMPS):
            light_up(model, index, lamp(rng, 90, rng.uniform(0.1, 0.7), -warmth, False)
                     if rng.random() < 0.7 else None)
            model.light_pos[index] = rng.uniform(-0.4, 0.4, 3) * size
            model.light_pos[index, 2] = size[2] - rng.uniform(0.1, 1)
            model.light_attenuation[index] = (1, 0, rng.uniform(0, 0.25))
        model.vis.headlight.ambient[:] = rng.uniform(0.15, 0.55)
        model.vis.headlight.diffuse[:] = rng.uniform(0, 0.35)
        model.vis.headlight.specular[:] = 0


def _wall_look(rng: Rng, plain: float) -> tuple[int, Rgb, float]:
    """Return the picture of a side, its tint, and how often it repeats in a metre.

    Without a picture (0) it has a wall's colour, mostly a light one.
    """
    kind, repeat = rng.random(), float(rng.uniform(0.2, 2))
    if kind < plain:
        pale = kinds.color(rng, (0, 360), (0, 0.2), (0.75, 1)) if rng.random() < 0.3 \
            else kinds.color(rng, (20, 60), (0, 0.3), (0.6, 1))
        return 0, paint.as_rgb(pale if rng.random() < 0.8 else tone(rng)), repeat
    picture = int(rng.integers(1, paint.PLAIN if rng.random() < plain else paint.WALLS))
    return picture, paint.as_rgb(rng.uniform(0.85, 1, 3)), repeat


def _xml(paints: paint.Paints) -> str:
    assets = ['<material name="glow" emission="1" specular="0"/>']
    for name in paints.skins:
        assets.append(f'<texture name="{name}" type="cube" builtin="flat" width="{paint.TEX}" '
                      f'height="{6 * paint.TEX}"/><material name="{name}" texture="{name}" '
                      'specular="0.1"/>')
    for index in range(len(paints.walls)):
        assets.append(f'<texture name="wall{index}" type="2d" builtin="flat" width="{SIDE}" '
                      f'height="{SIDE}"/><material name="wall{index}" texture="wall{index}" '
                      'specular="0" texuniform="true"/>')
    world = ['<camera name="eye"/>', '<light type="directional" name="light0"/>',
             *(f'<light type="point" name="light{i}"/>' for i in range(1, LAMPS)),
             *(f'<geom name="side{i}" type="plane" size="8 8 1" material="wall0"/>'
               for i in range(6)),
             *(f'<geom name="part{i}" type="box" size="1 1 1" material="plain"/>'
               for i in range(PARTS))]
    return (HEAD + '<asset>' + '\n'.join(assets) + '</asset><worldbody>' + '\n'.join(world)
            + '</worldbody></mujoco>')


class RoomStudio:
    """A camera in rooms; ``size`` is the shorter side of its pictures in pixels."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.view, self.cell = render.open_view(RoomCell, size, framing.LONGEST)

    def take(self, seed: int) -> bytes:
        """Return the JPEG file of a seed."""
        rng = np.random.default_rng([SEED, seed])
        room = plan.draw(rng)
        view, cell = self.view, self.cell
        view.width, view.height = frame(self.size, room.camera.aspect)
        cell.build(rng, room)
        cell.light(rng, room.size)
        view.update()
        light = np.asarray(view.colors(), np.float32)
        return sensor.encode(sensor.expose(rng, light, self.size), int(rng.integers(35, 97)))
