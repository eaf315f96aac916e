"""Nothing that a hostile page, file or name does to the review app has an effect."""

import io
import re
import shutil
from pathlib import Path

import pytest
from small_film import SmallFilm
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from film_pipeline.departments.film import Film
from film_pipeline.stores.filing import file_frame
from review_app.app import review_app
from review_app.pages.desk import Desk, data_block
from review_app.queries import Queries
from review_app.safety import hosts_for, warning_for

PAGES = (
    "/scenes",
    "/board",
    "/dailies",
    "/dailies/play",
    "/find",
    "/pictures/storyboard",
    "/pictures/turnarounds",
    "/pictures/sheets",
    "/shots/SC010_SH010",
    "/shots/SC010_SH010/previz",
    "/nowhere",
)
HOSTILE = '"><img src=x onerror=alert(1)></script><script>alert(2)</script>'


@pytest.mark.blender
def test_every_answer_has_a_strict_policy_and_is_kept_by_no_cache(client: TestClient) -> None:
    for page in PAGES:
        headers = client.get(page).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self';" in policy and "unsafe" not in policy and "default-src 'none'" in policy, page
        assert "frame-ancestors 'none'" in policy and headers["x-frame-options"] == "DENY", page
        assert headers["x-content-type-options"] == "nosniff", page
        assert headers["cache-control"] == "no-store", page


@pytest.mark.blender
def test_no_page_has_script_or_style_of_its_own(client: TestClient) -> None:
    for page in PAGES:
        html = client.get(page).text
        for script in re.findall(r"<script[^>]*>", html):
            assert 'src="/static/' in script or 'type="application/json"' in script, (page, script)
        assert "<style" not in html and not re.search(r'\sstyle="', html), page
        assert not re.search(r"\son\w+=", html) and "javascript:" not in html, page


@pytest.mark.blender
@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e%2f%2e%2e%2fpyproject.toml",
        "/media/../../film.sqlite",
        "/media/..%2f..%2ffilm.sqlite",
        "/media/%2e%2e%2ffilm.sqlite",
        "/media/" + "0" * 64 + ".png",
        "/media/" + "A" * 64,
        "/pictures/..%2f..%2ffilm.sqlite.480.jpg",
        "/pictures/" + "0" * 64 + ".480.jpg",
        "/pictures/" + "0" * 64 + ".99999999999999999999.jpg",
        "/pictures/" + "0" * 64 + ".-1.jpg",
        "/thumbnails/..%2f..%2fproduction.jpg",
        "/shots/..%2f..%2fproduction.yaml",
        "/shots/SC010_SH010/strips/..%2f/1",
        "/shots/SC010_SH010/strips/color/99999",
        "/recipes/..%2f..%2fproduction.yaml",
        "/board/nothing/0",
        "/scenes/blocks/999999",
        "/pictures/storyboard/999999",
        "/pictures/nothing",
    ],
)
def test_what_is_not_there_is_refused_and_nothing_of_the_disk_is_told(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "SQLite" not in answer.text and "Traceback" not in answer.text and "build-system" not in answer.text


@pytest.mark.blender
def test_a_picture_has_only_the_widths_that_the_app_uses(client: TestClient, made_film: SmallFilm) -> None:
    sha256 = _finished(made_film)
    assert client.get(f"/pictures/{sha256}.480.jpg").headers["content-type"] == "image/jpeg"
    assert client.get(f"/pictures/{sha256}.481.jpg").status_code == 404
    assert client.get(f"/thumbnails/{sha256}.jpg").headers["cross-origin-resource-policy"] == "same-site"


@pytest.mark.blender
def test_a_file_without_a_record_is_not_given_out(client: TestClient, made_film: SmallFilm) -> None:
    secret = made_film.root / ".film" / "objects" / "ab" / ("ab" + "0" * 62)
    secret.parent.mkdir(exist_ok=True)
    secret.write_text("not of the film")
    assert client.get(f"/media/{secret.name}.json").status_code == 404


@pytest.mark.blender
def test_a_file_of_an_unknown_kind_can_only_be_saved(client: TestClient, made_film: SmallFilm) -> None:
    answer = client.get(f"/media/{_finished(made_film)}.html")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")


@pytest.mark.blender
def test_markup_in_the_authors_files_and_in_records_stays_text(made_film: SmallFilm) -> None:
    made_film.edit("shots/SC010.yaml", "The Maker stands over the bench.", f"'{HOSTILE}'")
    made_film.edit("production.yaml", "title: ", f"title: '{HOSTILE}' # ")
    script = made_film.root / "script.fountain"
    script.write_text(script.read_text(encoding="utf-8") + f"\n\nHe reads {HOSTILE}.\n", encoding="utf-8")
    hostile = _file_hostile(made_film)
    with TestClient(review_app(Queries(made_film.root)), base_url="http://127.0.0.1") as client:
        for page in (
            *PAGES,
            "/scenes/blocks/0",
            "/pictures/storyboard/0",
            f"/recipes/{hostile}",
            "/scenes?q=" + HOSTILE,
        ):
            html = client.get(page).text
            assert "<script>alert" not in html and "<img src=x" not in html, page
        name = "a'\"><script>alert(1)</script>.png"
        found = client.post("/find", files={"file": (name, io.BytesIO(b"x"), "image/png")}).text
        assert "did not make" in found and "<script>alert" not in found


def test_a_data_block_can_not_be_ended_from_within() -> None:
    assert "<" not in data_block({"x": "</script><!--", "y": "\u2028&"})


@pytest.mark.blender
def test_the_app_answers_only_under_its_own_names(client: TestClient) -> None:
    assert client.get("/scenes", headers={"Host": "evil.example"}).status_code == 421
    assert client.get("/scenes", headers={"Host": "127.0.0.1.evil.example:3030"}).status_code == 421
    assert client.get("/health", headers={"Host": "localhost:3030"}).status_code == 200
    assert client.get("/health", headers={"Host": "[::1]:3030"}).status_code == 200


@pytest.mark.blender
def test_another_site_can_post_nothing(client: TestClient) -> None:
    file = {"file": ("a.png", b"x", "image/png")}
    assert client.post("/find", files=file, headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.post("/find", files=file, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.post("/find", files=file, headers={"Sec-Fetch-Site": "same-site"}).status_code == 403
    assert client.post("/find", files=file, headers={"Origin": "http://127.0.0.1"}).status_code == 200


@pytest.mark.blender
def test_a_body_that_is_too_large_or_of_unknown_size_is_refused(client: TestClient) -> None:
    assert client.post("/find", content=b"", headers={"Content-Length": str(3 << 30)}).status_code == 413
    assert client.post("/find", content=iter([b"x"])).status_code == 411


def test_whoever_opens_the_app_to_others_is_warned() -> None:
    assert warning_for("127.0.0.1") == "" and warning_for("localhost") == ""
    assert "Everybody" in warning_for("0.0.0.0")
    assert "0.0.0.0" not in hosts_for("0.0.0.0", ["review.example"])
    assert "review.example" in hosts_for("0.0.0.0", ["review.example"])


@pytest.mark.blender
def test_another_developer_can_put_a_door_before_the_pages(made_film: SmallFilm) -> None:
    class Door:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"] == "/board":
                await PlainTextResponse("log in first", status_code=401)(scope, receive, send)
                return
            await self.app(scope, receive, send)

    async def gate(_: Request) -> Response:
        return PlainTextResponse("the gate")

    def more(_: Desk) -> list[Route]:
        return [Route("/gate", gate)]

    app: Starlette = review_app(Queries(made_film.root), doors=[Middleware(Door)], more_routes=[more])
    with TestClient(app, base_url="http://127.0.0.1") as client:
        refused = client.get("/board")
        assert refused.status_code == 401 and refused.headers["x-frame-options"] == "DENY"
        assert client.get("/gate").text == "the gate"


def _finished(film: SmallFilm) -> str:
    with Film(film.root, only_reads=True) as opened:
        turnover = opened.frames.latest("color", "SC010_SH010")
        assert turnover is not None
        return turnover.of("color")[0].sha256


def _file_hostile(film: SmallFilm) -> str:
    """A record whose every text is markup, as a hostile file's metadata may be."""
    with Film(film.root) as opened:
        turnover = opened.frames.latest("color", "SC010_SH010")
        assert turnover is not None
        record = opened.frames.record_at(turnover.of("color")[0].path)
        assert record is not None
        place = "shots/SC010_SH010/color/v009/<script>alert(1)<_script>.png"
        copy = Path(film.root) / "copy.png"
        shutil.copyfile(opened.made / turnover.of("color")[0].path, copy)
        copy.write_bytes(copy.read_bytes() + b"another")
        event = record.lineage.events[0].model_copy(update={"author": HOSTILE, "engine": HOSTILE})
        hostile = record.model_copy(
            update={
                "deliverable": HOSTILE,
                "engine_summary": (HOSTILE,),
                "license_summary": (HOSTILE,),
                "lineage": record.lineage.model_copy(update={"events": (event,)}),
                "fallback": HOSTILE,
                "version": 9,
            }
        )
        return file_frame(opened.media, opened.frames, copy, hostile, place).content_hash_sha256
