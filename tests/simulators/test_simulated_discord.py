import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from simulated import SNOWFLAKE, Like, a_plate, assert_document

from film_pipeline import simulators
from film_pipeline.simulators import People, ThreadServer
from film_pipeline.simulators.discord import API, CHANNEL, TOKEN

AGENT = "DiscordBot (https://example.com/film, 0.1)"
UP, NO = "👍", "❌"
WHEN = Like(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")


class Bot:
    """The bot's side."""

    def __init__(self, server: ThreadServer) -> None:
        self.server, self.people = server, People(server)

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, **how: Any) -> requests.Response:
        known = {"Authorization": f"Bot {TOKEN}", "User-Agent": AGENT}
        url = f"{self.server.url}{API}{path}"
        return requests.request(method, url, headers=known if headers is None else headers, timeout=10, **how)

    def post(self, content: str = "SC010_SH020 take 3", channel: str = CHANNEL, **fields: Any) -> requests.Response:
        return self.ask("POST", f"/channels/{channel}/messages", json={"content": content, **fields})

    def messages(self, query: str = "") -> list[dict[str, Any]]:
        answer = self.ask("GET", f"/channels/{CHANNEL}/messages{query}")
        assert answer.status_code == 200, answer.text
        return list(answer.json())

    def reactors(self, message: str, emoji: str, query: str = "") -> requests.Response:
        return self.ask("GET", f"/channels/{CHANNEL}/messages/{message}/reactions/{quote(emoji)}{query}")


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Bot]:
    with simulators.discord(tmp_path, limits={}, global_limit=(10_000, 1.0)) as server:
        yield Bot(server)


def user(name: str, **more: Any) -> dict[str, Any]:
    told = {"id": SNOWFLAKE, "username": name, "global_name": name.title(), "discriminator": "0"}
    return {**told, "avatar": None, "public_flags": 0, **more}


def message(**known: Any) -> dict[str, Any]:
    return {
        "id": SNOWFLAKE,
        "type": 0,
        "channel_id": CHANNEL,
        "author": user("dailies", bot=True),
        "content": str,
        "timestamp": WHEN,
        "edited_timestamp": None,
        "tts": False,
        "mention_everyone": False,
        "mentions": [],
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "components": [],
        "pinned": False,
        "flags": 0,
        **known,
    }


def assert_refused(answer: requests.Response, status: int, code: int, said: Any = str) -> None:
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert (told["code"], type(told["message"])) == (code, str)
    if said is not str:
        assert told["message"] == said


def wrong_field(answer: requests.Response, field: str) -> str:
    assert_refused(answer, 400, 50035, "Invalid Form Body")
    assert_document(answer.json()["errors"], {field: {"_errors": [{"code": str, "message": str}]}})
    return str(answer.json()["errors"][field]["_errors"][0]["code"])


# --- messages


def test_a_message_is_posted_and_read_again(bot: Bot) -> None:
    answer = bot.post("SC010_SH020 take 3")
    assert answer.status_code == 200
    assert_document(answer.json(), message(content="SC010_SH020 take 3"))
    message_id = answer.json()["id"]
    assert bot.ask("GET", f"/channels/{CHANNEL}/messages/{message_id}").json() == answer.json()
    assert bot.messages() == [answer.json()]


def test_a_picture_is_posted_as_a_form_with_its_fields_in_json(bot: Bot) -> None:
    files = {
        "payload_json": (None, json.dumps({"content": "take 3", "nonce": "n1"}), "application/json"),
        "files[0]": ("SC010_SH020_t003.png", a_plate(), "image/png"),
    }
    answer = bot.ask("POST", f"/channels/{CHANNEL}/messages", files=files)
    url = Like(r"http://127\.0\.0\.1:\d+/attachments/\d+-SC010_SH020_t003\.png")
    kept = {"filename": "SC010_SH020_t003.png", "size": len(a_plate()), "content_type": "image/png"}
    attachment = {"id": SNOWFLAKE, "url": url, "proxy_url": url, "width": 64, "height": 48, **kept}
    assert_document(answer.json(), message(content="take 3", nonce="n1", attachments=[attachment]))
    fetched = requests.get(answer.json()["attachments"][0]["url"], timeout=5)
    assert fetched.content == a_plate()


def test_a_repeat_with_an_enforced_nonce_gives_the_earlier_message(bot: Bot) -> None:
    first = bot.post(nonce="job-1", enforce_nonce=True).json()
    assert bot.post(nonce="job-1", enforce_nonce=True).json() == first
    assert len(bot.people.see()) == 1
    bot.post(nonce="job-1")
    assert len(bot.people.see()) == 2, "without enforce_nonce nothing is found out"
    bot.server.advance(400)
    bot.post(nonce="job-1", enforce_nonce=True)
    assert len(bot.people.see()) == 3, "a nonce is remembered for some minutes only"


def test_a_nonce_saves_from_posting_twice_when_the_answer_is_lost(bot: Bot) -> None:
    bot.server.fail("drop_after", "POST messages", times=1)
    with pytest.raises(requests.ConnectionError):
        bot.post(nonce="job-1", enforce_nonce=True)
    assert bot.post(nonce="job-1", enforce_nonce=True).status_code == 200
    assert len(bot.people.see()) == 1
    assert not bot.server.bill().ordered_twice()


def test_a_message_has_at_most_2000_characters_and_is_not_empty(bot: Bot) -> None:
    assert bot.post("x" * 2000).status_code == 200
    assert wrong_field(bot.post("x" * 2001), "content") == "BASE_TYPE_MAX_LENGTH"
    assert_refused(bot.post(""), 400, 50006, "Cannot send an empty message")
    assert wrong_field(bot.post(nonce="x" * 26), "nonce") == "NONCE_TYPE_TOO_LONG"


def test_a_file_over_ten_mebibytes_is_too_large(bot: Bot) -> None:
    for size, status in ((10 * 2**20, 200), (10 * 2**20 + 1, 413)):
        answer = bot.ask("POST", f"/channels/{CHANNEL}/messages", files={"files[0]": ("a.bin", b"x" * size)})
        assert answer.status_code == status
    assert_refused(answer, 413, 40005, "Request entity too large")


def test_who_is_pinged_is_what_was_allowed(bot: Bot) -> None:
    ada = bot.people.id_of("ada")
    text = f"<@{ada}> @everyone look"
    loud, quiet = bot.post(text).json(), bot.post(text, allowed_mentions={"parse": []}).json()
    assert ([one["username"] for one in loud["mentions"]], loud["mention_everyone"]) == (["ada"], True)
    assert (quiet["mentions"], quiet["mention_everyone"]) == ([], False)
    assert len(bot.post(text, allowed_mentions={"parse": [], "users": [ada]}).json()["mentions"]) == 1
    assert wrong_field(bot.post("x", allowed_mentions={"parse": ["all"]}), "allowed_mentions") == "BASE_TYPE_CHOICES"
    both = {"parse": ["users"], "users": [ada]}
    code = "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE"
    assert wrong_field(bot.post("x", allowed_mentions=both), "allowed_mentions") == code


def test_messages_come_newest_first_and_after_gives_those_that_follow_at_once(bot: Bot) -> None:
    ids = [bot.post(str(number)).json()["id"] for number in range(7)]
    assert ids == sorted(ids, key=int)
    assert [told["id"] for told in bot.messages("?limit=3")] == ids[:3:-1]
    assert [told["id"] for told in bot.messages("?after=0&limit=3")] == ids[2::-1]
    assert [told["id"] for told in bot.messages(f"?after={ids[2]}&limit=100")] == ids[:2:-1]
    assert [told["id"] for told in bot.messages(f"?before={ids[2]}")] == ids[1::-1]
    for query in ("?limit=101", "?limit=0", "?after=x", "?after=1&before=2"):
        assert bot.ask("GET", f"/channels/{CHANNEL}/messages{query}").status_code == 400


def test_the_bot_edits_and_deletes_its_own_messages_only(bot: Bot) -> None:
    mine, theirs = bot.post().json()["id"], bot.people.say("ada", "hello")["id"]
    place = f"/channels/{CHANNEL}/messages"
    assert_document(
        bot.ask("PATCH", f"{place}/{mine}", json={"content": "circled"}).json(),
        message(content="circled", edited_timestamp=WHEN),
    )
    assert_refused(bot.ask("PATCH", f"{place}/{theirs}", json={"content": "x"}), 403, 50005)
    assert_refused(bot.ask("DELETE", f"{place}/{theirs}"), 403, 50013)
    assert bot.ask("DELETE", f"{place}/{mine}").status_code == 204
    assert_refused(bot.ask("GET", f"{place}/{mine}"), 404, 10008, "Unknown Message")


# --- people


def test_a_reply_names_the_message_that_it_answers(bot: Bot) -> None:
    hero = bot.post("hero").json()
    bot.people.reply("ada", hero["id"], "more moonlight")
    (reply,) = bot.messages(f"?after={hero['id']}")
    reference = {"type": 0, "message_id": hero["id"], "channel_id": CHANNEL, "guild_id": SNOWFLAKE}
    known = {"type": 19, "author": user("ada"), "content": "more moonlight", "mentions": [user("dailies", bot=True)]}
    assert_document(reply, message(**known, message_reference=reference, referenced_message=hero))
    bot.people.remove(hero["id"])
    assert bot.messages()[0]["referenced_message"] is None


def test_the_bot_can_reply_itself(bot: Bot) -> None:
    hero = bot.people.say("ada", "a take please")
    told = bot.post("it comes", message_reference={"message_id": hero["id"]}).json()
    assert (told["type"], told["message_reference"]["message_id"]) == (19, hero["id"])
    assert wrong_field(bot.post("x", message_reference={"message_id": "1"}), "message_reference")
    loose = {"message_id": "1", "fail_if_not_exists": False}
    assert bot.post("x", message_reference=loose).json()["type"] == 0


def test_without_the_intent_only_words_that_ping_the_bot_can_be_read(bot: Bot) -> None:
    hero = bot.post("hero").json()
    me = bot.ask("GET", "/users/@me").json()
    bot.people.reply("ada", hero["id"], "pinged", ping=True)
    bot.people.reply("ada", hero["id"], "silent", ping=False)
    bot.people.say("ada", "by the way")
    bot.people.say("ada", f"<@{me['id']}> by name")
    assert [told["content"] for told in bot.messages()] == [f"<@{me['id']}> by name", "", "", "pinged", "hero"]
    assert [told["content"] for told in bot.people.see()][1:4] == ["pinged", "silent", "by the way"]
    bot.server.control("intent", on=True)
    assert "silent" in [told["content"] for told in bot.messages()]


def test_reactions_are_counted_on_the_message_and_listed_by_user(bot: Bot) -> None:
    hero = bot.post("hero").json()
    crew = [f"crew{number:03}" for number in range(130)]
    bot.people.react(crew, hero["id"], UP)
    bot.people.react("ada", hero["id"], NO)
    place = f"/channels/{CHANNEL}/messages/{hero['id']}/reactions/{quote(UP)}/@me"
    assert bot.ask("PUT", place).status_code == 204
    (told,) = bot.messages()
    up = {
        "emoji": {"id": None, "name": UP},
        "count": 131,
        "count_details": {"burst": 0, "normal": 131},
        "me": True,
        "me_burst": False,
        "burst_colors": [],
    }
    no = {**up, "emoji": {"id": None, "name": NO}, "count": 1, "count_details": {"burst": 0, "normal": 1}, "me": False}
    assert told["reactions"] == [up, no]

    names: list[str] = []
    after = "0"
    while page := bot.reactors(hero["id"], UP, f"?after={after}&limit=100").json():
        assert_document(page[-1], user(page[-1]["username"]))
        names += [one["username"] for one in page]
        after = page[-1]["id"]
    assert sorted(names) == sorted([*crew, "dailies"])
    assert len(bot.reactors(hero["id"], UP).json()) == 25

    assert bot.ask("DELETE", place).status_code == 204
    bot.people.unreact("ada", hero["id"], NO)
    (told,) = bot.messages()
    assert [(one["emoji"]["name"], one["count"], one["me"]) for one in told["reactions"]] == [(UP, 130, False)]
    assert bot.reactors(hero["id"], NO).json() == []


def test_a_reaction_twice_is_one_reaction(bot: Bot) -> None:
    hero = bot.post("hero").json()
    bot.people.react(["ada", "ada"], hero["id"], UP)
    assert bot.messages()[0]["reactions"][0]["count"] == 1


def test_what_is_no_emoji_is_unknown(bot: Bot) -> None:
    hero = bot.post("hero").json()
    for wrong in ("thumbsup", ":+1:", "name:12"):
        assert_refused(bot.reactors(hero["id"], wrong), 400, 10014, "Unknown Emoji")
    assert bot.reactors(hero["id"], "circled:123456789012345678").json() == []
    assert bot.reactors(hero["id"], "1️⃣").json() == []


# --- refusals


def test_without_the_token_or_a_proper_agent_nobody_gets_in(bot: Bot) -> None:
    place = f"/channels/{CHANNEL}/messages"
    for token in ("", TOKEN, f"Bearer {TOKEN}", "Bot wrong"):
        refused = bot.ask("GET", place, {"Authorization": token, "User-Agent": AGENT})
        assert_refused(refused, 401, 0, "401: Unauthorized")
    for agent in ("python-requests/2.34", "DiscordBot", "DiscordBot (url)", ""):
        refused = bot.ask("GET", place, {"Authorization": f"Bot {TOKEN}", "User-Agent": agent})
        assert_refused(refused, 403, 40333)


def test_unknown_closed_and_wrong_places_are_refused(tmp_path: Path) -> None:
    with simulators.discord(tmp_path, limits={}, closed_channels=["1300000000000000002"]) as server:
        bot = Bot(server)
        assert_refused(bot.post(channel="1300000000000000009"), 404, 10003, "Unknown Channel")
        assert_refused(bot.post(channel="1300000000000000002"), 403, 50001, "Missing Access")
        assert_refused(bot.ask("GET", "/nothing"), 404, 0, "404: Not Found")
        assert_refused(bot.ask("PUT", f"/channels/{CHANNEL}/messages"), 405, 0, "405: Method Not Allowed")
        assert_refused(bot.ask("POST", f"/channels/{CHANNEL}/messages", data="{"), 400, 50109)
        assert_refused(bot.reactors("1", UP), 404, 10008)


# --- limits


def test_too_many_posts_are_told_how_long_to_wait_in_parts_of_a_second(tmp_path: Path) -> None:
    with simulators.discord(tmp_path, limits={"POST messages": (2, 5.0)}) as server:
        bot = Bot(server)
        first = bot.post()
        assert (first.headers["x-ratelimit-limit"], first.headers["x-ratelimit-remaining"]) == ("2", "1")
        assert float(first.headers["x-ratelimit-reset-after"]) <= 5
        assert {"x-ratelimit-reset", "x-ratelimit-bucket"} <= {name.lower() for name in first.headers}
        bot.post()
        refused = bot.post()
        assert refused.status_code == 429
        told = {"message": "You are being rate limited.", "retry_after": float, "global": False}
        assert_document(refused.json(), told)
        assert refused.headers["x-ratelimit-scope"] == "user"
        assert "." in refused.headers["retry-after"], "a header that is no whole number"
        assert bot.messages(), "another bucket is open"
        server.advance(refused.json()["retry_after"])
        assert bot.post().status_code == 200


def test_the_global_limit_says_that_it_is_the_global_one(tmp_path: Path) -> None:
    with simulators.discord(tmp_path, limits={}, global_limit=(2, 60.0)) as server:
        bot = Bot(server)
        answers = [bot.ask("GET", "/users/@me") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2].json()["global"] is True
        assert answers[2].headers["x-ratelimit-global"] == "true"


def test_a_fault_can_be_a_limit_of_either_kind(bot: Bot) -> None:
    bot.server.script("GET messages", [{"kind": "429", "retry_after_s": 1.25, "is_global": True}, "500", "ok"])
    answers = [bot.ask("GET", f"/channels/{CHANNEL}/messages") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 500, 200]
    assert (answers[0].json()["retry_after"], answers[0].json()["global"]) == (1.25, True)


def test_an_address_that_asks_wrongly_too_often_is_banned(tmp_path: Path) -> None:
    with simulators.discord(tmp_path, limits={}, invalid_requests=5) as server:
        bot = Bot(server)
        for _ in range(5):
            bot.ask("GET", "/users/@me", {"User-Agent": AGENT})
        banned = bot.ask("GET", "/users/@me")
        assert (banned.status_code, banned.headers["content-type"].split(";")[0]) == (429, "text/html")
        server.advance(3601)
        assert bot.ask("GET", "/users/@me").status_code == 200
