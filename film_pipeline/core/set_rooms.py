"""How floors, walls, doors, windows and stairs are built: irregular, as by hand."""

import numpy as np

from film_pipeline.core.meshes import Mesh, box, crooked, ellipsoid, lathe, merged, plank, rotation, tube
from film_pipeline.core.set_parts import DARK_WOOD, IRON, Part, boards_of, color_of, size_of
from film_pipeline.core.sets import SetPiece


def floor(piece: SetPiece) -> list[Part]:
    width, depth, _ = size_of(piece, 5, 4, 0.05)
    boards = boards_of(depth, width, 0.04, 0.19, piece.seed + 3)
    # A wall of boards laid down on its back, its face up.
    flat = boards.turned(rotation("x", -90)).turned(rotation("z", 90))
    low, high = flat.bounds
    middle = (low + high) / 2
    return [
        Part(
            "boards",
            flat.moved((-middle[0], -middle[1], -high[2])),
            piece.material or "wood",
            color_of(piece, DARK_WOOD),
        )
    ]


def flat_floor(piece: SetPiece) -> list[Part]:
    width, depth, thick = size_of(piece, 12, 12, 0.1)
    return [
        Part(
            "ground",
            box((width, depth, thick)).moved((0, 0, -thick / 2)),
            piece.material or "plaster",
            color_of(piece, (0.2, 0.2, 0.2)),
        )
    ]


def plank_wall(piece: SetPiece) -> list[Part]:
    width, depth, height = size_of(piece, 5, 0.05, 2.8)
    boards = boards_of(width, height, depth, 0.2, piece.seed + 11)
    rail = plank(width, 0.09, 0.035, piece.seed + 5).moved((0, -depth * 0.9, height * 0.34))
    skirting = plank(width, 0.16, 0.04, piece.seed + 6).moved((0, -depth * 0.9, 0.09))
    backing = box((width, 0.02, height)).moved((0, depth, height / 2))
    color = color_of(piece, DARK_WOOD)
    return [
        Part("boards", boards, piece.material or "wood", color),
        Part(
            "rails",
            merged([rail, skirting]),
            piece.material or "wood",
            (color[0] * 0.7, color[1] * 0.7, color[2] * 0.7),
        ),
        Part("backing", backing, "plain", (0.01, 0.01, 0.01)),
    ]


def wall(piece: SetPiece) -> list[Part]:
    width, depth, height = size_of(piece, 5, 0.08, 2.8)
    return [
        Part(
            "wall",
            crooked(box((width, depth, height), 0.01).moved((0, 0, height / 2)), 0.006, piece.seed),
            piece.material or "plaster",
            color_of(piece, (0.3, 0.29, 0.28)),
        )
    ]


def slab(piece: SetPiece) -> list[Part]:
    width, depth, height = size_of(piece, 5, 4, 0.08)
    return [
        Part(
            piece.kind,
            box((width, depth, height), 0.01).moved((0, 0, height / 2)),
            piece.material or "wood",
            color_of(piece, DARK_WOOD),
        )
    ]


def beam(piece: SetPiece) -> list[Part]:
    return _timber(piece, size_of(piece, 4, 0.16, 0.18))


def post(piece: SetPiece) -> list[Part]:
    return _timber(piece, size_of(piece, 0.14, 0.14, 2.2))


def _timber(piece: SetPiece, size: tuple[float, float, float]) -> list[Part]:
    return [
        Part(
            "beam",
            crooked(box(size, 0.015).moved((0, 0, size[2] / 2)), 0.012, piece.seed),
            "wood",
            color_of(piece, DARK_WOOD),
        )
    ]


def door(piece: SetPiece) -> list[Part]:
    width, depth, height = size_of(piece, 0.95, 0.06, 2.1)
    color = color_of(piece, (0.2, 0.14, 0.1))
    leaf = [boards_of(width, height, depth, 0.24, piece.seed + 21)]
    carving = []
    for across in (-1, 1):
        for z, tall in ((0.28, 0.5), (0.9, 0.42), (1.42, 0.42)):
            high = tall * height / 2.1
            place = np.array([across * width * 0.235, -depth * 0.55, z * height / 2.1 + high / 2])
            carving.append(box((width * 0.36, 0.03, high), 0.012).moved(place))
            carving.append(box((width * 0.26, 0.045, high * 0.72), 0.018).moved(place))
            carving.append(
                ellipsoid((width * 0.13, 0.07, width * 0.13 * (1.6 if z > 1 else 1.0)), 14, 9).moved(
                    place + [0, -0.02, 0]
                )
            )
    crest = [
        tube(
            [
                [
                    0.3 * width * np.cos(a) * (0.5 + ring * 0.3),
                    -depth * 0.7,
                    height * 0.925 + 0.09 * np.sin(a) * (0.6 + ring * 0.3),
                ]
                for a in np.linspace(0, np.pi, 13)
            ],
            [0.014] * 13,
            8,
        )
        for ring in (0, 1, 2)
    ]
    iron = []
    for z in (0.35, 1.75):
        iron.append(box((width * 0.7, 0.014, 0.05), 0.004).moved((width * 0.13, -depth * 0.78, z * height / 2.1)))
        iron += [
            ellipsoid((0.03, 0.02, 0.03), 10, 6).moved((width * x, -depth * 0.9, z * height / 2.1))
            for x in (-0.15, 0.05, 0.25, 0.42)
        ]
    ring = [
        [-width * 0.38 + 0.05 * np.cos(a), -depth * 1.1, height * 0.47 + 0.05 * np.sin(a)]
        for a in np.linspace(0, 2 * np.pi, 17)
    ]
    iron.append(tube(ring, [0.009] * 17, 8))
    hinge = np.array([width / 2, 0, 0])
    swing = rotation("z", piece.open_deg)

    def hung(meshes: list[Mesh]) -> Mesh:
        return merged(meshes).moved(-hinge).turned(swing).moved(hinge)

    post = 0.13
    casing = [
        crooked(
            box((post, depth * 2.6, height + post), 0.02).moved((side * (width + post) / 2, 0, (height + post) / 2)),
            0.006,
            piece.seed + 31,
        )
        for side in (-1, 1)
    ]
    casing.append(
        crooked(
            box((width + post * 3, depth * 3, post * 1.2), 0.02).moved((0, 0, height + post * 0.9)),
            0.008,
            piece.seed + 33,
        )
    )
    dark = (color[0] * 0.55, color[1] * 0.55, color[2] * 0.55)
    return [
        Part("leaf", hung(leaf), "wood", dark),
        Part("carving", hung(carving + crest), "wood", color),
        Part("iron", hung(iron), "metal", IRON),
        Part("casing", merged(casing), "wood", dark),
    ]


def staircase(piece: SetPiece) -> list[Part]:
    width, depth, height = size_of(piece, 1.3, 3.4, 2.2)
    rise, run = height / piece.steps, depth / piece.steps
    treads, posts, rail = [], [], []
    for step in range(piece.steps):
        z, y = rise * (step + 1), run * (step + 0.5)
        tilt = rotation("y", float(np.random.default_rng(piece.seed + step).uniform(-1.1, 1.1)))
        treads.append(
            plank(width + 0.08, run + 0.04, 0.045, piece.seed + step)
            .turned(rotation("x", 90))
            .turned(tilt)
            .moved((0, y, z - 0.022))
        )
        treads.append(
            plank(width, rise, 0.03, piece.seed + 50 + step).moved((0, y - run / 2 + 0.02, z - rise / 2 - 0.03))
        )
        for side in (-1, 1):
            foot = np.array([side * (width / 2 - 0.03), y, z])
            turned = lathe([(0.018, 0), (0.03, 0.06), (0.014, 0.16), (0.024, 0.36), (0.014, 0.6), (0.02, 0.78)], 10)
            posts.append(turned.moved(foot))
            rail.append((side, y, z + 0.8))
    strings = []
    for side in (-1, 1):
        places = [[side * (width / 2 - 0.03), y, z] for which, y, z in rail if which == side]
        strings.append(
            tube(
                [[places[0][0], places[0][1] - run, places[0][2] - rise * 0.9], *places],
                [0.035] * (len(places) + 1),
                10,
                flat=0.7,
            )
        )
        newel = lathe(
            [
                (0.06, 0),
                (0.06, 0.1),
                (0.045, 0.14),
                (0.05, 0.9),
                (0.07, 0.94),
                (0.05, 1.0),
                (0.085, 1.1),
                (0.03, 1.2),
                (0, 1.21),
            ],
            14,
        )
        strings.append(newel.moved((side * (width / 2 - 0.03), -run * 0.3, 0)))
        board = box((0.05, float(np.hypot(depth, height)), 0.3), 0.01).turned(
            rotation("x", float(np.degrees(np.arctan2(height, depth))))
        )
        strings.append(board.moved((side * (width / 2 + 0.02), depth / 2, height / 2 - 0.06)))
    color = color_of(piece, DARK_WOOD)
    return [
        Part("treads", merged(treads), "wood", color),
        Part("banister", merged([*posts, *strings]), "wood", (color[0] * 0.6, color[1] * 0.6, color[2] * 0.6)),
    ]


def window(piece: SetPiece) -> list[Part]:
    width, depth, height = size_of(piece, 0.9, 0.1, 1.6)
    bars = [box((0.07, depth, height + 0.1), 0.012).moved((side * width / 2, 0, height / 2)) for side in (-1, 1)]
    bars += [box((width + 0.14, depth * 1.3, 0.08), 0.012).moved((0, 0, z)) for z in (0, height)]
    bars += [box((0.028, depth * 0.5, height)).moved((x * width, 0, height / 2)) for x in (-0.17, 0.17)]
    bars += [box((width, depth * 0.5, 0.028)).moved((0, 0, z * height)) for z in (0.25, 0.5, 0.75)]
    parts = [Part("frame", merged(bars), "wood", color_of(piece, (0.05, 0.04, 0.035)))]
    if piece.glow > 0:
        pane = box((width, 0.005, height)).moved((0, depth * 0.3, height / 2))
        parts.append(Part("pane", pane, "plain", (0.35, 0.45, 0.65), piece.glow))
    return parts
