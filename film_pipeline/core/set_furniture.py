"""How furniture, lamps and small things are built: irregular, as by hand."""

import numpy as np

from film_pipeline.core.meshes import Mesh, box, crooked, ellipsoid, lathe, merged, rotation, tube
from film_pipeline.core.set_parts import (
    DARK_WOOD,
    IRON,
    PALE_WOOD,
    PAPER,
    Color,
    Part,
    boards_of,
    color_of,
    size_of,
    sized,
)
from film_pipeline.core.sets import SetPiece


def desk(piece: SetPiece) -> list[Part]:
    width, depth, height = size_of(piece, 1.7, 0.85, 0.76)
    color = color_of(piece, (0.19, 0.13, 0.09))
    top = (
        boards_of(width, depth, 0.05, 0.22, piece.seed + 41, upright=False)
        .moved((0, 0, -depth / 2))
        .turned(rotation("x", -90))
        .moved((0, 0, height - 0.025))
    )
    meshes = [top, box((width + 0.06, depth + 0.06, 0.03), 0.01).moved((0, 0, height - 0.065))]
    carving = []
    for side in (-1, 1):
        pedestal = np.array([side * (width / 2 - 0.24), 0, (height - 0.12) / 2 + 0.04])
        meshes.append(
            crooked(box((0.44, depth * 0.86, height - 0.14), 0.015).moved(pedestal), 0.006, piece.seed + 2 + side)
        )
        for drawer in range(3):
            z = 0.12 + drawer * 0.2
            for face in (-1, 1):
                carving.append(box((0.36, 0.03, 0.16), 0.012).moved((pedestal[0], face * depth * 0.44, z + 0.06)))
                carving.append(
                    ellipsoid((0.035, 0.05, 0.035), 10, 7).moved((pedestal[0], face * depth * 0.47, z + 0.06))
                )
        meshes.append(box((0.5, depth * 0.94, 0.06), 0.015).moved((pedestal[0], 0, 0.03)))
    meshes.append(box((width * 0.5, 0.03, height * 0.62), 0.01).moved((0, -depth * 0.34, height * 0.56)))
    return [
        Part("body", merged(meshes), "wood", color),
        Part("drawers", merged(carving), "wood", (color[0] * 0.7, color[1] * 0.7, color[2] * 0.7)),
    ]


def table(piece: SetPiece) -> list[Part]:
    width, depth, height = size_of(piece, 1.2, 0.75, 0.74)
    legs = [
        lathe([(0.04, 0), (0.03, height * 0.3), (0.045, height * 0.7), (0.035, height - 0.04)], 10).moved(
            (x * (width / 2 - 0.07), y * (depth / 2 - 0.07), 0)
        )
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    top = crooked(box((width, depth, 0.045), 0.01).moved((0, 0, height - 0.022)), 0.004, piece.seed)
    return [Part("table", merged([top, *legs]), "wood", color_of(piece, DARK_WOOD))]


def chair(piece: SetPiece) -> list[Part]:
    width, depth, height = size_of(piece, 0.46, 0.46, 1.25)
    seat = 0.43
    meshes = [crooked(box((width, depth, 0.05), 0.015).moved((0, 0, seat)), 0.004, piece.seed)]
    meshes += [
        tube(
            [
                [x * (width / 2 - 0.04), y * (depth / 2 - 0.04), 0],
                [x * (width / 2 - 0.05), y * (depth / 2 - 0.05), seat],
            ],
            [0.02, 0.028],
            8,
        )
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    back = depth / 2 - 0.03
    meshes += [
        tube([[x * (width / 2 - 0.03), back, seat], [x * (width / 2 - 0.02), back + 0.07, height]], [0.028, 0.02], 8)
        for x in (-1, 1)
    ]
    meshes += [
        tube([[x * width, back + 0.01, seat], [x * width * 1.1, back + 0.06, height * 0.93]], [0.012] * 2, 8)
        for x in (-0.22, 0, 0.22)
    ]
    meshes.append(box((width + 0.04, 0.035, 0.13), 0.02).moved((0, back + 0.065, height - 0.05)))
    return [Part("chair", merged(meshes), "wood", color_of(piece, (0.1, 0.075, 0.055)))]


def stool(piece: SetPiece) -> list[Part]:
    width, _, height = size_of(piece, 0.36, 0.36, 0.45)
    legs = [
        tube([[0.13 * np.cos(a), 0.13 * np.sin(a), 0], [0.08 * np.cos(a), 0.08 * np.sin(a), height]], [0.018, 0.02], 8)
        for a in (0.5, 2.6, 4.7)
    ]
    return [
        Part(
            "stool",
            merged(
                [lathe([(0, height), (width / 2, height), (width / 2, height + 0.04), (0, height + 0.04)], 18), *legs]
            ),
            "wood",
            color_of(piece, DARK_WOOD),
        )
    ]


def lamp(piece: SetPiece) -> list[Part]:
    height = 0.42
    stand = lathe(
        [
            (0, 0),
            (0.09, 0),
            (0.08, 0.025),
            (0.022, 0.05),
            (0.016, height * 0.4),
            (0.03, height * 0.45),
            (0.014, height * 0.6),
            (0, height * 0.6),
        ],
        18,
    )
    shade = lathe([(0.13, height * 0.58), (0.125, height * 0.62), (0.055, height * 0.98), (0.06, height)], 24)
    bulb = ellipsoid((0.07, 0.07, 0.1), 16, 10).moved((0, 0, height * 0.62))
    parts = [
        Part("stand", stand, "metal", color_of(piece, IRON)),
        Part("shade", shade, "cloth", (0.42, 0.3, 0.16), piece.glow * 0.14),
        Part("bulb", bulb, "plain", (1.0, 0.68, 0.34), piece.glow),
    ]
    return sized(parts, piece, 0.26, 0.26, height)


def wall_lamp(piece: SetPiece) -> list[Part]:
    arm = tube([[0, 0, 0], [0, -0.1, -0.02], [0, -0.18, 0.05]], [0.014, 0.011, 0.012], 8)
    plate = box((0.09, 0.02, 0.2), 0.01)
    cup = lathe([(0.02, 0.05), (0.06, 0.06), (0.065, 0.09), (0.05, 0.09)], 14).moved((0, -0.18, 0))
    flame = ellipsoid((0.045, 0.045, 0.1), 12, 8).moved((0, -0.18, 0.15))
    parts = [
        Part("bracket", merged([arm, plate, cup]), "metal", color_of(piece, IRON)),
        Part("flame", flame, "plain", (1.0, 0.62, 0.25), piece.glow),
    ]
    return sized(parts, piece, 0.13, 0.25, 0.3)


def bookshelf(piece: SetPiece) -> list[Part]:
    width, depth, height = size_of(piece, 1.2, 0.3, 2.2)
    rng = np.random.default_rng(piece.seed + 61)
    frame = [box((0.04, depth, height), 0.006).moved((side * width / 2, 0, height / 2)) for side in (-1, 1)]
    shelves = max(2, round(height / 0.4))
    frame += [
        box((width, depth, 0.035), 0.006).moved((0, 0, height * level / shelves + 0.02)) for level in range(shelves + 1)
    ]
    frame.append(box((width, 0.015, height)).moved((0, depth / 2, height / 2)))
    shades: list[list[Mesh]] = [[], [], []]
    for level in range(shelves):
        x = -width / 2 + 0.04
        while x < width / 2 - 0.07:
            thick, tall = rng.uniform(0.022, 0.055), rng.uniform(0.22, 0.31) * (height / shelves) / 0.4
            if rng.random() > 0.12:
                lean = rng.uniform(-3, 3) if rng.random() > 0.2 else rng.uniform(6, 14)
                book = box((thick, depth * 0.7, tall), 0.004).turned(rotation("y", float(lean)))
                shades[int(rng.integers(3))].append(
                    book.moved((x + thick / 2, -depth * 0.08, height * level / shelves + 0.04 + tall / 2))
                )
            x += thick + rng.uniform(0.001, 0.008)
    colors: list[Color] = [(0.1, 0.05, 0.04), (0.07, 0.075, 0.08), (0.24, 0.2, 0.14)]
    return [
        Part("frame", merged(frame), "wood", color_of(piece, DARK_WOOD)),
        *(
            Part(f"books_{number}", merged(books), "cloth", colors[number])
            for number, books in enumerate(shades)
            if books
        ),
    ]


def rug(piece: SetPiece) -> list[Part]:
    width, depth, _ = size_of(piece, 2.0, 1.3, 0.01)
    border = box((width * 0.88, depth * 0.82, 0.014)).moved((0, 0, 0.008))
    return [
        Part("rug", box((width, depth, 0.012)).moved((0, 0, 0.006)), "cloth", color_of(piece, (0.06, 0.03, 0.03))),
        Part("field", border, "cloth", (0.12, 0.09, 0.07)),
    ]


def frame(piece: SetPiece) -> list[Part]:
    width, depth, height = size_of(piece, 0.5, 0.04, 0.65)
    sides = [box((0.06, depth, height + 0.06), 0.012).moved((side * width / 2, 0, height / 2)) for side in (-1, 1)]
    sides += [box((width, depth, 0.06), 0.012).moved((0, 0, z)) for z in (0, height)]
    picture = box((width, 0.01, height)).moved((0, 0.01, height / 2))
    return [
        Part("frame", merged(sides), "wood", (0.2, 0.15, 0.08)),
        Part("picture", picture, "plaster", color_of(piece, (0.06, 0.06, 0.06))),
    ]


def papers(piece: SetPiece) -> list[Part]:
    width, depth, height = size_of(piece, 0.24, 0.32, 0.12)
    rng = np.random.default_rng(piece.seed + 71)
    sheets = max(3, round(height / 0.012))
    meshes = [
        box((width, depth, 0.009))
        .turned(rotation("z", float(rng.normal(0, 5))))
        .moved((rng.normal(0, 0.008), rng.normal(0, 0.008), 0.006 + number * height / sheets))
        for number in range(sheets)
    ]
    return [Part("papers", merged(meshes), "paper", color_of(piece, PAPER))]


def page(piece: SetPiece) -> list[Part]:
    width, depth, _ = size_of(piece, 0.21, 0.29, 0.002)
    return [
        Part(
            "page",
            crooked(box((width, depth, 0.003)).moved((0, 0, 0.002)), 0.001, piece.seed),
            "paper",
            color_of(piece, PAPER),
        )
    ]


def candle(piece: SetPiece) -> list[Part]:
    stick = lathe([(0, 0), (0.06, 0), (0.055, 0.015), (0.018, 0.02), (0.018, 0.15), (0, 0.155)], 14)
    flame = ellipsoid((0.022, 0.022, 0.055), 10, 8).moved((0, 0, 0.19))
    parts = [
        Part("candle", stick, "plain", color_of(piece, (0.6, 0.56, 0.45))),
        Part("flame", flame, "plain", (1.0, 0.62, 0.25), piece.glow),
    ]
    return sized(parts, piece, 0.12, 0.12, 0.22)


def crate(piece: SetPiece) -> list[Part]:
    width, depth, height = size_of(piece, 0.5, 0.4, 0.4)
    slats = [
        boards_of(width, height, 0.02, 0.12, piece.seed + 2 + side, upright=False).moved((0, side * depth / 2, 0))
        for side in (-1, 1)
    ]
    ends = [
        boards_of(depth, height, 0.02, 0.12, piece.seed + 7 + side, upright=False)
        .turned(rotation("z", 90))
        .moved((side * width / 2, 0, 0))
        for side in (-1, 1)
    ]
    top = box((width, depth, 0.02)).moved((0, 0, height))
    return [Part("crate", merged([*slats, *ends, top]), "wood", color_of(piece, PALE_WOOD))]
