"""The one MuJoCo model of the wide world: everything that any scene may need, in one text."""

from __future__ import annotations

import numpy as np

from latent_vqa_ros.datasets.record import DatasetError
from latent_vqa_ros.simulation.truth import SHAPES
from latent_vqa_ros.simulation.world.layout import MAX_THINGS
from latent_vqa_ros.simulation.world.model_xml import gripper_xml, numbers, tray_xml
from latent_vqa_ros.simulation.world.wide.clutter import (
    MAX_BARS,
    MAX_PROPS,
    MAX_SHEETS,
    PROP_SIZES,
)
from latent_vqa_ros.simulation.world.wide.items import solid
from latent_vqa_ros.simulation.world.wide.kinds import SIDE
from latent_vqa_ros.simulation.world.wide.paint import TEX
from latent_vqa_ros.simulation.world.wide.sources import Sources

LIGHTS = 3
HEAD = """
<mujoco model="wide">
  <compiler angle="radian" inertiafromgeom="false"/>
  <statistic extent="0.6" center="0 0 0.1" meansize="0.04"/>
  <visual>
    <global offwidth="16" offheight="16"/>
    <quality offsamples="0" numquads="1" numslices="20" numstacks="10"/>
    <map znear="0.03" zfar="60" shadowclip="0.9"/>
  </visual>
  <default><geom contype="0" conaffinity="0" group="4"/></default>
"""


def mesh_name(thing: int, shape: str) -> str:
    """Return the name of the mesh that a thing of this index has if it has this shape."""
    return f'{shape}{thing}'


def prop_name(prop: int, size: int) -> str:
    """Return the name of a mesh that lies about, at one of PROP_SIZES."""
    return f'prop{prop}_{size}'


def _thing_meshes() -> str:
    lines = []
    for shape in SHAPES:
        found = solid(shape)
        body = (f'inertia="convex" vertex="{numbers((found.vertices * 0.03).ravel())}" '
                f'normal="{numbers(found.normals.ravel())}" '
                f'face="{" ".join(map(str, found.triangles.ravel()))}"/>')
        lines += [f'<mesh name="{mesh_name(thing, shape)}" {body}' for thing in range(MAX_THINGS)]
    return '\n'.join(lines)


def _prop_assets(sources: Sources) -> tuple[str, dict[str, bytes], int]:
    """Return the XML and the files of meshes that lie about, and how many there are."""
    lines, files, count = [], {}, 0
    for name, content, picture in sources.meshes():
        scale = _longest(name, content)
        files[f'{name}.obj'] = content
        for size, metres in enumerate(PROP_SIZES):
            by = metres / scale
            lines.append(f'<mesh name="{prop_name(count, size)}" file="{name}.obj" '
                         f'inertia="convex" scale="{by:.6g} {by:.6g} {by:.6g}"/>')
        if picture is None:
            lines.append(f'<material name="prop{count}" rgba="0.5 0.5 0.48 1"/>')
        else:
            files[f'{name}.png'] = picture
            lines.append(f'<texture name="prop{count}" type="2d" file="{name}.png"/>'
                         f'<material name="prop{count}" texture="prop{count}"/>')
        count += 1
    return '\n'.join(lines), files, count


def _longest(name: str, obj: bytes) -> float:
    """Return the longest side of the box around an .obj mesh; DatasetError if it is none."""
    try:
        points = np.array([[float(v) for v in line.split()[1:4]]
                           for line in obj.decode('utf-8', 'replace').splitlines()
                           if line.startswith('v ')])
        longest = float(np.ptp(points, axis=0).max())
    except ValueError:
        longest = 0.0
    if not 0 < longest < np.inf:
        raise DatasetError(f'the mesh {name} is no .obj file with vertices')
    return longest


def _painted(name: str, kind: str, width: int, height: int) -> str:
    uniform = ' texuniform="true"' if kind == '2d' else ''
    return (f'<texture name="{name}" type="{kind}" builtin="flat" width="{width}" '
            f'height="{height}"/><material name="{name}" texture="{name}" specular="0"{uniform}/>')


def make(sources: Sources) -> tuple[str, dict[str, bytes], int]:
    """Return the model's XML, its files (name → bytes), and how many meshes may lie about."""
    props, files, count = _prop_assets(sources)
    skins = [_painted(f'{name}{i}', 'cube', TEX, 6 * TEX)
             for name, many in (('thing', MAX_THINGS), ('sheet', MAX_SHEETS)) for i in range(many)]
    assets = [_thing_meshes(), props, *skins,
              *(_painted(name, '2d', SIDE, SIDE) for name in ('table', 'floor'))]
    world = [
        '<camera name="eye" pos="0 -1 1"/>',
        *(f'<light name="light{i}" type="directional" pos="0 0 1.5" dir="0 0 -1"/>'
          for i in range(LIGHTS)),
        '<geom name="floor" type="plane" size="25 25 50" pos="0 0 -0.72" material="floor"/>',
        '<geom name="table" type="box" size="1 1 0.02" pos="0 0 -0.02" group="0" '
        'material="table"/>',
        *(f'<geom name="leg{i}" type="box" size="0.02 0.02 0.34" pos="0 0 -0.38" '
          'material="table"/>' for i in range(4)),
        *(f'<body name="thing{i}"><geom name="thing{i}" type="mesh" mesh="{mesh_name(i, "cube")}" '
          f'material="thing{i}"/></body>' for i in range(MAX_THINGS)),
        *(f'<body name="bar{i}"><geom name="bar{i}" type="capsule" size="0.01 0.01"/></body>'
          for i in range(MAX_BARS)),
        *(f'<body name="sheet{i}"><geom name="sheet{i}" type="box" size="0.1 0.1 0.01" '
          f'material="sheet{i}"/></body>' for i in range(MAX_SHEETS)),
        *(f'<body name="prop{i}"><geom name="prop{i}" type="mesh" mesh="{prop_name(0, 0)}" '
          'material="prop0"/></body>' for i in range(MAX_PROPS)),
        tray_xml().replace('class="solid"', 'type="box"'), gripper_xml()]
    return (HEAD + '<asset>' + '\n'.join(assets) + '</asset><worldbody>' + '\n'.join(world)
            + '</worldbody></mujoco>'), files, count
