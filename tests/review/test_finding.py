"""Any file finds its recipe by its bytes; one that was saved again does not."""

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page
from small_film import SmallFilm
from starlette.testclient import TestClient

from film_pipeline.departments.film import Film
from film_pipeline.stores.frames import Edge
from film_pipeline.stores.screening import Landed, Lineage
from review_app.queries.lineage import draw

pytestmark = pytest.mark.blender


def finished(film: SmallFilm) -> Path:
    with Film(film.root, only_reads=True) as opened:
        turnover = opened.frames.latest("color", "SC010_SH010")
        assert turnover is not None
        return opened.made / turnover.of("color")[0].path


def test_a_copy_under_another_name_is_found(client: TestClient, made_film: SmallFilm) -> None:
    found = client.post("/find", files={"file": ("holiday.png", finished(made_film).read_bytes(), "image/png")}).text
    assert "holiday.png is SC010_SH010_color_v001.1001" in found
    assert 'href="/shots/SC010_SH010?frame=1001"' in found


def test_a_copy_that_was_saved_again_is_honestly_not_found(
    client: TestClient, made_film: SmallFilm, tmp_path: Path
) -> None:
    again = tmp_path / "again.png"
    Image.open(finished(made_film)).save(again, compress_level=9)
    found = client.post("/find", files={"file": ("again.png", again.read_bytes(), "image/png")}).text
    assert "The film did not make again.png" in found and "/recipes/" not in found


def test_no_file_at_all_is_said(client: TestClient) -> None:
    assert "No file came" in client.post("/find", data={"x": "y"}).text


def test_dropping_a_frame_on_the_page_leads_to_its_recipe_and_back_to_the_authors_files(
    reviewed: str, page: Page, _made_once: SmallFilm
) -> None:
    page.goto(f"{reviewed}/find")
    page.locator("input[type=file]").set_input_files(finished(_made_once))
    page.get_by_role("link", name="Its recipe and lineage").click()
    page.wait_for_url("**/recipes/*")
    graph = page.locator(".graph")
    assert graph.locator(".author title", has_text="SC010.yaml").count() == 1
    assert graph.locator("title", has_text="SC010_SH010_render_t001").count() == 1
    link = page.get_by_role("link", name="color, version 1, in Dagster").get_attribute("href") or ""
    assert link.endswith("/assets/color?view=partitions&partition=SC010_SH010")
    with page.expect_navigation():
        graph.get_by_role("link", name="SC010_SH010_vfx_v001.1001").first.click()
    assert "SC010_SH010_vfx_v001.1001" in page.locator("h1").inner_text()


def test_every_file_of_the_film_has_a_recipe_page(client: TestClient, made_film: SmallFilm) -> None:
    with Film(made_film.root, only_reads=True) as opened:
        contents = {record.content_hash_sha256 for record in opened.frames.records()}
    assert len(contents) > 40
    assert {client.get(f"/recipes/{sha256}").status_code for sha256 in contents} == {200}


def test_lines_of_a_lineage_run_forward_even_where_ways_differ_in_length() -> None:
    edges = (
        Edge("a", "c", "", "c", 1),
        Edge("a", "b", "", "b", 1),
        Edge("b", "c", "", "c", 2),
        Edge("c", "d", "", "d", 2),
    )
    graph = draw("a", Lineage(edges, True), {})
    x = {node.sha256: node.x for node in graph.nodes}
    assert x["a"] < x["b"] < x["c"] < x["d"]
    assert len(graph.links) == 4


def test_a_wide_lineage_says_how_many_files_it_leaves_out() -> None:
    known = {str(number): Landed("p", str(number), "color", "S", 1, 1, "color", "", "", 1) for number in range(90)}
    edges = tuple(Edge("top", name, "frame", name, 1) for name in known)
    graph = draw("top", Lineage(edges, True), known)
    assert [node.title for node in graph.nodes if node.more] == ["and 76 more"]
