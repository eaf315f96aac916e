"""Building a puppet: its body, face, wardrobe and props as skinned meshes in a USD stage."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from pxr import Gf, Sdf, Usd, UsdSkel, Vt
from scipy.spatial.transform import Rotation

from film_pipeline.core.meshes import Array, Mesh, box, ellipsoid, lathe, merged, rotation, shell, tube
from film_pipeline.core.model_build import author_model_parts
from film_pipeline.core.poses import Pose
from film_pipeline.core.puppet import Character, Piece, PropInHand
from film_pipeline.core.usd_parts import TextureSink, author_material, author_mesh, bind, bind_skin, matrix

Color = tuple[float, float, float]


@dataclass(frozen=True)
class Part:
    """A mesh of the puppet with the surface it is made of."""

    name: str
    mesh: Mesh
    material: str
    color: Color
    emission: float = 0.0


class Builder:
    """The parts of one puppet, built about its skeleton at rest."""

    def __init__(self, character: Character) -> None:
        self.file, self.model = character.file, character.model
        self.rest = {name: np.asarray(place, float) for name, place in character.skeleton.rest.items()}
        for side in ("left", "right"):
            # A model may have no fingers: what it carries is held where they would begin.
            hand, forearm = self.rest[f"hand_{side}"], self.rest[f"forearm_{side}"]
            self.rest.setdefault(f"fingers_{side}", hand + (hand - forearm) * 0.3)
        self.height = self.file.height_m
        self.head_m = self.height * self.file.proportions.head
        self.girth = self.height * 0.5 * self.file.proportions.girth

    def parts(self, props: tuple[str, ...] | None = None) -> list[Part]:
        """All parts; of a model only what it carries. props: the kinds of props that are out; all unless given."""
        carried = [part for prop in self.file.props if props is None or prop.kind in props for part in self._prop(prop)]
        if self.model is not None:
            return [replace(part, mesh=self.model.mesh_as_bound(part.mesh)) for part in carried]
        parts = [*self._head(), *self._arms(), *self._legs(), *self._torso()]
        for place, piece in enumerate(self.file.wardrobe):
            parts += [
                Part(f"{piece.kind}_{place}_{number}", mesh, piece.material, piece.color)
                for number, mesh in enumerate(self._garment(piece))
            ]
        return parts + carried

    def _between(self, points: Array, upper: str, lower: str, along: float, soft: float) -> dict[str, Array]:
        """Weights of two joints about a height: above it the upper's, below it the lower's, soft between."""
        amount = np.clip((along - points[:, 2]) / soft + 0.5, 0, 1)
        amount = amount * amount * (3 - 2 * amount)
        return {upper: 1 - amount, lower: amount}

    def _head(self) -> list[Part]:
        head, face = self.rest["head"], self.file.face
        tall, wide = self.head_m, self.head_m * self.file.proportions.head_width
        turns = np.linspace(0, 1, 15)
        # From chin to crown: narrow jaw, broad at the cheekbones and brow.
        profile = [
            (
                float(
                    np.interp(t, [0, 0.06, 0.2, 0.42, 0.62, 0.82, 0.95, 1], [0, 0.2, 0.36, 0.46, 0.5, 0.42, 0.22, 0])
                ),
                t,
            )
            for t in turns
        ]
        skull = lathe([(radius * wide, height * tall) for radius, height in profile], 28)
        skull = skull.scaled((1, 0.92, 1)).moved(head)
        neck = tube(
            [self.rest["chest"], self.rest["neck"] - [0, 0, 0.01], head + [0, 0, tall * 0.12]],
            [self.girth * 0.075, self.girth * 0.062, self.girth * 0.06],
            16,
        )
        neck = neck.weighted(
            self._between(neck.points, "head", "chest", float(self.rest["neck"][2]), 0.12 * self.height)
        )
        nose = tube(
            [
                head + [0, -wide * 0.38, tall * 0.5],
                head + [0, -wide * (0.45 + 0.2 * face.nose), tall * 0.32],
                head + [0, -wide * 0.4, tall * 0.27],
            ],
            [wide * 0.035, wide * 0.065, wide * 0.05],
            10,
        )
        ears = [
            ellipsoid((wide * 0.1, wide * 0.18, tall * 0.22)).moved(head + [side * wide * 0.46, 0, tall * 0.42])
            for side in (-1, 1)
        ]
        mouth = ellipsoid((wide * 0.3, wide * 0.07, tall * 0.028)).moved(self.rest["mouth"] + [0, -wide * 0.0, 0])
        parts = [
            Part(
                "skull",
                merged([skull.bound("head"), nose.bound("head"), *(ear.bound("head") for ear in ears)]),
                "clay",
                face.skin,
            ),
            Part("neck", neck, "clay", face.skin),
            Part("mouth", mouth.bound("mouth"), "plain", (0.012, 0.006, 0.006)),
        ]
        for side, sign in (("left", 1.0), ("right", -1.0)):
            parts += self._eye(side, sign, wide, tall)
        return parts

    def _eye(self, side: str, sign: float, wide: float, tall: float) -> list[Part]:
        face, place = self.file.face, self.rest[f"eye_{side}"]
        across = wide * 0.27 * face.eyes
        ball = ellipsoid((across, across, across), 20, 12).moved(place)
        iris = ellipsoid((across * 0.42, across * 0.1, across * 0.42), 16, 8).moved(place + [0, -across * 0.48, 0])
        # At rest the lid is rolled back by how awake the puppet is; a blink rolls it down.
        lid = (
            shell((across * 1.16, across * 1.16, across * 1.16), 8, 108)
            .turned(rotation("x", face.heavy_lids * 40))
            .moved(place)
        )
        under = shell((across * 1.14, across * 1.14, across * 1.14), -100, -38).moved(place)
        socket = ellipsoid((across * 1.5, across * 0.8, across * 1.5)).moved(place + [0, across * 0.22, 0])
        brow = box((across * 1.15, across * 0.2, across * 0.2), across * 0.06).turned(rotation("y", sign * 6))
        brow = brow.moved(self.rest[f"brow_{side}"] + [0, across * 0.02, 0])
        dark = tuple(value * 0.5 for value in face.skin)
        return [
            Part(f"eye_{side}", ball.bound(f"eye_{side}"), "plain", (0.72, 0.7, 0.66)),
            Part(f"iris_{side}", iris.bound(f"eye_{side}"), "plain", face.iris),
            Part(f"lid_{side}", lid.bound(f"lid_{side}"), "clay", face.skin),
            Part(
                f"under_{side}",
                merged([under.bound("head"), socket.bound("head")]),
                "clay",
                (dark[0], dark[1], dark[2]),
            ),
            Part(f"brow_{side}", brow.bound(f"brow_{side}"), "hair", face.brows),
        ]

    def _limb(self, joints: tuple[str, str, str], radii: tuple[float, float, float], thick: float = 1.0) -> Mesh:
        """A tube over three joints, bending softly at the middle one."""
        top, middle, bottom = (self.rest[joint] for joint in joints)
        places = [top + (middle - top) * t for t in np.linspace(0, 1, 7)] + [
            middle + (bottom - middle) * t for t in np.linspace(0, 1, 7)[1:]
        ]
        widths = np.interp(np.linspace(0, 1, 13), [0, 0.5, 1], radii) * thick
        limb = tube([list(place) for place in places], [float(width) for width in widths], 16)
        return limb.weighted(self._between(limb.points, joints[0], joints[1], float(middle[2]), float(widths[6]) * 2.2))

    def _sleeve_color(self) -> tuple[str, Color]:
        for piece in self.file.wardrobe:
            if piece.kind in ("dress", "coat"):
                return piece.material, piece.color
        return "clay", self.file.face.skin

    def _arms(self) -> list[Part]:
        parts = []
        material, color = self._sleeve_color()
        wide = self.girth * 0.062
        for side in ("left", "right"):
            sleeve = self._limb((f"arm_{side}", f"forearm_{side}", f"hand_{side}"), (wide * 1.25, wide, wide * 0.95))
            ball = ellipsoid((wide * 2.7,) * 3).moved(self.rest[f"arm_{side}"]).bound(f"arm_{side}")
            parts.append(Part(f"sleeve_{side}", merged([sleeve, ball]), material, color))
            parts.append(Part(f"hand_{side}", merged(self._hand(side)), "clay", self.file.face.skin))
        return parts

    def _hand(self, side: str) -> list[Mesh]:
        sign = 1.0 if side == "left" else -1.0
        wrist, knuckles, thumb = (self.rest[f"{joint}_{side}"] for joint in ("hand", "fingers", "thumb"))
        size = float(np.linalg.norm(knuckles - wrist)) * self.file.proportions.hands
        palm = ellipsoid((size * 0.5, size * 0.85, size * 1.25)).moved((wrist + knuckles) / 2).bound(f"hand_{side}")
        meshes = [palm]
        for number in range(4):
            across = (number - 1.5) * size * 0.21
            length = size * (1.15, 1.3, 1.22, 0.95)[number]
            start = knuckles + [0, across, 0]
            finger = tube(
                [
                    start + [0, 0, size * 0.1],
                    start + [0, -0.02 * size, -length * 0.5],
                    start + [-sign * 0.06 * size, -0.04 * size, -length],
                ],
                [size * 0.11, size * 0.1, size * 0.065],
                8,
            )
            meshes.append(finger.bound(f"fingers_{side}"))
        tip = thumb + [-sign * size * 0.05, -size * 0.25, -size * 0.5]
        meshes.append(
            tube([thumb, (thumb + tip) / 2, tip], [size * 0.14, size * 0.12, size * 0.08], 8).bound(f"thumb_{side}")
        )
        return meshes

    def _legs(self) -> list[Part]:
        trousers = next((piece for piece in self.file.wardrobe if piece.kind == "trousers"), None)
        boots = next((piece for piece in self.file.wardrobe if piece.kind == "boots"), None)
        leg, shoe = (trousers or Piece(kind="trousers")), (boots or Piece(kind="boots"))
        wide = self.girth * 0.08
        parts = []
        for side in ("left", "right"):
            limb = self._limb((f"thigh_{side}", f"shin_{side}", f"foot_{side}"), (wide * 1.2, wide, wide * 0.8))
            ankle = self.rest[f"foot_{side}"]
            size = shoe.size * self.file.proportions.feet * self.height
            sole = max(float(ankle[2]), 0.02)
            foot = ellipsoid((size * 0.062, size * 0.15, sole * 1.9)).moved(
                [ankle[0], ankle[1] - size * 0.035, sole * 0.93]
            )
            shaft = lathe(
                [(wide * 0.95, 0), (wide * 1.0, sole * 2.2), (wide * 1.12, sole * 2.3), (wide * 1.05, sole * 2.4)], 14
            )
            shaft = shaft.moved([ankle[0], ankle[1], sole * 0.6])
            parts.append(Part(f"leg_{side}", limb, leg.material, leg.color))
            parts.append(
                Part(
                    f"boot_{side}",
                    merged([foot.bound(f"foot_{side}"), shaft.bound(f"shin_{side}")]),
                    shoe.material,
                    shoe.color,
                )
            )
        return parts

    def _torso(self) -> list[Part]:
        material, color = self._sleeve_color()
        hips, chest, neck = self.rest["hips"], self.rest["chest"], self.rest["neck"]
        shoulder = abs(float(self.rest["arm_left"][0]))
        low, high = float(hips[2]) - 0.03 * self.height, float(neck[2])
        profile = np.linspace(0, 1, 12)
        radii = np.interp(profile, [0, 0.2, 0.42, 0.75, 0.92, 1], [0.9, 0.8, 0.62, 0.95, 0.85, 0.28]) * shoulder
        body = lathe(
            [
                (0.0, low),
                *((float(r), low + (high - low) * float(t)) for r, t in zip(radii, profile, strict=True)),
                (0.0, high),
            ],
            24,
        )
        body = body.scaled((1, 0.68, 1))
        z = body.points[:, 2]
        spine_z, chest_z = float(self.rest["spine"][2]), float(chest[2])
        weights = {
            "hips": np.clip((spine_z - z) / 0.08 / self.height + 0.5, 0, 1),
            "chest": np.clip((z - chest_z) / 0.08 / self.height + 0.5, 0, 1),
        }
        weights["spine"] = np.clip(1 - weights["hips"] - weights["chest"], 0, 1)
        return [Part("torso", body.weighted(weights), material, color)]

    def _skirt(self, bottom: float, flare: float) -> Mesh:
        """Cloth from the waist down to `bottom` metres above the floor, carried by hips, thighs and shins."""
        top = float(self.rest["spine"][2])
        waist = abs(float(self.rest["arm_left"][0])) * 0.72
        heights = np.linspace(bottom, top, 14)
        radii = [float(waist * (1 + flare * (1 - (z - bottom) / (top - bottom)) ** 1.4)) for z in heights]
        skirt = lathe([*zip(radii, [float(z) for z in heights], strict=True)], 36)
        angle = np.arctan2(skirt.points[:, 1], skirt.points[:, 0])
        low = np.clip((top - skirt.points[:, 2]) / (top - bottom), 0, 1)
        folds = 1 + 0.06 * low * np.sin(9 * angle) + 0.025 * low * np.sin(17 * angle + 1)
        skirt = skirt.scaled((1, 0.82, 1))
        skirt.points[:, :2] *= folds[:, None]
        hips_z, knee_z = float(self.rest["hips"][2]), float(self.rest["shin_left"][2])
        z = skirt.points[:, 2]
        leg = np.clip((hips_z - z) / (0.12 * self.height) + 0.35, 0, 1)
        shin = np.clip((knee_z - z) / (0.14 * self.height) + 0.5, 0, 1) * leg
        left = np.clip(skirt.points[:, 0] / (waist * 1.2) + 0.5, 0, 1)
        return skirt.weighted(
            {
                "hips": 1 - leg,
                "thigh_left": (leg - shin) * left,
                "thigh_right": (leg - shin) * (1 - left),
                "shin_left": shin * left,
                "shin_right": shin * (1 - left),
            }
        )

    def _garment(self, piece: Piece) -> list[Mesh]:
        head, tall = self.rest["head"], self.head_m
        wide = tall * self.file.proportions.head_width
        neck = float(self.rest["neck"][2])
        shoulder = abs(float(self.rest["arm_left"][0]))
        if piece.kind == "dress":
            return [self._skirt(0.015 * self.height, 0.9 * piece.size)]
        if piece.kind == "coat":
            return [self._skirt(0.17 * self.height, 0.75 * piece.size)]
        if piece.kind == "apron":
            return [self._skirt(0.25 * self.height, 0.8 * piece.size).scaled((0.9, 1.06, 1))]
        if piece.kind == "belt":
            z = float(self.rest["spine"][2])
            return [
                lathe([(shoulder * 0.74, z - 0.02), (shoulder * 0.77, z), (shoulder * 0.74, z + 0.02)], 28)
                .scaled((1, 0.8, 1))
                .bound("spine")
            ]
        if piece.kind == "collar":
            rise = tall * 0.34 * piece.size
            ring = lathe(
                [
                    (shoulder * 0.46, neck - rise * 0.35),
                    (shoulder * 0.36, neck),
                    (shoulder * 0.4, neck + rise * 0.5),
                    (shoulder * 0.52, neck + rise * 0.75),
                ],
                30,
            )
            ring.points[:, 2] += (
                0.012 * np.sin(14 * np.arctan2(ring.points[:, 1], ring.points[:, 0])) * (ring.points[:, 2] > neck)
            )
            return [ring.scaled((1, 0.86, 1)).bound("chest")]
        if piece.kind == "cuffs":
            return [
                lathe([(self.girth * 0.085, -0.02), (self.girth * 0.08, 0.025)], 16)
                .moved(self.rest[f"hand_{side}"] + [0, 0, 0.02])
                .bound(f"forearm_{side}")
                for side in ("left", "right")
            ]
        if piece.kind == "buttons":
            low, high = float(self.rest["hips"][2]), neck - 0.05 * self.height
            front = -shoulder * 0.64
            return [
                ellipsoid((0.035 * self.height * piece.size, 0.018 * self.height, 0.035 * self.height * piece.size))
                .moved([0, front * float(np.interp(t, [0, 0.4, 1], [1.0, 0.78, 0.95])), low + (high - low) * t])
                .bound("chest" if t > 0.55 else "spine" if t > 0.2 else "hips")
                for t in (0.05, 0.35, 0.65, 0.92)
            ]
        if piece.kind == "scarf":
            turn = np.linspace(0, 2 * np.pi, 25)
            around = [
                [0.5 * shoulder * np.cos(a), 0.44 * shoulder * np.sin(a), neck + 0.012 * np.sin(3 * a)] for a in turn
            ]
            ring = tube(around, [0.045 * self.height * piece.size] * 25, 10).bound("chest")
            fall = [
                [shoulder * 0.2, -shoulder * 0.62, neck],
                [shoulder * 0.3, -shoulder * 0.78, neck - 0.12 * self.height],
                [shoulder * 0.26, -shoulder * 0.74, neck - 0.26 * self.height],
            ]
            tail = tube(fall, [0.03 * self.height, 0.045 * self.height, 0.04 * self.height], 10, flat=0.35).bound(
                "chest"
            )
            return [ring, tail]
        if piece.kind == "top_hat":
            brim, rise = wide * 0.72 * piece.size, tall * 0.85 * piece.size
            profile = [
                (0, 0),
                (brim, 0),
                (brim * 1.02, 0.012),
                (wide * 0.46, 0.03),
                (wide * 0.42, rise * 0.5),
                (wide * 0.5, rise),
                (0, rise * 1.01),
            ]
            hat = lathe(profile, 28, smooth=False).turned(rotation("y", 7)).turned(rotation("x", -5))
            bent = hat.points[:, 2] / rise
            hat.points[:, 0] += 0.1 * wide * np.clip(bent, 0, 1) ** 2
            return [hat.moved(head + [0, 0.02, tall * 0.8]).bound("head")]
        if piece.kind in ("bun", "bob"):
            cap = shell((wide * 1.08, wide * 1.06, tall * 1.02), 34, 200, 28, 16).moved(head + [0, 0, tall * 0.52])
            if piece.kind == "bob":
                back = ellipsoid((wide * 1.06, wide * 0.7, tall * 0.9)).moved(head + [0, wide * 0.22, tall * 0.42])
                return [cap.bound("head"), back.bound("head")]
            bun = ellipsoid((wide * 0.55 * piece.size, wide * 0.55 * piece.size, tall * 0.5 * piece.size)).moved(
                head + [0, wide * 0.1, tall * 1.12]
            )
            back = ellipsoid((wide * 0.98, wide * 0.6, tall * 0.75)).moved(head + [0, wide * 0.22, tall * 0.58])
            return [cap.bound("head"), bun.bound("head"), back.bound("head")]
        if piece.kind == "spectacles":
            meshes = []
            for side in ("left", "right"):
                across = wide * 0.17 * self.file.face.eyes
                turn = np.linspace(0, 2 * np.pi, 21)
                middle = self.rest[f"eye_{side}"] + [0, -wide * 0.2, 0]
                rim: list[Array] = [middle + [across * np.cos(a), 0, across * np.sin(a)] for a in turn]
                meshes.append(tube(rim, [0.006 * self.height] * 21, 6).bound("head"))
            return meshes
        return []

    def _prop(self, prop: PropInHand) -> list[Part]:
        hand = f"hand_{prop.hand}"
        sign = 1.0 if prop.hand == "left" else -1.0
        hold = (self.rest[hand] + self.rest[f"fingers_{prop.hand}"]) / 2 + [0, -0.02 * self.height, -0.02 * self.height]
        size = self.height
        if prop.kind == "lantern":
            at = hold + [0, -0.01 * size, -0.2 * size]
            cage = [
                tube([at + [x, y, 0], at + [x * 0.9, y * 0.9, 0.13 * size]], [0.006 * size] * 2, 6)
                for x in (-0.04 * size, 0.04 * size)
                for y in (-0.04 * size, 0.04 * size)
            ]
            base = lathe(
                [(0, -0.015 * size), (0.062 * size, -0.015 * size), (0.062 * size, 0), (0, 0.004)], 4 * 4, smooth=False
            ).moved(at)
            roof = lathe(
                [(0, 0.13 * size), (0.066 * size, 0.13 * size), (0.02 * size, 0.175 * size), (0, 0.176 * size)],
                16,
                smooth=False,
            ).moved(at)
            ring = tube(
                [
                    at + [0.03 * size * np.cos(a), 0, 0.19 * size + 0.03 * size * np.sin(a)]
                    for a in np.linspace(0, 2 * np.pi, 15)
                ],
                [0.005 * size] * 15,
                6,
            )
            flame = ellipsoid((0.05 * size, 0.05 * size, 0.085 * size)).moved(at + [0, 0, 0.06 * size])
            return [
                Part("lantern", merged([mesh.bound(hand) for mesh in (*cage, base, roof, ring)]), "metal", prop.color),
                Part("lantern_flame", flame.bound(hand), "plain", (1.0, 0.62, 0.25), prop.glow),
            ]
        if prop.kind == "candle":
            stick = lathe([(0, 0), (0.02 * size, 0), (0.018 * size, 0.16 * size), (0, 0.16 * size)], 12).moved(
                hold + [0, -0.02, -0.04 * size]
            )
            flame = ellipsoid((0.02 * size, 0.02 * size, 0.05 * size)).moved(hold + [0, -0.02, 0.15 * size])
            return [
                Part("candle", stick.bound(hand), "plain", (0.7, 0.66, 0.55)),
                Part("candle_flame", flame.bound(hand), "plain", (1.0, 0.62, 0.25), prop.glow),
            ]
        if prop.kind == "pen":
            quill = tube(
                [hold + [0, -0.05, -0.07], hold + [sign * 0.01, 0.03, 0.06], hold + [sign * 0.03, 0.10, 0.2]],
                [0.002, 0.006, 0.016],
                8,
                flat=0.3,
            )
            return [Part("pen", quill.bound(hand), "plain", (0.75, 0.72, 0.66))]
        flat = {"page": (0.2, 0.003, 0.27), "book": (0.16, 0.035, 0.22)}[prop.kind]
        leaf = (
            box([value * max(size, 1.0) * 0.85 for value in flat])
            .turned(rotation("x", 64))
            .moved(hold + [-sign * 0.03, -0.08 * size, -0.09 * size])
        )
        return [Part(prop.kind, leaf.bound(hand), "paper", prop.color)]


def author_puppet(
    stage: Usd.Stage, path: str, character: Character, textures: TextureSink, props: tuple[str, ...] | None = None
) -> None:
    """Build the puppet at rest: a SkelRoot at `path` with its Rig, its Anim, its meshes and Materials."""
    skeleton = character.skeleton
    UsdSkel.Root.Define(stage, path)
    rig = UsdSkel.Skeleton.Define(stage, f"{path}/Rig")
    rig.CreateJointsAttr(Vt.TokenArray(list(skeleton.paths)))
    rig.CreateBindTransformsAttr(Vt.Matrix4dArray([matrix(character.bind(name)) for name in skeleton.names]))
    rig.CreateRestTransformsAttr(
        Vt.Matrix4dArray(
            [Gf.Matrix4d().SetTranslate(Gf.Vec3d(*map(float, skeleton.offset(name)))) for name in skeleton.names]
        )
    )
    animation = UsdSkel.Animation.Define(stage, f"{path}/Anim")
    animation.CreateJointsAttr(Vt.TokenArray(list(skeleton.paths)))
    _set_pose(animation, character, Pose(), Usd.TimeCode.Default())
    UsdSkel.BindingAPI.Apply(rig.GetPrim()).CreateAnimationSourceRel().SetTargets([Sdf.Path(f"{path}/Anim")])
    of = path.rsplit("/", 1)[-1]
    if character.model is not None:
        author_model_parts(stage, path, character.model, textures)
    for part in Builder(character).parts(props):
        # Names are unique in the whole stage: engines that know objects by name alone keep them apart.
        prim = author_mesh(stage, f"{path}/{of}_{part.name}", part.mesh)
        joints = [skeleton.names.index(joint) for joint in part.mesh.joints]
        weights = np.stack(list(part.mesh.joints.values()), axis=1)
        bind_skin(prim, np.tile(joints, (len(weights), 1)), weights, f"{path}/Rig")
        material = author_material(
            stage, f"{path}/Materials/{of}_{part.name}_surface", part.material, part.color, textures, part.emission
        )
        bind(prim, material)


def author_performance(
    stage: Usd.Stage, path: str, character: Character, poses: Mapping[int, Pose], roots: Mapping[int, Array]
) -> None:
    """Pose the puppet frame by frame: rotations, translations and scales of its joints, and where its root stands."""
    animation = UsdSkel.Animation(stage.GetPrimAtPath(f"{path}/Anim"))
    for frame, pose in poses.items():
        _set_pose(animation, character, pose, Usd.TimeCode(frame), roots[frame])


def _set_pose(
    animation: UsdSkel.Animation, character: Character, pose: Pose, time: Usd.TimeCode, root: Array | None = None
) -> None:
    skeleton = character.skeleton
    hips = character.hips_offset(pose)
    rotations, translations, scales = [], [], []
    for name in skeleton.names:
        turn = pose.rotations.get(name)
        place = skeleton.offset(name) + (hips if name == "hips" else 0.0)
        if name == "root" and root is not None:
            stands = Rotation.from_matrix(root[:3, :3])
            turn, place = stands if turn is None else stands * turn, root[:3, 3]
        x, y, z, w = (0.0, 0.0, 0.0, 1.0) if turn is None else turn.as_quat()
        rotations.append(Gf.Quatf(float(w), float(x), float(y), float(z)))
        translations.append(Gf.Vec3f(*map(float, place)))
        scales.append(Gf.Vec3h(*map(float, pose.scales.get(name, np.ones(3)))))
    animation.CreateRotationsAttr().Set(Vt.QuatfArray(rotations), time)
    animation.CreateTranslationsAttr().Set(Vt.Vec3fArray(translations), time)
    animation.CreateScalesAttr().Set(Vt.Vec3hArray(scales), time)
