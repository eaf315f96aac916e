"""Graphs of FLUX.2 Klein: deterministic, in the node chain of Klein's templates, and checked before they are sent."""

import json
from pathlib import Path

import pytest
from backend_makers import a_guide, a_work
from comfy_stand_in import klein_nodes
from hypothesis import given
from hypothesis import strategies as st

from film_pipeline.backends.comfy_check import check_graph, device_problem, what_is_lacking
from film_pipeline.backends.comfy_graphs import build_graph, fit_of, picture_notes, prompt_text
from film_pipeline.backends.klein import all_kleins, klein
from film_pipeline.backends.klein_orders import klein_recipe, prepare
from film_pipeline.core.generating import Fit, FrameWork, Lora
from film_pipeline.core.problems import FilmProblem

KLEIN_4B = klein("klein-4b")


def whole_server() -> dict[str, object]:
    files = [file for each in all_kleins() for file in each.files]
    names = {
        folder: [file.name for file in files if file.folder == folder] for folder in {file.folder for file in files}
    }
    return klein_nodes(names["diffusion_models"], names["text_encoders"], names["vae"], ["ink.safetensors"])


def classes(graph: dict[str, dict[str, object]]) -> list[str]:
    return [str(part["class_type"]) for part in graph.values()]


def full_work(folder: Path) -> FrameWork:
    guides = [a_guide(folder, "plate"), a_guide(folder, "pose"), a_guide(folder, "character", "Odile")]
    return a_work([*guides, a_guide(folder, "set", "bridge")], lora=Lora("ink", 0.8, "CC0-1.0"))


@pytest.mark.parametrize("each", all_kleins(), ids=lambda each: f"{each.name} {each.precision}")
def test_every_model_makes_a_graph_that_a_server_with_its_files_accepts(each, tmp_path: Path) -> None:
    assert what_is_lacking(build_graph(full_work(tmp_path), each), whole_server()) == []
    assert what_is_lacking(build_graph(a_work(), each), whole_server()) == []


def test_a_graph_follows_the_chain_of_kleins_templates(tmp_path: Path) -> None:
    graph = build_graph(a_work([a_guide(tmp_path, "plate")]), KLEIN_4B)
    assert classes(graph) == [
        "UNETLoader",
        "CLIPLoader",
        "VAELoader",
        "CLIPTextEncode",
        "ConditioningZeroOut",
        "LoadImage",
        "ImageScaleToTotalPixels",
        "VAEEncode",
        "ReferenceLatent",
        "ReferenceLatent",
        "EmptyFlux2LatentImage",
        "Flux2Scheduler",
        "KSamplerSelect",
        "RandomNoise",
        "CFGGuider",
        "SamplerCustomAdvanced",
        "VAEDecode",
        "SaveImage",
    ]
    by_class = {part["class_type"]: part["inputs"] for part in graph.values()}
    assert by_class["Flux2Scheduler"]["steps"] == 4
    assert by_class["CFGGuider"]["cfg"] == 1.0
    assert by_class["ImageScaleToTotalPixels"]["megapixels"] == 1.0
    assert by_class["CLIPLoader"]["type"] == "flux2"


def test_references_are_chained_on_what_is_wanted_and_on_what_is_not(tmp_path: Path) -> None:
    graph = build_graph(full_work(tmp_path), KLEIN_4B)
    guider = next(part["inputs"] for part in graph.values() if part["class_type"] == "CFGGuider")

    def chain(link: list[object]) -> list[str]:
        node = graph[str(link[0])]
        inputs = node["inputs"]
        below = inputs.get("conditioning")
        latent = [str(inputs["latent"][0])] if "latent" in inputs else []
        return [*(chain(below) if below else []), *latent]

    assert len(chain(guider["positive"])) == 4
    assert chain(guider["positive"]) == chain(guider["negative"])
    model = graph[guider["model"][0]]
    assert model["class_type"] == "LoraLoaderModelOnly"
    assert model["inputs"]["lora_name"] == "ink.safetensors"


def test_base_models_take_twenty_steps_and_hear_what_is_not_wanted() -> None:
    graph = build_graph(a_work(negative="blur"), klein("klein-9b-base"))
    by_class = [(part["class_type"], part["inputs"]) for part in graph.values()]
    assert ("ConditioningZeroOut") not in classes(graph)
    assert [inputs["text"] for name, inputs in by_class if name == "CLIPTextEncode"][1] == "blur"
    assert next(inputs["cfg"] for name, inputs in by_class if name == "CFGGuider") == 5.0
    assert next(inputs["steps"] for name, inputs in by_class if name == "Flux2Scheduler") == 20


def test_the_prompt_names_the_references_by_their_number(tmp_path: Path) -> None:
    text = prompt_text(full_work(tmp_path))
    assert text.startswith("Odile crosses the bridge in rain. ")
    assert "match the exact pose from image 2" in text.lower()
    assert "Odile looks exactly as on the sheet in image 3" in text
    assert "image 4" in text and "image 5" not in text


def test_a_look_pass_restyles_a_frame_and_nothing_else(tmp_path: Path) -> None:
    frame = a_guide(tmp_path, "frame")
    text = prompt_text(a_work([frame], purpose="look pass"))
    assert "restyle image 1 and change nothing else" in text.lower()
    with pytest.raises(FilmProblem, match="restyles a rendered frame"):
        build_graph(a_work([a_guide(tmp_path, "plate")], purpose="look pass"), KLEIN_4B)


def test_the_same_work_is_the_same_graph_and_the_same_recipe(tmp_path: Path) -> None:
    first, again = full_work(tmp_path), full_work(tmp_path)
    assert json.dumps(build_graph(first, KLEIN_4B)) == json.dumps(build_graph(again, KLEIN_4B))
    assert klein_recipe(first, KLEIN_4B).sha256 == klein_recipe(again, KLEIN_4B).sha256


def test_a_recipe_changes_with_whatever_decides_a_pixel_and_with_nothing_else(tmp_path: Path) -> None:
    work = full_work(tmp_path)
    recipe = klein_recipe(work, KLEIN_4B).sha256
    from dataclasses import replace

    assert klein_recipe(replace(work, take=2, frame=1003, note={}), KLEIN_4B).sha256 == recipe
    different = [
        replace(work, seed=work.seed + 1),
        replace(work, prompt="Odile waits"),
        replace(work, guides=work.guides[:3]),
        replace(work, guides=(work.guides[1], work.guides[0], *work.guides[2:])),
        replace(work, lora=Lora("ink", 0.7, "CC0-1.0")),
        replace(work, width=648),
    ]
    recipes = {klein_recipe(each, KLEIN_4B).sha256 for each in different}
    assert len(recipes | {recipe}) == 7
    assert klein_recipe(work, klein("klein-9b")).sha256 not in recipes | {recipe}


@given(seed=st.integers(min_value=0, max_value=2**64 - 1))
def test_any_seed_that_comfyui_takes_fits_into_a_recipe_and_a_graph(seed: int) -> None:
    prepared = prepare(a_work(seed=seed), KLEIN_4B)
    noise = next(part for part in prepared.graph.values() if part["class_type"] == "RandomNoise")
    assert noise["inputs"]["noise_seed"] == seed
    assert prepared.recipe.canonical


def test_a_seed_beyond_64_bits_is_refused() -> None:
    with pytest.raises(FilmProblem, match="out of range"):
        build_graph(a_work(seed=2**64), KLEIN_4B)


@given(width=st.integers(16, 4096), height=st.integers(16, 4096))
def test_a_made_picture_always_covers_what_was_asked_for(width: int, height: int) -> None:
    fit = fit_of(a_work(width=width, height=height))
    assert all(side % 16 == 0 for side in fit.rendered)
    assert fit.scaled[0] >= width and fit.scaled[1] >= height
    assert fit.scaled[0] == width or fit.scaled[1] == height
    assert fit.crop[0] >= 0 and fit.crop[1] >= 0
    assert fit.crop[0] + width <= fit.scaled[0] and fit.crop[1] + height <= fit.scaled[1]


def test_hd_is_made_at_1072_lines_and_cropped_at_the_sides() -> None:
    fit = fit_of(a_work(width=1920, height=1080))
    assert fit == Fit((1920, 1072), (1920, 1080))
    assert fit.scaled == (1935, 1080)
    assert fit.crop == (7, 0)
    assert "cropped" in str(fit.as_recipe()["how"])


def test_five_references_are_too_many(tmp_path: Path) -> None:
    guides = [a_guide(tmp_path, "set", f"set {number}") for number in range(5)]
    with pytest.raises(FilmProblem, match="at most 4 references and 5") as told:
        build_graph(a_work(guides), KLEIN_4B)
    assert "set 4" in told.value.mend


def test_a_missing_model_is_told_with_its_folder_and_a_model_that_is_there() -> None:
    server = klein_nodes(
        ["flux-2-klein-4b.safetensors"],
        ["qwen_3_4b.safetensors", "qwen_3_8b_fp8mixed.safetensors"],
        ["flux2-vae.safetensors"],
        [],
    )
    with pytest.raises(FilmProblem) as told:
        check_graph(build_graph(a_work(), klein("klein-9b")), server, "SC010_SH020")
    assert str(told.value) == (
        "SC010_SH020: ComfyUI lacks the model flux-2-klein-9b-fp8.safetensors. "
        "Mend: put it into models/diffusion_models, or choose klein-4b"
    )


def test_a_model_in_a_folder_below_is_told_where_it_is() -> None:
    server = klein_nodes(
        ["flux2\\flux-2-klein-4b.safetensors"], ["qwen_3_4b.safetensors"], ["flux2-vae.safetensors"], []
    )
    found = what_is_lacking(build_graph(a_work(), KLEIN_4B), server)
    assert "as flux2\\flux-2-klein-4b.safetensors" in str(found[0])


def test_everything_that_is_lacking_is_told_at_once() -> None:
    server = klein_nodes([], [], ["flux2-vae.safetensors"], [])
    work = a_work(lora=Lora("soot", 1.0, "CC0-1.0"))
    told = "\n".join(str(problem) for problem in what_is_lacking(build_graph(work, KLEIN_4B), server))
    for name in ("flux-2-klein-4b.safetensors", "qwen_3_4b.safetensors", "LoRA soot.safetensors"):
        assert name in told
    assert "models/loras" in told and "models/text_encoders" in told


def test_an_old_comfyui_is_told_to_be_old() -> None:
    server = {
        name: node for name, node in whole_server().items() if name not in ("Flux2Scheduler", "EmptyFlux2LatentImage")
    }
    told = str(what_is_lacking(build_graph(a_work(), KLEIN_4B), server)[0])
    assert "too old" in told and "Flux2Scheduler" in told
    server = whole_server()
    server["CLIPLoader"] = {"input": {"required": {"clip_name": [["qwen_3_4b.safetensors"]], "type": [["sdxl"]]}}}
    told = "\n".join(str(problem) for problem in what_is_lacking(build_graph(a_work(), KLEIN_4B), server))
    assert "can't be set to flux2" in told and "takes no `device`" in told


def test_apple_needs_bf16_files() -> None:
    mps = {"devices": [{"type": "mps"}]}
    assert device_problem(klein("klein-9b", "bf16"), mps) is None
    problem = device_problem(klein("klein-9b"), mps)
    assert problem is not None and "bf16" in problem.mend
    assert klein("klein-9b", "bf16").text_encoder.name == "qwen_3_8b.safetensors"


def test_the_licence_of_the_nine_billion_model_is_not_for_sale() -> None:
    assert not klein("klein-9b").model.commercial
    assert klein("klein-4b").model.commercial
    assert {file.licence for file in klein("klein-9b").files if file.folder == "diffusion_models"} == {
        "FLUX Non-Commercial License"
    }


def test_a_picture_carries_slate_and_recipe() -> None:
    prepared = prepare(a_work(), KLEIN_4B)
    notes = picture_notes(a_work(), prepared.recipe.sha256, KLEIN_4B.model.said)["film"]
    assert notes["shot"] == "SC010_SH020" and notes["slate"] == "SC010_SH020 take 1"
    assert notes["recipe"] == prepared.recipe.sha256
    saver = next(part for part in prepared.graph.values() if part["class_type"] == "SaveImage")
    assert saver["inputs"]["filename_prefix"] == f"film/{prepared.recipe.sha256[:16]}"
