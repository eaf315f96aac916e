"""Reading .glb files: what they hold in our own terms, and a plain word for everything that can be wrong with them."""

import base64
import io
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from glb_writer import MIXAMO, TO_GLTF, Dummy, Glb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from film_pipeline.core.gltf import Model, Picture, Primitive, read_glb
from film_pipeline.core.model_build import picture_png
from film_pipeline.core.model_puppet import fit_puppet
from film_pipeline.core.model_set import things_of
from film_pipeline.core.problems import FilmProblem


def a_picture(mode: str = "RGB", color: tuple[int, ...] = (200, 100, 50), kind: str = "PNG") -> bytes:
    written = io.BytesIO()
    Image.new(mode, (4, 4), color).save(written, kind)
    return written.getvalue()


def show(glb: Glb, mesh: int, **entry: Any) -> Glb:
    glb.add("nodes", name="thing", mesh=mesh, **entry)
    return glb


def a_triangle() -> Glb:
    glb = Glb()
    return show(glb, glb.triangle())


def read(glb: Glb, tmp_path: Path) -> Model:
    return read_glb(glb.write(tmp_path / "it.glb"))


def only_part(model: Model) -> Primitive:
    (parts,) = (parts for parts in model.meshes if parts)
    (part,) = parts
    return part


def refused(path: Path) -> FilmProblem:
    with pytest.raises(FilmProblem) as told:
        read_glb(path)
    assert told.value.file == path and told.value.problem and told.value.mend
    return told.value


def test_y_up_becomes_z_up_and_what_faced_plus_z_faces_minus_y(tmp_path: Path) -> None:
    part = only_part(read(a_triangle(), tmp_path))
    np.testing.assert_allclose(part.points, [[0, 0, 0], [1, 0, 0], [0, -3, 2]])
    assert part.triangles.tolist() == [[0, 1, 2]]


def test_nodes_stand_by_their_parents_turn_and_scale(tmp_path: Path) -> None:
    glb = Glb()
    turned = [0, np.sin(np.pi / 4), 0, np.cos(np.pi / 4)]
    glb.add("nodes", name="above", children=[1], translation=[10, 0, 0], rotation=turned, scale=[2, 2, 2])
    show(glb, glb.triangle(), translation=[0, 1, 0])
    thing = things_of(read(glb, tmp_path), [])["thing"]
    (part,) = thing.parts.values()
    # In glTF: a quarter turn about Y takes +X to -Z.
    expected = np.array([[10, 2, 0], [10, 2, -2], [16, 6, 0]]) @ TO_GLTF[:3, :3]
    np.testing.assert_allclose(part.points, expected, atol=1e-6)


def test_a_mirrored_node_keeps_its_faces_outwards(tmp_path: Path) -> None:
    glb = Glb()
    show(glb, glb.triangle(), scale=[-1, 1, 1])
    (part,) = things_of(read(glb, tmp_path), [])["thing"].parts.values()
    assert part.triangles.tolist() == [[2, 1, 0]]


@pytest.mark.parametrize("dtype", ["<u1", "<u2", "<u4"])
def test_triangles_are_counted_in_every_width(tmp_path: Path, dtype: str) -> None:
    glb = a_triangle()
    glb.json["meshes"][0]["primitives"][0]["indices"] = glb.accessor([2, 1, 0], dtype)
    assert only_part(read(glb, tmp_path)).triangles.tolist() == [[2, 1, 0]]


@pytest.mark.parametrize(("mode", "expected"), [(5, [[0, 1, 2], [2, 1, 3]]), (6, [[0, 1, 2], [0, 2, 3]])])
def test_strips_and_fans_become_triangles(tmp_path: Path, mode: int, expected: list[list[int]]) -> None:
    glb = Glb()
    points = glb.accessor([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]])
    show(glb, glb.add("meshes", primitives=[{"attributes": {"POSITION": points}, "mode": mode}]))
    assert only_part(read(glb, tmp_path)).triangles.tolist() == expected


def test_points_and_normals_may_lie_between_each_other(tmp_path: Path) -> None:
    glb = Glb()
    rows = np.arange(18, dtype="<f4").reshape(3, 6)
    view = glb.view(rows.tobytes(), stride=24)
    points = glb.accessor(rows[:, :3], bufferView=view)
    normals = glb.accessor(rows[:, 3:], bufferView=view, byteOffset=12)
    show(glb, glb.add("meshes", primitives=[{"attributes": {"POSITION": points, "NORMAL": normals}}]))
    part = only_part(read(glb, tmp_path))
    np.testing.assert_allclose(part.points @ TO_GLTF[:3, :3].T, rows[:, :3])
    assert part.normals is not None
    np.testing.assert_allclose(part.normals @ TO_GLTF[:3, :3].T, rows[:, 3:])


@pytest.mark.parametrize("over_zeros", [True, False])
def test_a_sparse_accessor_changes_some_of_its_elements(tmp_path: Path, over_zeros: bool) -> None:
    glb = Glb()
    sparse = {
        "count": 1,
        "indices": {"bufferView": glb.view(np.array([2], "<u2").tobytes()), "componentType": 5123},
        "values": {"bufferView": glb.view(np.array([7, 8, 9], "<f4").tobytes())},
    }
    base = [[0, 0, 0], [1, 0, 0], [0, 2, 3]]
    said = {} if over_zeros else {"bufferView": glb.view(np.array(base, "<f4").tobytes())}
    points = glb.accessor(base, sparse=sparse, **said)
    show(glb, glb.add("meshes", primitives=[{"attributes": {"POSITION": points}}]))
    expected = np.array([[0, 0, 0], [0 if over_zeros else 1, 0, 0], [7, 8, 9]])
    np.testing.assert_allclose(only_part(read(glb, tmp_path)).points @ TO_GLTF[:3, :3].T, expected)


@pytest.mark.parametrize(("dtype", "most"), [("<u1", 255), ("<u2", 65535)])
def test_weights_may_be_shares_of_a_whole_number(tmp_path: Path, dtype: str, most: int) -> None:
    glb = Dummy(MIXAMO).build()
    attributes = glb.json["meshes"][0]["primitives"][0]["attributes"]
    count = glb.json["accessors"][attributes["POSITION"]]["count"]
    weights = np.tile([most // 4, most - most // 4, 0, 0], (count, 1))
    attributes["WEIGHTS_0"] = glb.accessor(weights, dtype, normalized=True)
    attributes["JOINTS_0"] = glb.accessor(np.tile([3, 4, 0, 0], (count, 1)), "<u1")
    part = only_part(read(glb, tmp_path))
    assert part.weights is not None and part.joints is not None
    np.testing.assert_allclose(part.weights[0, :2], [0.25, 0.75], atol=0.004)
    assert part.joints[0, :2].tolist() == [3, 4]


def test_a_point_may_have_more_than_four_joints(tmp_path: Path) -> None:
    glb = Dummy(MIXAMO).build()
    attributes = glb.json["meshes"][0]["primitives"][0]["attributes"]
    count = glb.json["accessors"][attributes["POSITION"]]["count"]
    attributes["JOINTS_1"] = glb.accessor(np.tile([5, 0, 0, 0], (count, 1)), "<u1")
    attributes["WEIGHTS_1"] = glb.accessor(np.tile([1.0, 0, 0, 0], (count, 1)))
    part = only_part(read(glb, tmp_path))
    assert part.weights is not None and part.joints is not None
    np.testing.assert_allclose(part.weights[:, [0, 4]], 0.5)
    assert (part.joints[:, 4] == 5).all()


def test_each_part_of_a_mesh_has_its_surface(tmp_path: Path) -> None:
    glb = Glb()
    points = glb.accessor([[0, 0, 0], [1, 0, 0], [0, 2, 3]])
    glb.add("materials", name="red", pbrMetallicRoughness={"baseColorFactor": [1, 0, 0, 1], "metallicFactor": 0})
    image = glb.add("images", bufferView=glb.view(a_picture()), mimeType="image/png", name="cloth")
    glb.add("textures", source=image)
    glb.add(
        "materials",
        pbrMetallicRoughness={"baseColorTexture": {"index": 0}, "roughnessFactor": 0.25},
        emissiveFactor=[1, 0.5, 0],
        extensions={"KHR_materials_emissive_strength": {"emissiveStrength": 6}},
        alphaMode="MASK",
        alphaCutoff=0.3,
    )
    st_ = glb.accessor([[0, 0], [1, 0], [0, 0.25]])
    parts = [{"attributes": {"POSITION": points, "TEXCOORD_0": st_}, "material": material} for material in (0, 1)]
    first, second = read(show(glb, glb.add("meshes", primitives=parts)), tmp_path).meshes[0]
    assert (first.surface.name, first.surface.color, first.surface.metallic) == ("red", (1, 0, 0), 0)
    assert second.surface.picture is not None and second.surface.picture.data == a_picture()
    assert (second.surface.glow, second.surface.glow_color, second.surface.cutoff) == (6, (1, 0.5, 0), 0.3)
    assert (second.surface.roughness, second.surface.metallic) == (0.25, 1)
    assert first.st is not None and first.st.tolist() == [[0, 1], [1, 1], [0, 0.75]]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_texture_is_multiplied_by_its_colour_in_linear_light(tmp_path: Path, kind: str) -> None:
    picture = Picture("grey", a_picture(color=(188, 188, 188), kind=kind), tmp_path)
    made = np.asarray(Image.open(io.BytesIO(picture_png(picture, (0.5, 1.0, 0.0), False))))
    # 188 is half of full light; half of that is 137.
    np.testing.assert_allclose(made[0, 0], [137, 188, 0], atol=3)


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    glb = a_triangle()
    primitive = glb.json["meshes"][0]["primitives"][0]
    primitive["targets"] = [{"POSITION": 0}] * 3
    primitive["attributes"]["COLOR_0"] = 0
    glb.json["meshes"][0]["primitives"].append({"attributes": {"POSITION": 0}, "mode": 1})
    glb.json |= {"animations": [{}], "cameras": [{}], "extensionsUsed": ["KHR_lights_punctual"]}
    notes = " ".join(read(glb, tmp_path).notes)
    for word in ("morph targets", "vertex colours", "points and lines", "animations", "cameras", "lights"):
        assert word in notes


def test_normals_that_are_no_numbers_are_left_out_and_said(tmp_path: Path) -> None:
    glb = a_triangle()
    normals = glb.accessor([[0, 0, 1], [0, np.nan, 0], [0, 0, 1]])
    glb.json["meshes"][0]["primitives"][0]["attributes"]["NORMAL"] = normals
    model = read(glb, tmp_path)
    assert only_part(model).normals is None and "NaN" in model.notes[0]


def test_what_is_left_out_of_many_meshes_is_said_once(tmp_path: Path) -> None:
    glb = a_triangle()
    part = {"attributes": {"POSITION": 0, "COLOR_0": 0}}
    for number in range(40):
        show(glb, glb.add("meshes", name=f"m{number}", primitives=[part, part]))
    (note,) = read(glb, tmp_path).notes
    assert note == "it.glb: vertex colours are left out (the mesh 'm0', the mesh 'm1', the mesh 'm2' and 37 more)"


def test_only_the_scene_that_is_shown_is_read(tmp_path: Path) -> None:
    glb = a_triangle()
    glb.add("nodes", name="hidden", mesh=0)
    glb.json |= {"scenes": [{"nodes": [1]}, {"nodes": [0]}], "scene": 1}
    assert list(things_of(read(glb, tmp_path), [])) == ["thing"]


def bend(**changes: Any) -> Callable[[Glb], None]:
    return lambda glb: glb.json.update(changes)


def bend_entry(kind: str, **changes: Any) -> Callable[[Glb], None]:
    return lambda glb: glb.json[kind][0].update(changes)


def bend_part(**changes: Any) -> Callable[[Glb], None]:
    return lambda glb: glb.json["meshes"][0]["primitives"][0].update(changes)


def with_indices(values: list[int], dtype: str = "<u2") -> Callable[[Glb], None]:
    return lambda glb: bend_part(indices=glb.accessor(values, dtype))(glb)


def with_a_picture_elsewhere(glb: Glb) -> None:
    glb.add("images", uri="skin.png")
    glb.add("textures", source=0)
    glb.add("materials", pbrMetallicRoughness={"baseColorTexture": {"index": 0}})
    bend_part(material=0)(glb)


BROKEN: list[tuple[str, Callable[[Glb], None]]] = [
    ("no mesh", bend(nodes=[{"name": "empty"}])),
    ("only glTF 2", bend(asset={"version": "1.0"})),
    ("Draco", bend(extensionsRequired=["KHR_draco_mesh_compression"])),
    ("meshopt", bend(extensionsRequired=["EXT_meshopt_compression"])),
    ("Basis", bend(extensionsRequired=["KHR_texture_basisu"])),
    ("EXT_of_tomorrow", bend(extensionsRequired=["EXT_of_tomorrow"])),
    ("outside the glb, in 'mesh.bin'", bend(buffers=[{"byteLength": 36, "uri": "mesh.bin"}])),
    ("outside the glb", bend(buffers=[{"byteLength": 36, "uri": "data:;base64,AAAA"}])),
    ("outside the glb, in 'skin.png'", with_a_picture_elsewhere),
    ("beyond the BIN chunk", bend_entry("bufferViews", byteLength=4096)),
    ("beyond the BIN chunk", bend_entry("bufferViews", byteOffset=2**31 - 1)),
    ("beyond its buffer view", bend_entry("accessors", count=4)),
    ("beyond its buffer view", bend_entry("accessors", byteOffset=4)),
    ("2,147,483,647 points", bend_entry("accessors", count=2**31 - 1)),
    ("accessors[0].count", bend_entry("accessors", count=-1)),
    ("accessors[0].count", bend_entry("accessors", count=2**40)),
    ("closer together", bend_entry("bufferViews", byteStride=8)),
    ("no data", lambda glb: glb.json["accessors"][0].pop("bufferView")),
    ("which has not 3 numbers", bend_entry("accessors", type="VEC2")),
    ("buffer view 9", bend_entry("accessors", bufferView=9)),
    ("accessor 7", bend_part(attributes={"POSITION": 7})),
    ("no points", bend_part(attributes={"NORMAL": 0})),
    ("names point 3", with_indices([0, 1, 3])),
    ("no multiple of 3", with_indices([0, 1, 2, 0])),
    ("can't be counted", with_indices([0, 1, 2], "<i2")),
    ("material 5", bend_part(material=5)),
    ("mesh 3", bend_entry("nodes", mesh=3)),
    ("child 5", bend_entry("nodes", children=[5])),
    ("in a circle", bend_entry("nodes", children=[0])),
    ("the file has 0", bend_entry("nodes", skin=0)),
    ("nodes[0].scale", bend_entry("nodes", scale=["x", 1, 1])),
    ("shows scene 2", bend(scene=2)),
    ("shows node 8", bend(scenes=[{"nodes": [8]}])),
    ("nodes", bend(nodes="none")),
    ("hang more than 1000 deep", bend(nodes=[*({"children": [n + 1]} for n in range(1200)), {"mesh": 0}])),
]


@pytest.mark.parametrize(("words", "broken"), BROKEN, ids=[f"{n}-{words}" for n, (words, _) in enumerate(BROKEN)])
def test_a_broken_glb_is_refused_by_its_file_with_what_is_wrong(
    tmp_path: Path, words: str, broken: Callable[[Glb], None]
) -> None:
    glb = a_triangle()
    broken(glb)
    assert words in refused(glb.write(tmp_path / "it.glb")).problem


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e30])
def test_points_that_are_no_places_are_refused(tmp_path: Path, number: float) -> None:
    glb = Glb()
    points = glb.accessor([[0, 0, 0], [1, number, 0], [0, 2, 3]])
    show(glb, glb.add("meshes", name="cloak", primitives=[{"attributes": {"POSITION": points}}]))
    assert "cloak" in refused(glb.write(tmp_path / "it.glb")).problem


def with_header(magic: bytes = b"glTF", version: int = 2, length: int | None = None, body: bytes = b"") -> bytes:
    return magic + struct.pack("<II", version, 12 + len(body) if length is None else length) + body


@pytest.mark.parametrize(
    ("words", "data"),
    [
        ("no glb", b""),
        ("no glb", b"glTF"),
        ("does not begin with glTF", b'{"asset": {"version": "2.0"}}'),
        ("does not begin with glTF", with_header(b"glTZ", body=bytes(20))),
        ("version 1", with_header(version=1, body=bytes(20))),
        ("cut off", with_header(length=5000, body=bytes(20))),
        ("first chunk is not JSON", with_header(body=struct.pack("<II", 4, 0x004E4942) + bytes(4))),
        ("reaches beyond its end", with_header(body=struct.pack("<II", 2**32 - 1, 0x4E4F534A) + bytes(4))),
        ("JSON is broken", with_header(body=struct.pack("<II", 4, 0x4E4F534A) + b"{{{{")),
        ("JSON is broken", with_header(body=struct.pack("<II", 4, 0x4E4F534A) + b"\xff\xfe\xfd\xfc")),
    ],
)
def test_a_file_that_is_no_glb_is_refused(tmp_path: Path, words: str, data: bytes) -> None:
    path = tmp_path / "it.glb"
    path.write_bytes(data)
    assert words in refused(path).problem


def test_a_glb_without_its_binary_chunk_is_refused(tmp_path: Path) -> None:
    assert "no BIN chunk" in refused(a_triangle().write(tmp_path / "it.glb", with_binary=False)).problem


def test_a_glb_that_is_not_there_or_a_folder_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere.glb")
    refused(tmp_path)


def json_bomb(inside: bytes) -> bytes:
    text = b'{"asset":{"version":"2.0"},' + inside + b"}"
    text += b" " * (-len(text) % 4)
    return with_header(body=struct.pack("<II", len(text), 0x4E4F534A) + text)


@pytest.mark.parametrize(
    "data",
    [
        json_bomb(b'"nodes":[' + b"{}," * 3_000_000 + b"{}]"),
        json_bomb(b'"nodes":[' + b"5," * 90_000 + b"5]"),
        json_bomb(b'"nodes":[{"children":[' + b"1," * 6_000_000 + b"1]}]"),
        json_bomb(b'"nodes":' + b"[" * 1_000_000),
        json_bomb(b'"asset":' + b'{"a":' * 100_000),
        json_bomb(b'"nodes":[{"name":"' + b"x" * 33_000_000 + b'"}]'),
    ],
    ids=["empty nodes", "errors", "numbers", "lists in lists", "objects in objects", "one long name"],
)
def test_json_that_swells_is_refused_quickly_and_in_little_memory(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "it.glb"
    path.write_bytes(data)
    tracemalloc.start()
    began = time.perf_counter()
    refused(path)
    seconds, (_, most) = time.perf_counter() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 5 and most < 100e6 + 2 * len(data)


def test_what_asks_for_more_than_the_file_holds_is_refused_before_it_is_made(tmp_path: Path) -> None:
    glb = Glb()
    sparse = {
        "count": 1,
        "indices": {"bufferView": glb.view(bytes(4)), "componentType": 5125},
        "values": {"bufferView": glb.view(bytes(64))},
    }
    inverse = glb.accessor(np.zeros((1, 16)), sparse=sparse)
    glb.json["accessors"][inverse]["count"] = 2**31 - 1
    glb.add("skins", joints=[0], inverseBindMatrices=inverse)
    show(glb, glb.triangle())
    many = glb.write(tmp_path / "zeros.glb")
    crowd = a_triangle()
    crowd.json["accessors"][0] = {"sparse": sparse, "componentType": 5126, "type": "VEC3", "count": 100_000}
    crowd.json["nodes"] = [{"mesh": 0}] * 20_000
    shown_often = crowd.write(tmp_path / "crowd.glb")
    tracemalloc.start()
    assert "does not hold" in refused(many).problem
    assert "2,000,000,000 points" in refused(shown_often).problem
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 250e6


def test_a_picture_that_swells_is_refused(tmp_path: Path) -> None:
    header = base64.b64decode("iVBORw0KGgoAAAANSUhEUg==") + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    with pytest.raises(FilmProblem, match="huge"):
        picture_png(Picture("huge", header + bytes(4), tmp_path), (1, 1, 1), False)
    with pytest.raises(FilmProblem, match="torn"):
        picture_png(Picture("torn", a_picture()[:40], tmp_path), (1, 1, 1), False)


def a_whole_puppet() -> bytes:
    glb = Dummy(MIXAMO).build()
    image = glb.add("images", bufferView=glb.view(a_picture()), mimeType="image/png")
    glb.add("textures", source=image)
    glb.add("materials", pbrMetallicRoughness={"baseColorTexture": {"index": 0}})
    glb.json["meshes"][0]["primitives"][0]["material"] = 0
    return glb.bytes()


WHOLE = a_whole_puppet()


def use_it(path: Path) -> None:
    """All that is done with a glb before USD is written."""
    model = read_glb(path)
    things_of(model, [])
    for parts in model.meshes:
        for part in parts:
            if part.surface.picture is not None:
                picture_png(part.surface.picture, part.surface.color, False)
    fit_puppet(model, {}, 1.7)


def test_the_glb_that_is_fuzzed_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "it.glb"
    path.write_bytes(WHOLE)
    use_it(path)


# Half of the flips go into the first kilobytes, where the header and the JSON's beginning are.
PLACES = st.one_of(st.integers(0, 4000), st.integers(0, len(WHOLE) - 1))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    flips=st.lists(st.tuples(PLACES, st.integers(0, 255)), max_size=6),
    length=st.one_of(st.none(), st.integers(0, len(WHOLE))),
    announced=st.booleans(),
)
def test_no_broken_glb_raises_anything_but_a_problem(
    tmp_path: Path, flips: list[tuple[int, int]], length: int | None, announced: bool
) -> None:
    data = bytearray(WHOLE)
    for place, value in flips:
        data[place] = value
    data = data[:length]
    if announced and len(data) >= 12:
        struct.pack_into("<I", data, 8, len(data))
    path = tmp_path / "it.glb"
    path.write_bytes(data)
    try:
        use_it(path)
    except FilmProblem as problem:
        assert problem.problem and problem.mend


JSON_BEGINS, JSON_LENGTH = 20, struct.unpack_from("<I", WHOLE, 12)[0]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, JSON_LENGTH - 1), digit=st.sampled_from(b'0123456789-.e"[]{},:ntN'))
def test_no_json_with_another_digit_raises_anything_but_a_problem(tmp_path: Path, place: int, digit: int) -> None:
    """Flipped digits stay valid JSON more often than flipped bytes, and reach deeper."""
    data = bytearray(WHOLE)
    numbers = [index for index in range(JSON_BEGINS, JSON_BEGINS + JSON_LENGTH) if chr(data[index]).isdigit()]
    data[numbers[place % len(numbers)]] = digit
    path = tmp_path / "it.glb"
    path.write_bytes(data)
    try:
        use_it(path)
    except FilmProblem as problem:
        assert problem.problem and problem.mend


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10**6), value=st.sampled_from([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-40, 0.0, -0.0]))
def test_no_strange_number_in_the_meshes_raises_anything_but_a_problem(
    tmp_path: Path, place: int, value: float
) -> None:
    data = bytearray(WHOLE)
    begins = JSON_BEGINS + JSON_LENGTH + 8
    struct.pack_into("<f", data, begins + 4 * (place % ((len(data) - begins) // 4)), value)
    path = tmp_path / "it.glb"
    path.write_bytes(data)
    try:
        use_it(path)
    except FilmProblem as problem:
        assert problem.problem and problem.mend
