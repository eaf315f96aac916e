"""Posting: every take and hero that is complete and that nobody has judged yet, once, with what a judge must know."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from film_pipeline.core.gate import Work
from film_pipeline.core.money import written
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.record import Record, Turnover
from film_pipeline.departments.film import Film
from film_pipeline.departments.generation import valid_takes
from film_pipeline.departments.line import Line
from film_pipeline.discord.client import Discord, DiscordAway, DiscordForbids, DiscordRefused, Document, Gone
from film_pipeline.discord.prints import print_of
from film_pipeline.discord.room import Post, Room
from film_pipeline.discord.words import message, plain
from film_pipeline.gatekeeping import scene_at_gate
from film_pipeline.stores.ledger.takes import Take

STAGES: dict[str, Work] = {"render": "take", "heroes": "hero"}
MOST_AT_ONCE = 10
"""Posts a round, so that a film that comes to Discord late does not flood its channel."""


@dataclass(frozen=True)
class Waiting:
    """A take that is complete and stands in front of its judges. turnover: its pictures."""

    take: Take
    turnover: Turnover


def waiting(film: Film, posted: Sequence[Post]) -> list[Waiting]:
    """Complete takes that nobody has circled or rejected and that were not posted, oldest first."""
    known = {(post.shot, post.work, post.take): bool(post.message) for post in posted}
    judged = {(word.shot, word.work, word.take) for word in film.ledger.verdicts.since(0) if word.word != "retake"}
    takes = {(take.shot, take.work, take.take): take for take in film.ledger.takes.opened_since("")}
    found = []
    for stage, work in STAGES.items():
        for shot, version in film.frames.version_numbers(stage):
            key = (shot, work, version)
            if shot not in film.shots or key not in takes or known.get(key):
                continue
            # What an earlier round intended may stand in the channel, and is found again whatever was said meanwhile.
            if key in judged and key not in known:
                continue
            turnover = film.frames.version(stage, shot, version)
            if turnover is not None:
                found.append(Waiting(takes[key], turnover))
    return sorted(found, key=lambda one: one.take.opened_at)


def post_new(film: Film, room: Room, discord: Discord, line: Line, posted: list[Post], problems: list[str]) -> None:
    """Post what is new, as much of it as one round takes: added to `posted`, and what could not be to `problems`."""
    known = room.posts()
    for one in waiting(film, known)[:MOST_AT_ONCE]:
        try:
            posted.append(_post(film, room, discord, one, line))
        except (DiscordRefused, DiscordAway):
            raise
        except FilmProblem as problem:
            # One picture that is gone must not keep the others from being seen.
            problems.append(f"{one.take.shot} take {one.take.take} can't be posted: {problem}")
    for post in (*known, *posted):
        if post.message and not post.buttons and not post.gone:
            problems += _put_buttons(film, room, discord, post)


def _post(film: Film, room: Room, discord: Discord, one: Waiting, line: Line) -> Post:
    """Post one take. The intent is remembered first, so that after a crash it is looked for and not posted again."""
    take = one.take
    content, picture = content_of(film, one, line), print_of(film.made, one.turnover, f"{take.shot} take {take.take}")
    intended = room.post(take.shot, take.work, take.take)
    earlier: Document | None = None
    if intended is None:
        intended = Post(take.shot, take.work, take.take, after=room.read_to)
        if not room.keep(intended, None):
            intended = room.post(take.shot, take.work, take.take) or intended
    else:
        earlier = _find_posted(film, room, discord, intended)
    told = earlier or discord.post(room.channel, content, _nonce(mark_of(film, take)), picture)
    post = intended.with_(message=str(told["id"]))
    room.keep(post, intended)
    return post


def _find_posted(film: Film, room: Room, discord: Discord, intended: Post) -> Document | None:
    """The bot's own message of this take, where an earlier round posted it and did not live to note it."""
    mark, last = mark_of(film, intended), intended.after
    while page := discord.after(room.channel, last):
        for told in page:
            if told["author"]["id"] == room.bot and mark in told.get("content", ""):
                return told
        last = str(page[-1]["id"])
    return None


def _put_buttons(film: Film, room: Room, discord: Discord, post: Post) -> list[str]:
    """The bot's own reactions, for people to press. Where the bot may not, people choose the emoji themselves."""
    review, problems = film.production.discord, []
    try:
        for emoji in (review.circle, review.reject, review.another):
            discord.react(room.channel, post.message, emoji)
    except Gone:
        room.keep(post.with_(gone=True), post)
        return []
    except DiscordForbids as problem:
        problems.append(f"the bot can't add reactions: {problem.problem}")
    except (DiscordRefused, DiscordAway):
        raise
    except FilmProblem as problem:
        problems.append(f"the bot can't add reactions: {problem}")
    room.keep(post.with_(buttons=True), post)
    return problems


def mark_of(film: Film, take: Take | Post) -> str:
    """What names a take in a channel that several films may share."""
    return f"{film.production.name} {take.shot} {take.work} {take.take} {film.ledger.id[:8]}"


def _nonce(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def content_of(film: Film, one: Waiting, line: Line) -> str:
    """What stands above the picture: slate, direction, what made it, price, licence, recipe, and how to answer."""
    take, facts = one.take, one.turnover.facts
    review = film.production.discord
    records = _records(film, one.turnover)
    what = "hero take" if take.work == "hero" else "take"
    cast = f", with {plain(str(facts['cast']))}" if facts.get("cast") else ""
    label = f" · {plain(str(facts['label']))}{cast}" if facts.get("label") else ""
    return message(
        f"**`{take.shot}`** {what} **{take.take}**{label} · {_frames(one.turnover)}",
        f"> {plain(take.direction)}" if take.direction else "",
        f"{plain(', '.join(_models(records)))} · {written(_cost(film, take))}{_estimated(film, take)}",
        f"licence: {plain(', '.join(_licences(records)))}",
        _outdated(film, take, line),
        f"{_pressed(review.circle)} circle · {_pressed(review.reject)} reject · {_pressed(review.another)} once more · "
        "reply with a direction for another take",
        f"-# recipe `{one.turnover.recipe_sha256[:16]}` · asked for by {plain(take.asked_by)} · {mark_of(film, take)}",
    )


def _pressed(emoji: str) -> str:
    """An emoji as a message shows it; one of the server's own is written by name and number."""
    return f"<:{emoji}>" if ":" in emoji else emoji


def _frames(turnover: Turnover) -> str:
    pictures = turnover.of("hero") or turnover.of("generated")
    return f"frame {pictures[0].frame}" if len(pictures) == 1 else f"{len(pictures)} frames"


def _records(film: Film, turnover: Turnover) -> list[Record]:
    pictures = turnover.of("hero") or turnover.of("render")
    return [record for item in pictures if (record := film.frames.record_at(item.path)) is not None]


def _models(records: Sequence[Record]) -> list[str]:
    """Which backend made it, with which model."""
    return list(
        dict.fromkeys(
            f"{event.engine} ({str(event.detail.get('model', event.software)).partition(' (')[0]})"
            for record in records
            for event in record.lineage.events[-1:]
        )
    )


def _licences(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(licence for record in records for licence in record.license_summary))


def _jobs(film: Film, take: Take) -> list[tuple[Decimal | None, bool]]:
    jobs = film.ledger.jobs.of(take.shot, take=take.take)
    return [(job.charged_usd, job.estimated) for job in jobs if job.ticket.work == take.work]


def _cost(film: Film, take: Take) -> Decimal:
    """What its frames were charged, failed tries included; the time that machines waited is not a take's alone."""
    return sum((charged for charged, _ in _jobs(film, take) if charged is not None), Decimal(0))


def _estimated(film: Film, take: Take) -> str:
    return " (our reckoning)" if any(estimated for _, estimated in _jobs(film, take)) else ""


def _outdated(film: Film, take: Take, line: Line) -> str:
    try:
        scene = scene_at_gate(film, take.shot, line, take.work)
        fits = take.take in {one.take for one in valid_takes(film, take.shot, scene.covered(), take.work)}
    except FilmProblem:
        fits = False
    return "" if fits else "It was made before the shot was changed: as things stand, the cut would not show it."
