"""The screenplay: what is read, where it stands in the file, and which scene is which after a rewrite."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from film_pipeline.core.headings import read_heading
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.scene_match import ScenePage, id_of_number, identify
from film_pipeline.core.screenplay import SceneIdentities, Screenplay, read_screenplay
from film_pipeline.core.script_elements import Element, plain, read_cue

DATA = Path(__file__).parent / "data"


def read(tmp_path: Path, text: str | bytes, name: str = "script.fountain", previous: object = None) -> Screenplay:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_screenplay(path, previous)  # type: ignore[arg-type]


def told(screenplay: Screenplay, scene: int = 0) -> list[tuple[str, str]]:
    return [(element.kind, element.text) for element in screenplay.scenes[scene].elements]


def element(screenplay: Screenplay, text: str) -> Element:
    return next(found for scene in screenplay.scenes for found in scene.elements if found.text == text)


# What is read


def test_a_scene_has_its_heading_taken_apart(tmp_path: Path) -> None:
    scene = read(tmp_path, "INT. HOUSE - STUDY - NIGHT #1A#\n\nOdile writes.").scenes[0]
    assert (scene.id, scene.number, scene.setting, scene.location, scene.time_of_day, scene.first_line) == (
        "SC010A",
        "1A",
        "INT",
        "HOUSE - STUDY",
        "NIGHT",
        1,
    )


@pytest.mark.parametrize(
    ("heading", "setting", "location", "time_of_day"),
    [
        ("INT./EXT. CAR - MOVING - DAY", "INT/EXT", "CAR - MOVING", "DAY"),
        ("EXT/INT CAR", "INT/EXT", "CAR", ""),
        ("EXT. STAIR — LATE AFTERNOON (FLASHBACK)", "EXT", "STAIR", "LATE AFTERNOON (FLASHBACK)"),
        ("INT. NIGHT CLUB", "INT", "NIGHT CLUB", ""),
        ("INT. HOTEL - DAY ROOM", "INT", "HOTEL - DAY ROOM", ""),
        ("ИНТ. КАБИНЕТ - НОЧЬ", "INT", "КАБИНЕТ", "НОЧЬ"),
        ("書斎", "", "書斎", ""),
    ],
)
def test_headings_of_many_kinds_are_understood(heading: str, setting: str, location: str, time_of_day: str) -> None:
    found = read_heading(heading)
    assert (found.setting, found.location, found.time_of_day) == (setting, location, time_of_day)


def test_every_element_knows_its_line(tmp_path: Path) -> None:
    text = (
        "Title: T\nAuthor:\n    A\n\n/* cut\n\ncut */\nINT. X - DAY\r\n\r\n"
        "ODILE\r\n(low)\r\nHi.\r\n\r\nShe\r\ngoes.\r\n\r\nCUT TO:\r\n"
    )
    screenplay = read(tmp_path, text)
    assert screenplay.scenes[0].first_line == 8
    lines = {found.text: found.line for found in screenplay.scenes[0].elements}
    assert lines == {"ODILE": 10, "(low)": 11, "Hi.": 12, "She\ngoes.": 14, "CUT TO:": 17}


def test_the_title_page_keeps_values_of_several_lines(tmp_path: Path) -> None:
    screenplay = read(tmp_path, "Title:\n    _**One**_\n    Two\nAuthor: Ödön\n    Éva\n\nINT. X - DAY")
    assert screenplay.title_page == {"Title": ("One", "Two"), "Author": ("Ödön", "Éva")}
    assert screenplay.title == "One Two"


@pytest.mark.parametrize("first", ["FADE IN:", "CUT TO:", "INT. X: THE ROOM - DAY"])
def test_a_script_without_a_title_page_begins_with_its_first_line(tmp_path: Path, first: str) -> None:
    screenplay = read(tmp_path, f"{first}\n\nINT. Y - DAY\n\nGo.")
    assert screenplay.title_page == {}
    assert first in (screenplay.scenes[0].heading, *(found.text for found in screenplay.scenes[0].elements))


def test_notes_and_boneyard_never_reach_the_dialogue(tmp_path: Path) -> None:
    screenplay = read(
        tmp_path,
        "INT. X - DAY\n\nODILE [[who?]]\nOne [[secret]] two.\n/* cut\n\ncut */\nThree. [[over\n  \ntwo lines]] Four.\n",
    )
    assert [line.text for line in screenplay.scenes[0].dialogue] == ["One  two.\nThree.\nFour."]
    assert [text for kind, text in told(screenplay) if kind == "note"] == ["who?", "secret", "over two lines"]
    assert "secret" not in screenplay.scenes[0].text()


def test_dual_dialogue_and_extensions_are_kept(tmp_path: Path) -> None:
    screenplay = read(tmp_path, "INT. X - DAY\n\nODILE (V.O.) (CONT'D)\nOne.\n\nPIM ^\nTwo.")
    one, two = screenplay.scenes[0].dialogue
    assert (one.character, one.extension, one.dual) == ("ODILE", "V.O.", False)
    assert (two.character, two.extension, two.dual) == ("PIM", "", True)


def test_forced_elements_are_what_they_are_forced_to_be(tmp_path: Path) -> None:
    screenplay = read(tmp_path, ".書斎\n\n@McX\nHi.\n\n!BANG\n\n> SLAM\n\n>THE END<\n\n~La la\n\n= In short\n\n# Act\n")
    assert told(screenplay) == [
        ("character", "McX"),
        ("dialogue", "Hi."),
        ("action", "BANG"),
        ("transition", "SLAM"),
        ("centered", "THE END"),
        ("lyric", "La la"),
        ("synopsis", "In short"),
        ("section", "Act"),
    ]


def test_names_in_other_alphabets_speak(tmp_path: Path) -> None:
    screenplay = read(tmp_path, "INT. X - DAY\n\nОДИЛЬ\nПривет.\n\nÉLOÏSE\nOui.\n\n@小明\n你好。")
    assert screenplay.scenes[0].speakers == ("ОДИЛЬ", "ÉLOÏSE", "小明")


def test_speech_that_looks_like_a_heading_stays_speech(tmp_path: Path) -> None:
    screenplay = read(
        tmp_path, "INT. X - DAY\n\nODILE\nEst. 1892.\n.45 it was.\n#1 of all.\n~La\n(beat)\n(again)\nDone."
    )
    assert [line.text for line in screenplay.scenes[0].dialogue] == [
        "Est. 1892.\n.45 it was.\n#1 of all.",
        "La",
        "Done.",
    ]
    assert len(screenplay.scenes) == 1


def test_a_cry_in_capitals_is_nobody(tmp_path: Path) -> None:
    screenplay = read(tmp_path, "INT. X - DAY\n\nBANG!\nNobody moves.\n\nCLOSE ON - THE PAGE\n\nINSERT\nA page.")
    assert screenplay.people == ()
    assert told(screenplay)[1] == ("shot", "CLOSE ON - THE PAGE")


def test_action_after_a_bare_parenthetical_is_action(tmp_path: Path) -> None:
    screenplay = read(tmp_path, "INT. X - DAY\n\nODILE\n(sighs)\n\nShe goes.")
    assert told(screenplay)[-1] == ("action", "She goes.")


def test_present_are_those_who_act_or_speak_on_screen(tmp_path: Path) -> None:
    screenplay = read(
        tmp_path,
        "INT. X - DAY\n\nODILE VANE (50) writes. THREE KNOCKS. A LANTERN glows. Pim climbs.\n\n"
        "ODILE\nWho?\n\nMOTHER (V.O.)\nI am.\n\nEXT. Y - DAY\n\nPIM, a courier, waits. The GUARD (40), asleep.",
    )
    assert screenplay.scenes[0].present == ("ODILE", "PIM")
    assert screenplay.scenes[0].speakers == ("ODILE", "MOTHER")
    assert screenplay.scenes[1].present == ("PIM",)


def test_emphasis_is_taken_off_and_escapes_are_honoured() -> None:
    assert plain(r"*a* **b** ***c*** _d_ snake_case 2 * 3 \*star\*") == r"a b c d snake_case 2 * 3 *star*"


@pytest.mark.parametrize(
    ("cue", "name", "extension", "dual"),
    [("ODILE (V.O.)", "ODILE", "V.O.", False), ("PIM (CONT’D) ^", "PIM", "", True), ("(V.O.)", "(V.O.)", "", False)],
)
def test_cues_are_taken_apart(cue: str, name: str, extension: str, dual: bool) -> None:
    assert read_cue(cue) == (name, extension, dual)


# Final Draft

FDX = """<?xml version="1.0" encoding="UTF-8" standalone="no" ?>
<FinalDraft DocumentType="Script" Version="5">
<Content>
<Paragraph Type="Scene Heading" Number="1">
<SceneProperties><Summary><Paragraph><Text>In short.</Text></Paragraph></Summary></SceneProperties>
<Text>INT. STUDY - NIGHT</Text></Paragraph>
<Paragraph Type="Action"><ScriptNote><Paragraph><Text>a note</Text></Paragraph></ScriptNote>
<Text>She </Text><Text Style="Bold">writes</Text><Text>.</Text></Paragraph>
<Paragraph><DualDialogue>
<Paragraph Type="Character"><Text>ODILE (V.O.)</Text></Paragraph>
<Paragraph Type="Dialogue"><Text>One.</Text></Paragraph>
<Paragraph Type="Character"><Text>PIM</Text></Paragraph><Paragraph Type="Dialogue"><Text>Two.</Text></Paragraph>
</DualDialogue></Paragraph>
<Paragraph Type="Shot"><Text>CLOSE ON THE PAGE</Text></Paragraph>
<Paragraph Type="Scene Heading" Number="2"><Text>OMITTED</Text></Paragraph>
<Paragraph Type="Scene Heading" Number="2A"><Text>EXT. STAIR - DAY</Text></Paragraph>
</Content>
<TitlePage><Content><Paragraph><Text>THE PAGE</Text></Paragraph>
<Paragraph><Text>by A</Text></Paragraph></Content></TitlePage>
</FinalDraft>"""


def test_final_draft_scripts_are_read(tmp_path: Path) -> None:
    screenplay = read(tmp_path, FDX, "script.fdx")
    assert [(scene.id, scene.heading, scene.first_line) for scene in screenplay.scenes] == [
        ("SC010", "INT. STUDY - NIGHT", 4),
        ("SC020A", "EXT. STAIR - DAY", 16),
    ]
    assert told(screenplay) == [
        ("synopsis", "In short."),
        ("note", "a note"),
        ("action", "She writes."),
        ("character", "ODILE"),
        ("dialogue", "One."),
        ("character", "PIM"),
        ("dialogue", "Two."),
        ("shot", "CLOSE ON THE PAGE"),
    ]
    assert [line.dual for line in screenplay.scenes[0].dialogue] == [False, True]
    assert screenplay.title == "THE PAGE"


def test_an_xml_bomb_is_refused(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY b{n} "{f"&b{n - 1};" * 10}">' for n in range(1, 10))
    head = f'<?xml version="1.0"?>\n<!DOCTYPE x [<!ENTITY b0 "xxxxxxxxxx">{entities}]>\n'
    bomb = f"{head}<FinalDraft><Content>&b9;</Content></FinalDraft>"
    with pytest.raises(FilmProblem, match="entity") as caught:
        read(tmp_path, bomb, "script.fdx")
    assert caught.value.line == 2


def test_a_file_outside_is_never_read_by_an_fdx(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    body = '<Content><Paragraph Type="Action"><Text>&s;</Text></Paragraph></Content>'
    text = f'<!DOCTYPE x [<!ENTITY s SYSTEM "secret.txt">]><FinalDraft>{body}</FinalDraft>'
    with pytest.raises(FilmProblem, match="entity"):
        read(tmp_path, text, "script.fdx")


# Broken scripts


@pytest.mark.parametrize(
    ("name", "text", "says", "line"),
    [
        ("s.fountain", "Just words.\n\nMore.", "no scenes", 1),
        ("s.fountain", "", "no scenes", 1),
        ("s.fountain", "INT. X - DAY\n\nGo.\n\n/* cut\n\nOn.", "boneyard opened here", 5),
        ("s.fountain", "INT. X - DAY\n\nODILE\nHi [[secret.\n\nGo.", "note opened here", 4),
        ("s.fountain", "INT. X - DAY\n\nGo [[on.\n\nINT. Y - DAY\n\nHi ]] you.", "runs over whole scenes", 3),
        ("s.fountain", "INT. X - DAY\n\n/* a\n\nINT. Y - DAY\n\n/* b */", "runs over whole scenes", 3),
        ("s.fountain", b"INT. X - DAY\n\n\xff\xfeGo.", "not UTF-8", 3),
        ("s.fountain", b"INT. X\n\0\1\2", "binary", 2),
        ("s.fountain", b"%PDF-1.7\n", "binary", 1),
        ("s.fdx", "<FinalDraft><Content>\n<Paragraph></FinalDraft>", "broken FDX", 2),
        ("s.fdx", "<html></html>", "no Final Draft", 1),
        ("s.fdx", "", "broken FDX", 1),
        ("s.pdf", "x", "not .pdf", None),
    ],
)
def test_a_broken_script_says_what_where_and_how_to_mend_it(
    tmp_path: Path, name: str, text: str | bytes, says: str, line: int | None
) -> None:
    with pytest.raises(FilmProblem, match=says) as caught:
        read(tmp_path, text, name)
    assert (caught.value.file, caught.value.line) == (tmp_path / name, line)
    assert caught.value.mend


def test_a_missing_script_is_named(tmp_path: Path) -> None:
    with pytest.raises(FilmProblem, match="missing"):
        read_screenplay(tmp_path / "script.fountain")


_LINES = str.split(
    "INT. X - DAY|ODILE|(low)|Hi.|[[a|b]]|/*|*/|@é|.書|>a<|> b|~la|# s|= t|===|!x|  |CUT TO:"
    "|Title: x|\t y|BO ^|FADE IN:|",
    "|",
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.one_of(
        st.text(max_size=300),
        st.lists(
            st.sampled_from(_LINES),
            max_size=25,
        ).map("\n".join),
    )
)
def test_any_text_is_read_or_refused_and_always_the_same_way(tmp_path: Path, text: str) -> None:
    def attempt() -> object:
        try:
            return read(tmp_path, text.encode("utf-8", "surrogatepass"))
        except FilmProblem as problem:
            return str(problem)

    first = attempt()
    assert attempt() == first
    if isinstance(first, Screenplay):
        again = read(tmp_path, (tmp_path / "script.fountain").read_bytes(), previous=first)
        assert [scene.id for scene in again.scenes] == [scene.id for scene in first.scenes]
        written = (tmp_path / "script.fountain").read_bytes().decode("utf-8-sig")
        rows = written.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for scene in first.scenes:
            assert scene.heading.split(" ")[0].strip(".") in plain(rows[scene.first_line - 1])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200), wrapped=st.booleans())
def test_any_bytes_are_read_or_refused_as_fdx(tmp_path: Path, data: bytes, wrapped: bool) -> None:
    body = b"<FinalDraft><Content>" + data + b"</Content></FinalDraft>" if wrapped else data
    try:
        read(tmp_path, body, "script.fdx")
    except FilmProblem as problem:
        assert problem.file is not None


def test_the_script_is_never_written(tmp_path: Path) -> None:
    path = tmp_path / "script.fountain"
    path.write_bytes((DATA / "the_lamplighter.fountain").read_bytes())
    path.chmod(0o444)
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    read_screenplay(path, SceneIdentities.of(read_screenplay(path)))
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


# Which scene is which


def test_numbered_scenes_are_named_by_their_numbers() -> None:
    assert [id_of_number(number) for number in ("1", "2", "1A", "12.", "007", "A1", "1.5", None)] == [
        "SC010",
        "SC020",
        "SC010A",
        "SC120",
        "SC070",
        None,
        None,
        None,
    ]


def test_two_scenes_of_one_number_have_two_names() -> None:
    ids = identify([ScenePage("INT. A", "1", "a"), ScenePage("INT. B", "1", "b"), ScenePage("INT. C", "2", "c")])
    assert ids == ("SC010", "SC015", "SC020")


def test_a_new_scene_is_named_between_its_neighbours(tmp_path: Path) -> None:
    first = read(tmp_path, "INT. A - DAY\n\nOne two three.\n\nINT. B - DAY\n\nFour five six.")
    second = read(
        tmp_path,
        "INT. A - DAY\n\nOne two three.\n\nEXT. NEW - NIGHT\n\nSeven.\n\n"
        "INT. B - DAY\n\nFour five six.\n\nINT. C\n\nEight.",
        previous=first,
    )
    assert [scene.id for scene in second.scenes] == ["SC010", "SC015", "SC020", "SC030"]


def test_names_between_neighbours_run_into_letters_and_never_out() -> None:
    known, pages = SceneIdentities(), [ScenePage("INT. A", "1", "a"), ScenePage("INT. B", "2", "b")]
    before: list[str] = []
    for number in range(60):
        pages.insert(1, ScenePage(f"INT. NEW {number}", None, f"word{number} only{number}"))
        ids = identify(pages, known)
        assert len(set(ids)) == len(ids)
        assert [name for name in ids if name in before] == before
        before = list(ids)
        known = SceneIdentities.model_validate(known.after(pages, ids).model_dump())


def test_a_cut_scene_leaves_its_name_behind_and_takes_it_up_when_it_returns(tmp_path: Path) -> None:
    scenes = [f"INT. PLACE {n} - DAY\n\nWords number {n} about thing {n}.\n\n" for n in range(3)]
    known = SceneIdentities.of(read(tmp_path, "".join(scenes)))
    cut = read(tmp_path, scenes[0] + scenes[2], previous=known)
    known = SceneIdentities.of(cut, known)
    other = read(tmp_path, scenes[0] + "EXT. ELSEWHERE - NIGHT\n\nNobody here.\n\n" + scenes[2], previous=known)
    assert [scene.id for scene in other.scenes] == ["SC010", "SC015", "SC030"]
    back = read(tmp_path, "".join(scenes), previous=SceneIdentities.of(other, known))
    assert [scene.id for scene in back.scenes] == ["SC010", "SC020", "SC030"]


def test_a_scene_rewritten_word_for_word_stays_itself(tmp_path: Path) -> None:
    scenes = [
        "INT. STUDY - NIGHT\n\nShe writes a letter.\n\n",
        "INT. STUDY - NIGHT\n\nHe burns it slowly.\n\n",
        "EXT. YARD\n\nRain.\n\n",
    ]
    known = SceneIdentities.of(read(tmp_path, "".join(scenes)))
    scenes[1] = "INT. STUDY - NIGHT\n\nA wholly other thing takes place.\n\n"
    assert [scene.id for scene in read(tmp_path, "".join(scenes), previous=known).scenes] == ["SC010", "SC020", "SC030"]


def test_a_scene_keeps_its_name_under_a_new_heading(tmp_path: Path) -> None:
    text = (
        "INT. STUDY - NIGHT\n\nShe writes a letter to the harbour master about the lamps.\n\nEXT. YARD - DAY\n\nRain."
    )
    known = SceneIdentities.of(read(tmp_path, text))
    renamed = read(tmp_path, text.replace("INT. STUDY - NIGHT", "INT. LIBRARY - DUSK"), previous=known)
    assert [scene.id for scene in renamed.scenes] == ["SC010", "SC020"]


def test_identities_are_kept_as_plain_json(tmp_path: Path) -> None:
    known = SceneIdentities.of(read(tmp_path, "INT. A - DAY\n\nOne.\n\nINT. B - DAY\n\nTwo."))
    kept = json.loads(json.dumps(known.as_dict()))
    assert kept == known.as_dict()
    assert SceneIdentities.from_dict(kept) == known
    with pytest.raises(FilmProblem, match="remembered"):
        SceneIdentities.from_dict({"scenes": [{"id": "nonsense"}]})


_WORDS = str.split(
    "lamp river letter stair door clock bridge rain salt coat glass bell harbour paper fire window thread stone"
)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 12), data=st.data())
def test_the_others_keep_their_names_when_one_scene_changes(seed: int, count: int, data: st.DataObject) -> None:
    source = random.Random(seed)

    def page(label: str) -> ScenePage:
        words = " ".join(source.choice(_WORDS) + str(source.randrange(40)) for _ in range(source.randrange(4, 40)))
        return ScenePage(source.choice([f"INT. {label} - DAY", "INT. STUDY - NIGHT"]), None, words)

    pages = [page(f"PLACE {number}") for number in range(count)]
    ids = identify(pages)
    known = SceneIdentities.model_validate(SceneIdentities().after(pages, ids).model_dump())
    names = dict(zip((id(each) for each in pages), ids, strict=True))
    change = data.draw(st.sampled_from(["shuffle", "insert", "delete", "rewrite"]))
    place = data.draw(st.integers(0, count - 1))
    after = list(pages)
    if change == "shuffle":
        source.shuffle(after)
    elif change == "insert":
        after.insert(place, page("NEW"))
    elif change == "delete":
        after.pop(place)
    else:
        after[place] = ScenePage(pages[place].heading, None, page("X").words)
    found = identify(after, known)
    assert len(set(found)) == len(after)
    assert identify(after, known) == found
    for each, name in zip(after, found, strict=True):
        if id(each) in names:
            assert name == names[id(each)]
        elif change == "rewrite":
            assert name == ids[place]
        else:
            assert name not in ids
