"""The one MuJoCo model of the workcell: everything that any scene may need, in one text.

It is compiled once; scenes are made by editing the compiled model in place (workcell.py).
"""

from __future__ import annotations

from collections.abc import Iterable

from latent_vqa_ros.simulation.world import meshes, textures
from latent_vqa_ros.simulation.world.layout import (
    FINGER,
    MAX_CLUTTER,
    MAX_THINGS,
    TABLE,
    TRAY,
    TRAY_FLOOR,
    TRAY_RIM,
    VARIANTS,
)

LIGHTS = 2
TEXTURES = len(textures.TRAIN) + len(textures.SHIFTED)
FLOOR_Z = -0.72
HIDDEN_GROUP = 4  # not drawn: what physics moves, and what a scene does not use

HEAD = """
<mujoco model="workcell">
  <compiler angle="radian" inertiafromgeom="false"/>
  <option timestep="0.004" integrator="implicitfast" cone="elliptic" iterations="20">
    <flag midphase="disable"/>
  </option>
  <statistic extent="0.6" center="0 0 0.1" meansize="0.04"/>
  <visual>
    <global offwidth="16" offheight="16"/>
    <quality offsamples="0" numquads="1" numslices="20" numstacks="10"/>
    <map znear="0.15" zfar="60" shadowclip="0.75"/>
  </visual>
  <default>
    <geom contype="0" conaffinity="0" solref="0.01 1" friction="0.8 0.01 0.004"/>
    <default class="collider">
      <geom contype="1" conaffinity="1" condim="6" group="4" type="box" size="0.08 0.08 0.08"/>
    </default>
    <default class="solid"><geom contype="1" conaffinity="1" condim="6" type="box"/></default>
  </default>
"""


def numbers(values: Iterable[float]) -> str:
    """Return numbers as an attribute of the XML has them."""
    return ' '.join(f'{value:.6g}' for value in values)


def mesh_name(shape: str, size: str, variant: int) -> str:
    """Return the name under which the mesh of a shape, size and variant is compiled."""
    return f'{shape}_{size}_{variant}'


def _meshes(scales: dict[str, float]) -> str:
    lines = []
    for shape in meshes.MESHED:
        vertices, triangles = meshes.mesh(shape)
        for size, scale in scales.items():
            for variant, factor in enumerate(VARIANTS):
                lines.append(
                    f'<mesh name="{mesh_name(shape, size, variant)}" inertia="convex" '
                    f'vertex="{numbers((vertices * scale * factor).ravel())}" '
                    f'face="{" ".join(map(str, triangles.ravel()))}"/>')
    return '\n'.join(lines)


def _assets(scales: dict[str, float]) -> str:
    surfaces = '\n'.join(
        f'<texture name="texture{i}" type="2d" file="texture{i}.png"/>' for i in range(TEXTURES))
    things = '\n'.join(f'<material name="thing{i}"/>' for i in range(MAX_THINGS))
    return (f'<asset>{surfaces}\n{_meshes(scales)}\n{things}\n'
            '<material name="table" texture="texture0" texuniform="true"/>'
            '<material name="floor" texture="texture0" texuniform="true"/></asset>')


def _thing(index: int) -> str:
    return (f'<body name="thing{index}"><freejoint/>'
            '<inertial pos="0 0 0" mass="0.2" diaginertia="8e-5 8e-5 8e-5"/>'
            f'<geom name="collider{index}" class="collider"/>'
            f'<geom name="thing{index}" type="box" size="0.02 0.02 0.02" material="thing{index}"/>'
            '</body>')


def tray_xml() -> str:
    """Return the tray."""
    thick, tall = TRAY_RIM
    x, y = TRAY[0] + thick, TRAY[1] + thick
    walls = ((x, 0, thick, y + thick), (-x, 0, thick, y + thick),
             (0, y, x - thick, thick), (0, -y, x - thick, thick))
    rims = ''.join(f'<geom name="tray{i}" class="solid" pos="{numbers((px, py, tall))}" '
                   f'size="{numbers((sx, sy, tall))}"/>'
                   for i, (px, py, sx, sy) in enumerate(walls))
    half = TRAY_FLOOR / 2
    return (f'<body name="tray">{rims}<geom name="tray4" class="solid" pos="0 0 {half}" '
            f'size="{numbers((*TRAY, half))}"/></body>')


def gripper_xml() -> str:
    """Return the gripper with its tips at z = 0, fingers along x."""
    top = 2 * FINGER[2]
    fingers = ''.join(f'<geom name="{side}" type="box" size="{numbers(FINGER)}" '
                      f'pos="0 0 {FINGER[2]}"/>' for side in ('left', 'right'))
    return (f'<body name="gripper">{fingers}'
            f'<geom name="palm" type="box" size="0.075 0.020 0.014" pos="0 0 {top + 0.014}"/>'
            f'<geom name="wrist" type="cylinder" size="0.021 0.2" pos="0 0 {top + 0.228}"/>'
            '</body>')


def make(scales: dict[str, float]) -> tuple[str, dict[str, bytes]]:
    """Return the model's XML and its files (name → bytes) for sizes of so many metres."""
    x, y = TABLE
    world = [
        '<camera name="eye" pos="0 -1 1"/>',
        *(f'<light name="light{i}" type="directional" pos="0 0 1.5" dir="0 0 -1"/>'
          for i in range(LIGHTS)),
        f'<geom name="floor" type="plane" size="25 25 50" pos="0 0 {FLOOR_Z}" material="floor"/>',
        f'<geom name="table" class="solid" size="{x} {y} 0.02" pos="0 0 -0.02" material="table"/>',
        *(f'<geom name="leg{i}" type="box" size="0.02 0.02 0.34" material="table" '
          f'pos="{sx * (x - 0.03):.3f} {sy * (y - 0.03):.3f} -0.38"/>'
          for i, (sx, sy) in enumerate(((1, 1), (1, -1), (-1, 1), (-1, -1)))),
        *(f'<body name="clutter{i}"><geom name="clutter{i}" type="box" size="0.02 0.02 0.001"/>'
          '</body>' for i in range(MAX_CLUTTER)),
        tray_xml(), gripper_xml(), *(_thing(i) for i in range(MAX_THINGS))]
    files = {f'texture{i}.png': textures.png(i) for i in range(TEXTURES)}
    return HEAD + _assets(scales) + '<worldbody>' + '\n'.join(world) + '</worldbody></mujoco>', \
        files
