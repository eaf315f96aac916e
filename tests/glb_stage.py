"""Dummies and rooms out of .glb files, read, composed and skinned for the tests that look at them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from glb_writer import Dummy
from pxr import Usd, UsdGeom, UsdSkel

from film_pipeline.core.composition import Composition, compose
from film_pipeline.core.gltf import read_glb
from film_pipeline.core.model_puppet import ModelPuppet, fit_puppet
from film_pipeline.core.production import Production
from film_pipeline.core.puppet import Character, read_character
from film_pipeline.core.sets import SetDescription, read_set
from film_pipeline.core.shot import SceneFile
from film_pipeline.core.usd_parts import FolderTextures

HEIGHT = 1.5


def fitted(dummy: Dummy, folder: Path, told: Mapping[str, str] | None = None) -> ModelPuppet:
    return fit_puppet(read_glb(dummy.build().write(folder / "puppet.glb")), told or {}, HEIGHT)


def cast_of(dummy: Dummy, folder: Path, yaml: str = "") -> Character:
    """A character in a folder of its own, read as the film reads it."""
    home = folder / "dummy"
    home.mkdir(exist_ok=True)
    dummy.build().write(home / "puppet.glb")
    (home / "character.yaml").write_text(f"name: Dummy\nheight_m: {HEIGHT}\nmodel: puppet.glb\n{yaml}")
    return read_character(home)


def a_set(folder: Path, yaml: str = "") -> SetDescription:
    home = folder / "stage"
    home.mkdir(exist_ok=True)
    (home / "set.yaml").write_text(f"name: Stage\npieces:\n  - {{name: floor, kind: ground}}\n{yaml}")
    return read_set(home)


def composed(
    character: Character, set_: SetDescription, keys: Sequence[Mapping[str, Any]], folder: Path, **shot: Any
) -> Composition:
    member = {"character": character.name, "at": [1, 2, 0], "facing": 40, "keys": list(keys), **shot.pop("member", {})}
    written = {
        "scene": "SC010",
        "set": set_.name,
        "shots": [
            {
                "id": "SH010",
                "length": len(keys),
                "size": "full",
                "exposure": {"on": 1},
                "cast": [member],
                "light": {"key": {"position": [0, -3, 3], "target": [1, 2, 1], "intensity": 300, "size_m": 1}},
                **shot,
            }
        ],
    }
    scene = SceneFile.model_validate(written)
    production = Production.model_validate({"name": "t", "title": "T", "resolution": [96, 128], "fps": 24})
    textures = FolderTextures(folder / "textures", 0)
    return compose(scene.shots[0], scene, set_, {character.name: character}, production, textures)


def skinned(stage: Usd.Stage, path: str, frame: int) -> dict[str, np.ndarray]:
    """Each mesh's points as UsdSkel poses them."""
    root, cache = UsdSkel.Root(stage.GetPrimAtPath(path)), UsdSkel.Cache()
    cache.Populate(root, Usd.PrimDefaultPredicate)
    found = {}
    for binding in cache.ComputeSkelBindings(root, Usd.PrimDefaultPredicate):
        moves = cache.GetSkelQuery(binding.GetSkeleton()).ComputeSkinningTransforms(Usd.TimeCode(frame))
        for target in binding.GetSkinningTargets():
            points = UsdGeom.Mesh(target.GetPrim()).GetPointsAttr().Get()
            assert target.ComputeSkinnedPoints(moves, points, Usd.TimeCode(frame))
            found[target.GetPrim().GetName()] = np.asarray(points, float)
    return found


def bones_of(dummy: Dummy) -> list[tuple[str, str]]:
    """Which bone each of the dummy's boxes lies along, as they follow each other in its mesh: joint and child."""
    bones = []
    for joint in dummy.places:
        below = [other for other in dummy.places if dummy.ups[other] == joint]
        if joint == "head" or joint.startswith("foot") or (joint.startswith("hand") and not below):
            below = [""]
        bones += [(joint, child) for child in below]
    return bones
