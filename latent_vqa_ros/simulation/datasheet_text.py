"""What the datasheets say beside their counts: Markdown with places for figures."""

from __future__ import annotations

HEAD = """# Datasheet of `tabletop`

Made from version {version} of the data by

    latent_vqa simulate datasheet docs{options}

## Motivation

To train and measure models that answer questions about what a robot's camera sees on a table,
with a truth that is known exactly and answers that the question alone gives away as little as can
be. Made by the maintainers of this package, for it.

## Composition

An instance is a picture of {size}x{size} pixels of a simulated workcell, with its truth (objects,
poses, boxes, visible shares), at most ten questions with their answers, and captions. The splits
differ by seed, and further:

- `compositional`: each scene has one of the pairs of colour and shape that no other split shows:
  {pairs}.
- `shifted`: textures, tints, lights and camera poses from ranges that no other split uses.
- `wordings`: scenes like those of `test`, asked in wordings that no other split uses.

No picture shows a person or a place, nothing is confidential, nothing links to other data.
"""

TAIL = """## Collection and labelling

Scenes are drawn at random from stated ranges, settled by physics and drawn by MuJoCo
([simulation.md](simulation.md)); noise, blur and JPEG are added as a camera does. Pictures in
which an object is between 20 and 40 % visible are rejected, so that no object is borderline; the
tray and the gripper have no such range and are there from 30 %. Truth and answers follow from the
scene by rule; nobody labelled anything. Questions are chosen so that their answers are even within
each group, and within each wording of colours and shapes.

## Uses

Training and testing of this package's models, and tests of what they have learned: the further
splits, the blind floor and the shortcut floor say what an accuracy is worth. Not fit for
measuring how a model does on real cameras, nor for anything about people.

## Limits

Six shapes, eight colours, two sizes, one table, one tray, one gripper. Only the shapes are things:
pens, cables, cards, washers, the tray and the gripper stand in the picture and are no answer to
"what", "anything" or "how many things".
The colours are plain, and white and light gray are hard to tell in strong light. Cylinders, cones
and mugs always stand upright, nothing stands in a bowl, every scene has an object. The pictures
are small and simulated; that a model is right here says nothing certain about a camera. Questions
are made from templates: people ask otherwise. All of it is English.

## Distribution and maintenance

Not distributed: the package draws it into the cache when it is asked for, under the package's
licence (Apache-2.0), with the same bytes on the same machine. Whoever changes what is drawn raises
its number in `simulation/version.py` and makes this page again.
"""

FLOORS = """Answers and floors are those of `test`. The blind floor is the share of the group's
most frequent answer. The shortcut floor is what one who knows which objects are in the picture,
but not where, reaches by one guess: what most of them are, or yes. It may lie below the blind
floor, and stands where every question of the group has such a guess.
`latent_vqa evaluate` prints another blind floor: its guesser knows the most frequent answer to
each single question.
"""

WIDE_HEAD = """# Datasheet of `tabletop_wide`

Made from version {version} of the data by

    latent_vqa simulate datasheet docs{options}

## Motivation

To train and measure models that answer questions about tables in front of any camera: the pictures
of `tabletop` all show one workcell from about one place, and a model of them alone is wrong on
photographs. The truth is known exactly. Made by the maintainers of this package, for it.

## Composition

An instance is a picture whose shorter side has {size} pixels, in the shape of its camera's frame
(1:1, 4:3, 16:9, portrait and between), with its truth (objects, poses, boxes, visible shares), at
most ten questions with their answers, and captions. `val` and `test` have surfaces, prints and
backdrops of kinds that `train` never shows. Pairs of colour and shape that `compositional` of
`tabletop` keeps for itself are shown here neither:
{pairs}.

Made with {sources}.
Everything else is drawn. No picture shows a person (hands are of capsules) or a place, nothing is
confidential, nothing links to other data.
"""

WIDE_TAIL = """## Collection and labelling

Scenes are drawn at random from stated ranges, put at rest by rule and drawn by MuJoCo
([simulation.md](simulation.md)); exposure, white balance, blur, noise and JPEG are added as
cameras do. What a person could not tell from the picture is not in it or is not asked: see there.
Truth and answers follow from the scene by rule; nobody labelled anything.

## Uses

Training of this package's models, together with `tabletop`, and tests of what they have learned.
That a model is right here says little about photographs until it was measured on some.

## Limits

Six shapes, eight colours, two sizes. Only the shapes are things: paper, books, pens, cables,
bottles, hands, the tray and the gripper are no answer to "what", "anything" or "how many things".
Surfaces and backdrops are few and mostly drawn, light is hard or a little soft, nothing is
transparent. One table in five mirrors. Questions are made from templates: people ask otherwise.
All of it is English.

## Distribution and maintenance

Not distributed: the package draws it into the cache when it is asked for, under the package's
licence (Apache-2.0), with the same bytes on the same machine. Whoever changes what is drawn raises
its number in `simulation/version.py` and makes this page again.
"""
