"""What the Blender process does: open a stage, take its cues for a frame, and shoot."""

import math
import os
import time
from collections.abc import Callable

import bpy
import mathutils

Told = Callable[[dict], None]
Stopped = Callable[[], bool]

_OPEN: dict = {"key": None, "objects": {}}


class Cancelled(Exception):
    """The request was cancelled between two frames."""


def version() -> str:
    return f"Blender {bpy.app.version_string} (bpy), Cycles"


def build_set(asked: dict, told: Told, stopped: Stopped) -> dict:
    """Open a stage; one that is open and unchanged on disk is not read again."""
    path = asked["stage"]
    stat = os.stat(path)
    key = (path, stat.st_mtime_ns, stat.st_size)
    if _OPEN["key"] != key:
        _OPEN["key"] = None
        bpy.ops.wm.read_factory_settings(use_empty=True)
        try:
            bpy.ops.wm.usd_import(
                filepath=path, import_lights=False, import_cameras=False, set_frame_range=True, import_usd_preview=True
            )
        except RuntimeError as error:
            raise ValueError(f"{path} can't be imported: {error}") from error
        if not any(thing.type == "MESH" for thing in bpy.data.objects):
            raise ValueError(f"{path} holds nothing that can be seen")
        _prepare(asked["cues"])
        _OPEN["key"] = key
    return {"objects": len(bpy.data.objects), "armatures": [o.name for o in bpy.data.objects if o.type == "ARMATURE"]}


def _prepare(cues: dict) -> None:
    """The camera and the lights of the stage, made here from its cues, so that nothing is lost between importers."""
    film = bpy.context.scene
    camera = bpy.data.objects.new("film_camera", bpy.data.cameras.new("film_camera"))
    camera.data.sensor_fit = "HORIZONTAL"
    camera.data.clip_start, camera.data.clip_end = 0.02, 1000
    film.collection.objects.link(camera)
    film.camera = camera
    for name, light in cues["lights"].items():
        made = bpy.data.lights.new(
            f"light_{name}", {"rect": "AREA", "disk": "AREA", "sphere": "POINT", "distant": "SUN"}[light["kind"]]
        )
        made.color = light["color"]
        if light["kind"] == "rect":
            made.shape, made.size, made.size_y = "RECTANGLE", light["size"][0], light["size"][1]
        elif light["kind"] == "disk":
            made.shape, made.size = "DISK", light["size"][0]
        elif light["kind"] == "sphere":
            made.shadow_soft_size = light["size"][0] / 2
        else:
            made.angle = math.radians(light["size"][0])
        placed = bpy.data.objects.new(f"light_{name}", made)
        placed.visible_camera = False
        film.collection.objects.link(placed)
    for name in cues["no_shadow"]:
        if name in bpy.data.objects:
            bpy.data.objects[name].visible_shadow = False
    world = bpy.data.worlds.new("ambient")
    world.use_nodes = True
    background = world.node_tree.nodes["Background"]
    background.inputs["Color"].default_value = (*cues["ambient"], 1.0)
    film.world = world


def _cue(cues: dict, frame: int) -> None:
    """Everything that changes from frame to frame: puppets by their own animation, the rest from the cues."""
    film = bpy.context.scene
    film.frame_set(frame)
    camera = cues["camera"].get(str(frame))
    if camera:
        film.camera.matrix_world = mathutils.Matrix(camera["matrix"])
        film.camera.data.lens = camera["lens_mm"]
        film.camera.data.sensor_width = camera["aperture_w_mm"]
        film.camera.data.sensor_height = camera["aperture_h_mm"]
        film.camera.data.dof.use_dof = camera["f_stop"] > 0
        if camera["f_stop"] > 0:
            film.camera.data.dof.focus_distance = camera["focus_m"]
            film.camera.data.dof.aperture_fstop = camera["f_stop"]
    for name, light in cues["lights"].items():
        placed = bpy.data.objects[f"light_{name}"]
        placed.matrix_world = mathutils.Matrix(light["matrix"][str(frame)])
        placed.data.energy = light["watts"][str(frame)]
    for name, by_frame in cues["glow"].items():
        _glow(name, by_frame[str(frame)])


def _glow(name: str, strength: float) -> None:
    material = bpy.data.materials.get(name)
    if material is None or not material.use_nodes:
        return
    for node in material.node_tree.nodes:
        if node.type == "BSDF_PRINCIPLED":
            node.inputs["Emission Strength"].default_value = strength


def shoot(asked: dict, told: Told, stopped: Stopped) -> dict:
    """Render frames, each into a temporary file that is renamed when it is whole."""
    build_set(asked, told, stopped)
    film = bpy.context.scene
    settings = asked["settings"]
    _settle(film, settings)
    for frame, path in sorted((int(frame), path) for frame, path in asked["frames"].items()):
        if stopped():
            raise Cancelled
        started = time.monotonic()
        _cue(asked["cues"], frame)
        film.cycles.seed = (settings["seed"] * 1_000_003 + frame) % 2**31
        partial = f"{path}.partial.exr"
        film.render.filepath = partial
        bpy.ops.render.render(write_still=True)
        os.replace(partial, path)
        told({"frame": frame, "path": path, "seconds": time.monotonic() - started})
    return {"frames": len(asked["frames"])}


def _settle(film, settings: dict) -> None:
    render, cycles, layer = film.render, film.cycles, film.view_layers[0]
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y, render.resolution_percentage = settings["width"], settings["height"], 100
    render.pixel_aspect_x = render.pixel_aspect_y = 1.0
    render.use_persistent_data = True
    render.use_motion_blur = False
    render.film_transparent = False
    cycles.device = "CPU"
    cycles.samples = settings["samples"]
    cycles.use_adaptive_sampling = False
    cycles.use_light_tree = False
    cycles.max_bounces = cycles.diffuse_bounces = cycles.glossy_bounces = settings["bounces"]
    cycles.transmission_bounces = cycles.volume_bounces = 0
    cycles.transparent_max_bounces = 2
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 4.0
    cycles.use_denoising = settings["denoise"]
    if settings["denoise"]:
        cycles.denoiser = "OPENIMAGEDENOISE"
        cycles.denoising_input_passes = "RGB_ALBEDO_NORMAL"
        cycles.denoising_prefilter = "NONE"
        cycles.denoising_quality = "FAST"
    layer.use_pass_z = layer.use_pass_normal = layer.use_pass_cryptomatte_object = settings["passes"]
    layer.pass_cryptomatte_depth = 2
    layer.material_override = _clay() if settings["clay"] else None
    image = render.image_settings
    image.file_format = "OPEN_EXR_MULTILAYER" if settings["passes"] else "OPEN_EXR"
    image.color_mode = "RGB"
    # Cryptomatte's numbers are names in disguise: they survive only as whole floats.
    image.color_depth = "32" if settings["passes"] else "16"
    image.exr_codec = "ZIP"
    film.view_settings.view_transform = "Raw"


def _clay():
    clay = bpy.data.materials.get("film_clay")
    if clay is None:
        clay = bpy.data.materials.new("film_clay")
        clay.use_nodes = True
        surface = clay.node_tree.nodes["Principled BSDF"]
        surface.inputs["Base Color"].default_value = (0.42, 0.4, 0.38, 1)
        surface.inputs["Roughness"].default_value = 0.9
    return clay


def joints(asked: dict, told: Told, stopped: Stopped) -> dict:
    """Every armature's joints in world space: frame -> armature's parent -> joint -> x, y, z."""
    build_set(asked, told, stopped)
    found = {}
    for frame in asked["frames"]:
        bpy.context.scene.frame_set(frame)
        graph = bpy.context.evaluated_depsgraph_get()
        found[str(frame)] = {
            _puppet_of(thing): {
                bone.name: list((thing.evaluated_get(graph).matrix_world @ bone.matrix).translation)
                for bone in thing.evaluated_get(graph).pose.bones
            }
            for thing in bpy.data.objects
            if thing.type == "ARMATURE"
        }
    return {"joints": found}


def _puppet_of(thing) -> str:
    return thing.parent.name if thing.parent is not None else thing.name


def export_glb(asked: dict, told: Told, stopped: Stopped) -> dict:
    """The stage as a .glb, posed at a frame."""
    build_set(asked, told, stopped)
    if asked["frame"] is not None:
        bpy.context.scene.frame_set(asked["frame"])
    partial = f"{asked['out']}.partial.glb"
    bpy.ops.export_scene.gltf(filepath=partial, export_format="GLB", export_animations=False, export_cameras=False)
    os.replace(partial, asked["out"])
    return {"bytes": os.path.getsize(asked["out"])}


def turnaround(asked: dict, told: Told, stopped: Stopped) -> dict:
    """What the stage holds from evenly spaced angles, lit from the camera's side, as PNG."""
    build_set(asked, told, stopped)
    film = bpy.context.scene
    _settle(film, {**asked["settings"], "passes": False})
    low, high = _bounds()
    middle, tall = (low + high) / 2, max(high.z - low.z, 0.01)
    wide = max(high.x - low.x, high.y - low.y, 0.01)
    lens, film_w = 85.0, 36.0
    film.camera.data.lens, film.camera.data.sensor_width = lens, film_w
    aspect = asked["settings"]["width"] / asked["settings"]["height"]
    distance = max(tall * 1.12 * aspect, wide * 1.12) * lens / film_w + wide / 2
    rig = _studio_lights(tall)
    for material, strength in asked["cues"]["glow"].items():
        _glow(material, min(next(iter(strength.values()), 0.0), 4.0))
    background = film.world.node_tree.nodes["Background"].inputs
    background["Color"].default_value = (0.09, 0.09, 0.095, 1)
    image = film.render.image_settings
    image.file_format, image.color_depth = "PNG", "8"
    film.view_settings.view_transform = "Standard"
    paths = []
    for number in range(asked["angles"]):
        if stopped():
            raise Cancelled
        started = time.monotonic()
        angle = 2 * math.pi * number / asked["angles"]
        turn = mathutils.Matrix.Rotation(angle, 4, "Z")
        place = middle + turn @ mathutils.Vector((0, -distance, tall * 0.08))
        film.camera.location = place
        film.camera.rotation_euler = (middle - place).to_track_quat("-Z", "Y").to_euler()
        for light, offset in rig:
            at = middle + turn @ mathutils.Vector(offset)
            light.location = at
            light.rotation_euler = (middle - at).to_track_quat("-Z", "Y").to_euler()
        path = os.path.join(asked["folder"], f"{number}.png")
        film.render.filepath = path + ".partial.png"
        bpy.ops.render.render(write_still=True)
        os.replace(path + ".partial.png", path)
        paths.append(path)
        told({"frame": number, "path": path, "seconds": time.monotonic() - started})
    _OPEN["key"] = None
    return {"paths": paths}


def _bounds():
    low, high = mathutils.Vector((1e9,) * 3), mathutils.Vector((-1e9,) * 3)
    graph = bpy.context.evaluated_depsgraph_get()
    for thing in bpy.data.objects:
        if thing.type == "MESH":
            seen = thing.evaluated_get(graph)
            for corner in seen.bound_box:
                place = seen.matrix_world @ mathutils.Vector(corner)
                low = mathutils.Vector(map(min, low, place))
                high = mathutils.Vector(map(max, high, place))
    return low, high


def _studio_lights(tall: float) -> list:
    made = []
    for offset, watts, size in (((-1.2, -1.6, 1.4), 60, 0.5), ((1.6, -1.0, 0.3), 16, 1.0), ((0.4, 1.6, 1.2), 50, 0.4)):
        lamp = bpy.data.lights.new("studio", "AREA")
        lamp.energy, lamp.size = watts * tall * tall, size * tall
        placed = bpy.data.objects.new("studio", lamp)
        placed.visible_camera = False
        bpy.context.scene.collection.objects.link(placed)
        made.append((placed, tuple(value * tall for value in offset)))
    return made


OPERATIONS = {
    "build_set": build_set,
    "shoot": shoot,
    "joints": joints,
    "export_glb": export_glb,
    "turnaround": turnaround,
}
