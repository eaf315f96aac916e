"""How each kind of piece is built: irregular, as by hand."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from film_pipeline.core.meshes import Mesh, box, crooked, ellipsoid, lathe, merged, plank, rotation, tube
from film_pipeline.core.sets import SetPiece

Color = tuple[float, float, float]
DARK_WOOD: Color = (0.16, 0.12, 0.09)
PALE_WOOD: Color = (0.3, 0.25, 0.2)
IRON: Color = (0.05, 0.05, 0.055)
PAPER: Color = (0.7, 0.67, 0.6)


@dataclass(frozen=True)
class Part:
    """A mesh of a piece, with its surface; at its own place, before the piece is turned and put down."""

    name: str
    mesh: Mesh
    material: str
    color: Color
    emission: float = 0.0


@lru_cache(maxsize=1024)
def build_piece(piece: SetPiece) -> list[Part]:
    """The parts of a piece in set space, metres."""
    parts = _BUILDERS[piece.kind](piece)
    turn = rotation("z", piece.turn_deg)
    return [replace(part, mesh=part.mesh.turned(turn).moved(piece.at)) for part in parts]


def _size(piece: SetPiece, width: float, depth: float, height: float) -> tuple[float, float, float]:
    return piece.size or (width, depth, height)


def _color(piece: SetPiece, usual: Color) -> Color:
    return piece.color or usual


def _boards(width: float, height: float, thick: float, board: float, seed: int, upright: bool = True) -> Mesh:
    """Boards side by side over a wall of that size, standing on z = 0 about x = 0, with gaps and no two alike."""
    rng = np.random.default_rng(seed)
    span, length = (width, height) if upright else (height, width)
    meshes: list[Mesh] = []
    at = 0.0
    while at < span - 0.02:
        wide = min(board * rng.uniform(0.78, 1.22), span - at)
        mesh = plank(
            length * rng.uniform(0.985, 1.0),
            wide - rng.uniform(0.004, 0.012),
            thick * rng.uniform(0.8, 1.2),
            seed * 97 + len(meshes),
        )
        middle = at + wide / 2
        off = rng.uniform(-0.006, 0.006)
        if upright:
            mesh = mesh.turned(rotation("y", 90 + rng.uniform(-0.35, 0.35))).moved(
                (middle - width / 2, off, height / 2)
            )
        else:
            mesh = mesh.moved((0, off, middle))
        meshes.append(mesh)
        at += wide
    return merged(meshes)


def _floor(piece: SetPiece) -> list[Part]:
    width, depth, _ = _size(piece, 5, 4, 0.05)
    boards = _boards(depth, width, 0.04, 0.19, piece.seed + 3)
    # A wall of boards laid down on its back, its face up.
    flat = boards.turned(rotation("x", -90)).turned(rotation("z", 90))
    low, high = flat.bounds
    middle = (low + high) / 2
    return [
        Part(
            "boards", flat.moved((-middle[0], -middle[1], -high[2])), piece.material or "wood", _color(piece, DARK_WOOD)
        )
    ]


def _flat_floor(piece: SetPiece) -> list[Part]:
    width, depth, thick = _size(piece, 12, 12, 0.1)
    return [
        Part(
            "ground",
            box((width, depth, thick)).moved((0, 0, -thick / 2)),
            piece.material or "plaster",
            _color(piece, (0.2, 0.2, 0.2)),
        )
    ]


def _plank_wall(piece: SetPiece) -> list[Part]:
    width, depth, height = _size(piece, 5, 0.05, 2.8)
    boards = _boards(width, height, depth, 0.2, piece.seed + 11)
    rail = plank(width, 0.09, 0.035, piece.seed + 5).moved((0, -depth * 0.9, height * 0.34))
    skirting = plank(width, 0.16, 0.04, piece.seed + 6).moved((0, -depth * 0.9, 0.09))
    backing = box((width, 0.02, height)).moved((0, depth, height / 2))
    color = _color(piece, DARK_WOOD)
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


def _wall(piece: SetPiece) -> list[Part]:
    width, depth, height = _size(piece, 5, 0.08, 2.8)
    return [
        Part(
            "wall",
            crooked(box((width, depth, height), 0.01).moved((0, 0, height / 2)), 0.006, piece.seed),
            piece.material or "plaster",
            _color(piece, (0.3, 0.29, 0.28)),
        )
    ]


def _slab(piece: SetPiece) -> list[Part]:
    width, depth, height = _size(piece, 5, 4, 0.08)
    return [
        Part(
            piece.kind,
            box((width, depth, height), 0.01).moved((0, 0, height / 2)),
            piece.material or "wood",
            _color(piece, DARK_WOOD),
        )
    ]


def _beam(piece: SetPiece) -> list[Part]:
    width, depth, height = _size(piece, 4, 0.16, 0.18)
    return [
        Part(
            "beam",
            crooked(box((width, depth, height), 0.015).moved((0, 0, height / 2)), 0.012, piece.seed),
            "wood",
            _color(piece, DARK_WOOD),
        )
    ]


def _door(piece: SetPiece) -> list[Part]:
    width, depth, height = _size(piece, 0.95, 0.06, 2.1)
    color = _color(piece, (0.2, 0.14, 0.1))
    leaf = [_boards(width, height, depth, 0.24, piece.seed + 21)]
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


def _staircase(piece: SetPiece) -> list[Part]:
    width, depth, height = _size(piece, 1.3, 3.4, 2.2)
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
    color = _color(piece, DARK_WOOD)
    return [
        Part("treads", merged(treads), "wood", color),
        Part("banister", merged([*posts, *strings]), "wood", (color[0] * 0.6, color[1] * 0.6, color[2] * 0.6)),
    ]


def _desk(piece: SetPiece) -> list[Part]:
    width, depth, height = _size(piece, 1.7, 0.85, 0.76)
    color = _color(piece, (0.19, 0.13, 0.09))
    top = (
        _boards(width, depth, 0.05, 0.22, piece.seed + 41, upright=False)
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


def _table(piece: SetPiece) -> list[Part]:
    width, depth, height = _size(piece, 1.2, 0.75, 0.74)
    legs = [
        lathe([(0.04, 0), (0.03, height * 0.3), (0.045, height * 0.7), (0.035, height - 0.04)], 10).moved(
            (x * (width / 2 - 0.07), y * (depth / 2 - 0.07), 0)
        )
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    top = crooked(box((width, depth, 0.045), 0.01).moved((0, 0, height - 0.022)), 0.004, piece.seed)
    return [Part("table", merged([top, *legs]), "wood", _color(piece, DARK_WOOD))]


def _chair(piece: SetPiece) -> list[Part]:
    width, depth, height = _size(piece, 0.46, 0.46, 1.25)
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
    return [Part("chair", merged(meshes), "wood", _color(piece, (0.1, 0.075, 0.055)))]


def _stool(piece: SetPiece) -> list[Part]:
    width, _, height = _size(piece, 0.36, 0.36, 0.45)
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
            _color(piece, DARK_WOOD),
        )
    ]


def _window(piece: SetPiece) -> list[Part]:
    width, depth, height = _size(piece, 0.9, 0.1, 1.6)
    bars = [box((0.07, depth, height + 0.1), 0.012).moved((side * width / 2, 0, height / 2)) for side in (-1, 1)]
    bars += [box((width + 0.14, depth * 1.3, 0.08), 0.012).moved((0, 0, z)) for z in (0, height)]
    bars += [box((0.028, depth * 0.5, height)).moved((x * width, 0, height / 2)) for x in (-0.17, 0.17)]
    bars += [box((width, depth * 0.5, 0.028)).moved((0, 0, z * height)) for z in (0.25, 0.5, 0.75)]
    parts = [Part("frame", merged(bars), "wood", _color(piece, (0.05, 0.04, 0.035)))]
    if piece.glow > 0:
        pane = box((width, 0.005, height)).moved((0, depth * 0.3, height / 2))
        parts.append(Part("pane", pane, "plain", (0.35, 0.45, 0.65), piece.glow))
    return parts


def _lamp(piece: SetPiece) -> list[Part]:
    _, _, height = _size(piece, 0.25, 0.25, 0.42)
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
    return [
        Part("stand", stand, "metal", IRON),
        Part("shade", shade, "cloth", (0.42, 0.3, 0.16), piece.glow * 0.14),
        Part("bulb", bulb, "plain", (1.0, 0.68, 0.34), piece.glow),
    ]


def _wall_lamp(piece: SetPiece) -> list[Part]:
    arm = tube([[0, 0, 0], [0, -0.1, -0.02], [0, -0.18, 0.05]], [0.014, 0.011, 0.012], 8)
    plate = box((0.09, 0.02, 0.2), 0.01)
    cup = lathe([(0.02, 0.05), (0.06, 0.06), (0.065, 0.09), (0.05, 0.09)], 14).moved((0, -0.18, 0))
    flame = ellipsoid((0.045, 0.045, 0.1), 12, 8).moved((0, -0.18, 0.15))
    return [
        Part("bracket", merged([arm, plate, cup]), "metal", IRON),
        Part("flame", flame, "plain", (1.0, 0.62, 0.25), piece.glow),
    ]


def _bookshelf(piece: SetPiece) -> list[Part]:
    width, depth, height = _size(piece, 1.2, 0.3, 2.2)
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
        Part("frame", merged(frame), "wood", _color(piece, DARK_WOOD)),
        *(
            Part(f"books_{number}", merged(books), "cloth", colors[number])
            for number, books in enumerate(shades)
            if books
        ),
    ]


def _rug(piece: SetPiece) -> list[Part]:
    width, depth, _ = _size(piece, 2.0, 1.3, 0.01)
    border = box((width * 0.88, depth * 0.82, 0.014)).moved((0, 0, 0.008))
    return [
        Part("rug", box((width, depth, 0.012)).moved((0, 0, 0.006)), "cloth", _color(piece, (0.06, 0.03, 0.03))),
        Part("field", border, "cloth", (0.12, 0.09, 0.07)),
    ]


def _frame(piece: SetPiece) -> list[Part]:
    width, depth, height = _size(piece, 0.5, 0.04, 0.65)
    sides = [box((0.06, depth, height + 0.06), 0.012).moved((side * width / 2, 0, height / 2)) for side in (-1, 1)]
    sides += [box((width, depth, 0.06), 0.012).moved((0, 0, z)) for z in (0, height)]
    picture = box((width, 0.01, height)).moved((0, 0.01, height / 2))
    return [
        Part("frame", merged(sides), "wood", (0.2, 0.15, 0.08)),
        Part("picture", picture, "plaster", _color(piece, (0.06, 0.06, 0.06))),
    ]


def _papers(piece: SetPiece) -> list[Part]:
    width, depth, height = _size(piece, 0.24, 0.32, 0.12)
    rng = np.random.default_rng(piece.seed + 71)
    sheets = max(3, round(height / 0.012))
    meshes = [
        box((width, depth, 0.009))
        .turned(rotation("z", float(rng.normal(0, 5))))
        .moved((rng.normal(0, 0.008), rng.normal(0, 0.008), 0.006 + number * height / sheets))
        for number in range(sheets)
    ]
    return [Part("papers", merged(meshes), "paper", _color(piece, PAPER))]


def _page(piece: SetPiece) -> list[Part]:
    width, depth, _ = _size(piece, 0.21, 0.29, 0.002)
    return [
        Part(
            "page",
            crooked(box((width, depth, 0.003)).moved((0, 0, 0.002)), 0.001, piece.seed),
            "paper",
            _color(piece, PAPER),
        )
    ]


def _candle(piece: SetPiece) -> list[Part]:
    stick = lathe([(0, 0), (0.06, 0), (0.055, 0.015), (0.018, 0.02), (0.018, 0.15), (0, 0.155)], 14)
    flame = ellipsoid((0.022, 0.022, 0.055), 10, 8).moved((0, 0, 0.19))
    return [
        Part("candle", stick, "plain", _color(piece, (0.6, 0.56, 0.45))),
        Part("flame", flame, "plain", (1.0, 0.62, 0.25), piece.glow),
    ]


def _crate(piece: SetPiece) -> list[Part]:
    width, depth, height = _size(piece, 0.5, 0.4, 0.4)
    slats = [
        _boards(width, height, 0.02, 0.12, piece.seed + 2 + side, upright=False).moved((0, side * depth / 2, 0))
        for side in (-1, 1)
    ]
    ends = [
        _boards(depth, height, 0.02, 0.12, piece.seed + 7 + side, upright=False)
        .turned(rotation("z", 90))
        .moved((side * width / 2, 0, 0))
        for side in (-1, 1)
    ]
    top = box((width, depth, 0.02)).moved((0, 0, height))
    return [Part("crate", merged([*slats, *ends, top]), "wood", _color(piece, PALE_WOOD))]


_BUILDERS: dict[str, Callable[[SetPiece], list[Part]]] = {
    "floor": _floor,
    "wall": _wall,
    "plank_wall": _plank_wall,
    "ceiling": _slab,
    "beam": _beam,
    "door": _door,
    "staircase": _staircase,
    "desk": _desk,
    "table": _table,
    "chair": _chair,
    "stool": _stool,
    "window": _window,
    "lamp": _lamp,
    "wall_lamp": _wall_lamp,
    "bookshelf": _bookshelf,
    "rug": _rug,
    "frame": _frame,
    "papers": _papers,
    "page": _page,
    "candle": _candle,
    "crate": _crate,
    "post": _beam,
    "ground": _flat_floor,
    "backdrop": _wall,
}
