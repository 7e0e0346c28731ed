"""The workcell in MuJoCo: one compiled model, edited in place for each scene.

    cell = Workcell();  cell.build(layout);  cell.settle(layout);  cell.dress(layout, look)

Physics moves simple stand-ins (boxes within the foot of a shape, spheres for balls), because
their contacts are exact and cheap; the true shapes are drawn, and compared after settling.
Knows nothing of pixels; render.py draws what stands here.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_vqa_ros.simulation.world import meshes, model_xml
from latent_vqa_ros.simulation.world.layout import (
    FINGER,
    MAX_CLUTTER,
    MAX_THINGS,
    SCALES,
    STRETCHED,
    Clutter,
    Gripper,
    Layout,
    Light,
    Look,
    Placed,
    Tray,
)

Floats = NDArray[np.float64]

NOBODY, TRAY_PIXEL, GRIPPER_PIXEL = -1, -2, -3  # whose a pixel may be, beside the things'
AWAY = -30.0  # metres below the floor, where unused things wait
MAX_STEPS = 60
CALM = 0.004  # m/s and, times 50 mm, rad/s: at rest
MOVED = 0.004  # metres that settling may move an object
TILTED = 0.9995  # cosine between its axis and the vertical
PENETRATION = 0.001  # metres


class Workcell:
    """The model and its state; ``model`` and ``data`` are MuJoCo's own."""

    def __init__(self) -> None:
        import mujoco

        self.mj: Any = mujoco
        xml, files = model_xml.make(SCALES)
        self.model: Any = mujoco.MjModel.from_xml_string(xml, files)
        self.model.geom_sameframe[:] = 0  # geoms move within their bodies: heed geom_pos
        self.data: Any = mujoco.MjData(self.model)
        self.beyond = NOBODY
        self.shapes = {'cube': mujoco.mjtGeom.mjGEOM_BOX, 'ball': mujoco.mjtGeom.mjGEOM_SPHERE,
                       'cylinder': mujoco.mjtGeom.mjGEOM_CYLINDER}
        self.thing_geoms = [self._geom(f'thing{i}') for i in range(MAX_THINGS)]
        self.collider_geoms = [self._geom(f'collider{i}') for i in range(MAX_THINGS)]
        self.clutter_geoms = [self._geom(f'clutter{i}') for i in range(MAX_CLUTTER)]
        self.tray_geoms = [self._geom(f'tray{i}') for i in range(5)]
        self.gripper_geoms = [self._geom(name) for name in ('left', 'right', 'palm', 'wrist')]

    def _geom(self, name: str) -> int:
        return int(self.model.geom(name).id)

    def build(self, layout: Layout) -> None:
        """Put everything where the layout has it, at rest."""
        self.mj.mj_resetData(self.model, self.data)
        for index in range(MAX_THINGS):
            self._thing(index, layout.things[index] if index < len(layout.things) else None)
        for index in range(MAX_CLUTTER):
            self._clutter(index, layout.clutter[index] if index < len(layout.clutter) else None)
        place_tray(self.model, self.tray_geoms, layout.tray)
        place_gripper(self.model, self.gripper_geoms, layout.gripper)

    def owners(self, layout: Layout) -> NDArray[np.int8]:
        """Return whose each geom is, (geoms,): a thing's index, or one of *_PIXEL."""
        by_geom = np.full(self.model.ngeom, NOBODY, np.int8)
        by_geom[self.thing_geoms[:len(layout.things)]] = np.arange(len(layout.things))
        by_geom[self.tray_geoms] = TRAY_PIXEL
        by_geom[self.gripper_geoms] = GRIPPER_PIXEL
        return by_geom

    def settle(self, layout: Layout) -> bool:
        """Let it come to rest; return whether it did where it stood, without tipping or overlap.

        A held object stays where the gripper holds it.
        """
        free = [i for i, thing in enumerate(layout.things) if not thing.held]
        if free and not self._rest(free):
            return False
        for i in set(range(len(layout.things))) - set(free):
            self._pose(i, layout.things[i])
        self.mj.mj_kinematics(self.model, self.data)
        return self._stands(layout) and self.deepest(layout) <= PENETRATION

    def _rest(self, free: list[int]) -> bool:
        """Step until the free objects are calm; return whether they became so."""
        data = self.data
        speeds = data.qvel.reshape(MAX_THINGS, 6)
        for _ in range(MAX_STEPS // 5):
            self.mj.mj_step(self.model, data, nstep=5)
            moving = np.abs(speeds[free])
            if moving[:, :3].max() < CALM and moving[:, 3:].max() * 0.05 < CALM:
                return True
        return False

    def _stands(self, layout: Layout) -> bool:
        """Return whether each object is upright where it was put."""
        poses = self.data.qpos.reshape(MAX_THINGS, 7)
        for pose, thing in zip(poses, layout.things, strict=False):
            upright = 1 - 2 * (pose[4] ** 2 + pose[5] ** 2)
            if math.dist(pose[:3], thing.position) > MOVED \
                    or (upright < TILTED and thing.shape != 'ball'):
                return False
        return True

    def positions(self, count: int) -> Floats:
        """Return where the first objects stand now, (count, 3) in the world."""
        return np.array(self.data.qpos.reshape(MAX_THINGS, 7)[:count, :3])

    def deepest(self, layout: Layout) -> float:
        """Return the deepest overlap in metres of true shapes (meshes count as convex)."""
        count = len(layout.things)
        things = self.thing_geoms[:count]
        fixed = self.clutter_geoms[:len(layout.clutter)]
        fixed = fixed + (self.tray_geoms if layout.tray else [])
        fixed = fixed + (self.gripper_geoms if layout.gripper else [])
        reach = [thing.form.reach * thing.scale + thing.height / 2 for thing in layout.things]
        places = self.data.geom_xpos
        worst = 0.0
        for i, geom in enumerate(things):
            others = [(other, reach[j]) for j, other in enumerate(things[:i])]
            others += [(other, float(self.model.geom_rbound[other])) for other in fixed]
            for other, far in others:
                if math.dist(places[geom], places[other]) < reach[i] + far:
                    worst = max(worst, -self._distance(geom, other))
        return worst

    def _distance(self, first: int, second: int) -> float:
        return float(self.mj.mj_geomDistance(self.model, self.data, first, second, 0.01, None))

    def _thing(self, index: int, thing: Placed | None) -> None:
        model, geom, collider = self.model, self.thing_geoms[index], self.collider_geoms[index]
        show(model, [geom], thing is not None)
        if thing is None:
            self.data.qpos[7 * index:7 * index + 3] = (index, 0, AWAY)
            model.geom_contype[collider] = model.geom_conaffinity[collider] = 0
            return
        self._shape(geom, thing)
        foot = thing.form.foot * thing.scale
        half = thing.height / 2
        self._primitive(collider, self.shapes['cube' if foot else 'ball'],
                        (foot or half, foot or half, half))
        model.geom_contype[collider] = model.geom_conaffinity[collider] = int(not thing.held)
        self._pose(index, thing)

    def _pose(self, index: int, thing: Placed) -> None:
        half = thing.yaw / 2
        self.data.qpos[7 * index:7 * index + 7] = (
            *thing.position, math.cos(half), 0, 0, math.sin(half))
        self.data.qvel[6 * index:6 * index + 6] = 0

    def _shape(self, geom: int, thing: Placed) -> None:
        """Make a geom a cube, ball or cylinder, or give it the mesh of the others."""
        model = self.model
        if thing.shape not in meshes.MESHED:
            half, reach = thing.height / 2, thing.scale * WIDE[thing.shape]
            self._primitive(geom, self.shapes[thing.shape], SIZE[thing.shape](reach, half))
            model.geom_pos[geom] = 0
            model.geom_quat[geom] = (1, 0, 0, 0)
            return
        mesh = int(model.mesh(model_xml.mesh_name(thing.shape, thing.size, thing.variant)).id)
        model.geom_type[geom] = self.mj.mjtGeom.mjGEOM_MESH
        model.geom_dataid[geom] = mesh
        model.geom_pos[geom] = model.mesh_pos[mesh]  # MuJoCo turns meshes into their own axes
        model.geom_quat[geom] = model.mesh_quat[mesh]
        model.geom_rbound[geom] = 2.5 * thing.scale

    def _primitive(self, geom: int, kind: int, size: tuple[float, float, float]) -> None:
        self.model.geom_type[geom] = kind
        self.model.geom_dataid[geom] = -1
        self.model.geom_size[geom] = size
        self.model.geom_rbound[geom] = math.sqrt(sum(v * v for v in size)) + size[1]

    def _clutter(self, index: int, thing: Clutter | None) -> None:
        model, geom = self.model, self.clutter_geoms[index]
        body = int(model.geom_bodyid[geom])
        show(model, [geom], thing is not None)
        if thing is None:
            model.body_pos[body] = (0, index, AWAY)
            return
        along, across, up = thing.half
        kinds = self.mj.mjtGeom
        half = thing.yaw / 2
        model.body_quat[body] = (math.cos(half), 0, 0, math.sin(half))
        model.geom_quat[geom] = (1, 0, 0, 0)
        if thing.kind in STRETCHED:
            self._primitive(geom, kinds.mjGEOM_CAPSULE, (across, along, 0))
            model.geom_quat[geom] = (math.sqrt(0.5), 0, math.sqrt(0.5), 0)  # z along x
        elif thing.kind == 'washer':
            self._primitive(geom, kinds.mjGEOM_CYLINDER, (along, up, 0))
        else:
            self._primitive(geom, kinds.mjGEOM_BOX, thing.half)
        model.body_pos[body] = (thing.x, thing.y, up)
        model.geom_rgba[geom, :3] = thing.rgb

    def dress(self, layout: Layout, look: Look) -> None:
        """Set colours, textures, lights and the camera."""
        model = self.model
        for index, thing in enumerate(layout.things):
            material = int(model.geom_matid[self.thing_geoms[index]])
            model.mat_rgba[material, :3] = thing.rgb
            model.mat_specular[material] = look.gloss
            model.mat_shininess[material] = 0.3
        for name, surface in (('table', look.table), ('floor', look.floor)):
            material = int(model.material(name).id)
            model.mat_texid[material, self.mj.mjtTextureRole.mjTEXROLE_RGB] = surface.texture
            model.mat_rgba[material, :3] = surface.rgb
            model.mat_texrepeat[material] = surface.repeat
            model.mat_specular[material] = look.gloss / 3
        for index in range(model.nlight):
            light_up(model, index, look.lights[index] if index < len(look.lights) else None)
        model.vis.headlight.ambient[:] = look.ambient
        model.vis.headlight.diffuse[:] = 0.1
        model.vis.headlight.specular[:] = 0.0
        camera = look.camera
        model.cam_pos[0] = camera.position
        self.mj.mju_mat2Quat(model.cam_quat[0], camera.axes.T.ravel())
        model.cam_fovy[0] = camera.fovy


def show(model: Any, geoms: list[int], shown: bool) -> None:
    """Draw these geoms, or do not."""
    model.geom_group[geoms] = 0 if shown else model_xml.HIDDEN_GROUP


def place_tray(model: Any, geoms: list[int], tray: Tray | None) -> None:
    """Put the tray, whose walls and floor are these geoms, where it stands."""
    body = int(model.geom_bodyid[geoms[0]])
    show(model, geoms, tray is not None)
    model.body_pos[body] = (tray.x, tray.y, 0) if tray else (3, 0, AWAY)
    half = tray.yaw / 2 if tray else 0.0
    model.body_quat[body] = (math.cos(half), 0, 0, math.sin(half))
    if tray:
        model.geom_rgba[geoms, :3] = tray.rgb
        model.geom_rgba[geoms[4], :3] = np.array(tray.rgb) * 0.85


def place_gripper(model: Any, geoms: list[int], gripper: Gripper | None) -> None:
    """Put the gripper, whose fingers, palm and wrist are these geoms, where it hangs."""
    left, right, *_ = geoms
    body = int(model.geom_bodyid[left])
    show(model, geoms, gripper is not None)
    if gripper is None:
        model.body_pos[body] = (6, 0, AWAY)
        return
    model.body_pos[body] = (gripper.x, gripper.y, gripper.z)
    half = gripper.yaw / 2
    model.body_quat[body] = (math.cos(half), 0, 0, math.sin(half))
    model.geom_pos[left, 0] = -gripper.opening / 2 - FINGER[0]
    model.geom_pos[right, 0] = gripper.opening / 2 + FINGER[0]
    model.geom_rgba[geoms, :3] = gripper.rgb
    model.geom_rgba[geoms[2], :3] = np.array(gripper.rgb) * 2.2


def light_up(model: Any, index: int, light: Light | None) -> None:
    """Set a lamp, or put it out."""
    model.light_active[index] = light is not None
    if light:
        model.light_dir[index] = light.direction
        model.light_pos[index] = -2 * np.array(light.direction)
        model.light_diffuse[index] = light.strength
        model.light_specular[index] = light.strength
        model.light_ambient[index] = 0
        model.light_castshadow[index] = light.shadow


WIDE = {'cube': 1.0, 'ball': 1.1, 'cylinder': 0.9}
SIZE = {'cube': lambda wide, half: (wide, wide, half), 'ball': lambda wide, half: (wide, 0, 0),
        'cylinder': lambda wide, half: (wide, half, 0)}
