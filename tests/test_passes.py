"""Reading what a scene engine shot: layers, identity mattes, and files that are not whole."""

import json
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from film_pipeline.core.problems import FilmProblem
from film_pipeline.engines.passes import FAR_M, read_linear, read_passes

CODES = {"pim_skull": "3f8c1a20", "pim_hat": "c603a451", "desk_body": "0d9f2b77"}
WIDTH, HEIGHT = 6, 4
PLAIN = ("Combined.R", "Combined.G", "Combined.B", "Combined.A", "Depth.Z", "Normal.X", "Normal.Y", "Normal.Z")


def coded(name: str) -> np.float32:
    return np.array([int(CODES[name], 16)], np.uint32).view(np.float32)[0]


def layers() -> dict[str, np.ndarray]:
    """A puppet of two parts at the left, a desk at the right, and pixels in which they share."""
    made = {name: np.full((HEIGHT, WIDTH), 0.25 * number, np.float32) for number, name in enumerate(PLAIN)}
    made["Depth.Z"][:] = 2.5
    made["Depth.Z"][0] = 1e10
    for layer in ("CryptoObject00", "CryptoObject01"):
        made |= {f"{layer}.{letter}": np.zeros((HEIGHT, WIDTH), np.float32) for letter in "rgba"}
    made["CryptoObject00.r"][:, :2], made["CryptoObject00.g"][:, :2] = coded("pim_skull"), 1.0
    made["CryptoObject00.r"][:, 4:], made["CryptoObject00.g"][:, 4:] = coded("desk_body"), 1.0
    shared = [
        ("CryptoObject00.r", "CryptoObject00.g", "pim_skull", 0.5),
        ("CryptoObject00.b", "CryptoObject00.a", "desk_body", 0.3),
    ]
    shared.append(("CryptoObject01.r", "CryptoObject01.g", "pim_hat", 0.2))
    for code, cover, name, share in shared:
        made[code][:, 2:4], made[cover][:, 2:4] = coded(name), share
    return made


def header() -> dict[str, str]:
    return {
        "cryptomatte/1111111/name": "ViewLayer.CryptoMaterial",
        "cryptomatte/1111111/manifest": json.dumps({"wood": "3f8c1a20"}),
        "cryptomatte/542cafa/name": "ViewLayer.CryptoObject",
        "cryptomatte/542cafa/hash": "MurmurHash3_32",
        "cryptomatte/542cafa/conversion": "uint32_to_float32",
        "cryptomatte/542cafa/manifest": json.dumps(CODES),
    }


def written(path: Path, made: dict[str, np.ndarray], attributes: dict[str, str], view: str = "ViewLayer.") -> Path:
    spec = oiio.ImageSpec(WIDTH, HEIGHT, len(made), "float")
    spec.channelnames = [view + name for name in made]
    for name, value in attributes.items():
        spec.attribute(name, value)
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), spec)
    assert out.write_image(np.stack(list(made.values()), axis=-1))
    out.close()
    return path


@pytest.mark.parametrize("view", ["ViewLayer.", ""])
def test_every_layer_is_read_by_its_name(tmp_path: Path, view: str) -> None:
    passes = read_passes(written(tmp_path / "frame.exr", layers(), header(), view))
    assert passes.beauty.shape == passes.normal.shape == (HEIGHT, WIDTH, 3)
    assert passes.beauty.dtype == passes.depth.dtype == np.float32
    assert passes.beauty[1, 1].tolist() == [0, 0.25, 0.5]
    assert passes.normal[1, 1].tolist() == [1.25, 1.5, 1.75]
    assert passes.depth[1, 1] == 2.5
    assert passes.depth[0].tolist() == [FAR_M] * WIDTH


def test_the_order_of_the_channels_does_not_matter(tmp_path: Path) -> None:
    turned = dict(reversed(layers().items()))
    first = read_passes(written(tmp_path / "a.exr", layers(), header()))
    other = read_passes(written(tmp_path / "b.exr", turned, header()))
    assert np.array_equal(first.beauty, other.beauty)
    assert np.array_equal(first.normal, other.normal)
    assert all(np.array_equal(first.mattes[name], other.mattes[name]) for name in CODES)


def test_mattes_hold_what_every_object_covers(tmp_path: Path) -> None:
    mattes = read_passes(written(tmp_path / "frame.exr", layers(), header())).mattes
    assert list(mattes) == ["desk_body", "pim_hat", "pim_skull"]
    assert mattes["pim_skull"][0] == pytest.approx([1, 1, 0.5, 0.5, 0, 0])
    assert mattes["desk_body"][0] == pytest.approx([0, 0, 0.3, 0.3, 1, 1])
    assert mattes["pim_hat"][0] == pytest.approx([0, 0, 0.2, 0.2, 0, 0])


def test_objects_of_one_identity_are_one_matte(tmp_path: Path) -> None:
    path = written(tmp_path / "frame.exr", layers(), header())
    identities = {"pim_skull": "pim", "pim_hat": "pim"}
    mattes = read_passes(path, identities).mattes
    assert list(mattes) == ["desk_body", "pim"]
    assert mattes["pim"][0] == pytest.approx([1, 1, 0.7, 0.7, 0, 0])
    merged = read_passes(path).by_identity(identities).mattes
    assert all(np.array_equal(mattes[name], merged[name]) for name in mattes)


def test_mattes_of_one_identity_never_pass_one(tmp_path: Path) -> None:
    made = layers()
    made["CryptoObject01.g"][:] = 0.9
    made["CryptoObject01.r"][:] = coded("pim_hat")
    mattes = read_passes(written(tmp_path / "frame.exr", made, header()), {"pim_skull": "pim", "pim_hat": "pim"}).mattes
    assert mattes["pim"].max() == 1


def test_a_preview_of_the_mattes_is_not_taken_for_codes(tmp_path: Path) -> None:
    made = layers() | {f"CryptoObject.{letter}": np.full((HEIGHT, WIDTH), 0.5, np.float32) for letter in "rgba"}
    assert list(read_passes(written(tmp_path / "frame.exr", made, header())).mattes) == sorted(CODES)


def test_a_picture_without_mattes_has_none(tmp_path: Path) -> None:
    made = {name: layer for name, layer in layers().items() if "Crypto" not in name}
    assert read_passes(written(tmp_path / "frame.exr", made, {})).mattes == {}


@pytest.mark.parametrize("missing", ["Combined.G", "Depth.Z", "Normal.X", "CryptoObject01.g"])
def test_a_missing_layer_is_told_by_its_name(tmp_path: Path, missing: str) -> None:
    made = {name: layer for name, layer in layers().items() if name != missing}
    path = written(tmp_path / "frame.exr", made, header())
    with pytest.raises(FilmProblem, match=f"{missing} is missing") as refused:
        read_passes(path)
    assert refused.value.file == path


@pytest.mark.parametrize("manifest", [None, "{", "[1]", '{"pim": "no code"}', '{"pim": 5}'])
def test_mattes_without_their_names_are_refused(tmp_path: Path, manifest: str | None) -> None:
    attributes = {name: value for name, value in header().items() if "542cafa/manifest" not in name}
    if manifest is not None:
        attributes["cryptomatte/542cafa/manifest"] = manifest
    with pytest.raises(FilmProblem, match="names"):
        read_passes(written(tmp_path / "frame.exr", layers(), attributes))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_picture_cut_short_is_refused_by_its_file(tmp_path: Path, share: float) -> None:
    noise = {name: np.random.default_rng(1).random((HEIGHT, WIDTH), np.float32) for name in layers()}
    path = written(tmp_path / "frame.exr", noise, header())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    for read in (read_passes, read_linear):
        with pytest.raises(FilmProblem) as refused:
            read(path)
        assert refused.value.file == path


@pytest.mark.parametrize("content", [None, b"", b"no picture"])
def test_a_file_that_is_no_picture_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "frame.exr"
    if content is not None:
        path.write_bytes(content)
    for read in (read_passes, read_linear):
        with pytest.raises(FilmProblem, match="can't be opened"):
            read(path)


def test_linear_colour_is_the_first_three_channels(tmp_path: Path) -> None:
    made = {name: layer for name, layer in layers().items() if name.startswith("Combined")}
    assert read_linear(written(tmp_path / "frame.exr", made, {}))[0, 0].tolist() == [0, 0.25, 0.5]
    grey = {"Y": np.zeros((HEIGHT, WIDTH), np.float32)}
    with pytest.raises(FilmProblem, match="1 channels"):
        read_linear(written(tmp_path / "grey.exr", grey, {}, ""))


def test_another_beauty_leaves_the_other_layers_alone(tmp_path: Path) -> None:
    passes = read_passes(written(tmp_path / "frame.exr", layers(), header()))
    other = passes.with_beauty(np.ones((HEIGHT, WIDTH, 3), np.float32))
    assert other.beauty.min() == 1
    assert passes.beauty.min() == 0
    assert other.depth is passes.depth
