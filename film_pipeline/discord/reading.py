"""Reading: what people said of takes in the channel goes into the ledger, each word once, in whatever order it came.

A reaction is a state and not an event: what stands now is compared with what stood at the last look. A reply is an
event: replies are read from a cursor on. Every word has a name that is made of Discord's own ids, so that the ledger
knows it again however often a round is broken off and begun anew.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from film_pipeline.core.gate import GateLocked
from film_pipeline.core.problems import FilmProblem
from film_pipeline.core.production import CrewMember, bare_emoji
from film_pipeline.departments.film import Film
from film_pipeline.departments.line import Line
from film_pipeline.discord.client import Discord, Document, Gone
from film_pipeline.discord.room import Post, Reaction, Room, Wish
from film_pipeline.discord.words import as_written, message, plain, together, understood
from film_pipeline.gatekeeping import another_take, say_of_take
from film_pipeline.stores.ledger.notes import Note
from film_pipeline.stores.ledger.takes import Take
from film_pipeline.stores.ledger.verdicts import TakeVerdict, Word

GATE = "#gate-of-the-shot"
"""Where on a shot's page in the review app its gate is."""
REPLY = 19
"""Discord's type of a message that answers another."""
GRACE_S = 30.0
"""Whoever asks for another take and directs it in a reply wants one take: the reaction waits so long for the reply."""
FULL_LOOK_S = 300.0
"""Where the counts are as they were, one reaction may have come as another went: after so long they are looked at."""
WATCHED = 100
"""The newest posts, looked at in every round."""
IN_TURN = 50
"""Of the older posts so many are looked at in a round, one after the other."""
MOST_PAGES = 20
_WORDS: tuple[tuple[Reaction, Word], ...] = (("circle", "circle"), ("reject", "reject"), ("another", "retake"))
"""In the order in which they are entered: where one look finds both, the rejection counts."""
_HIDDEN = (
    "I can't read your reply. Discord shows a bot only replies that ping it: leave the @ on, or let the bot have the "
    "Message Content intent (docs/discord.md)."
)
_NOTHING = "There is nothing in your reply that a prompt could say. Write in words what is to be different."
_KEPT = "What you wrote is kept with the take."
_STRANGER = (
    "Takes of this film are judged by the people whom its production.yaml names as reviewers or approvers. "
    "Ask the director to add you."
)


@dataclass
class Heard:
    """What a round heard.

    words: given to takes. takes: opened. answers: written. ignored: words of people who may not judge. problems: what
    could not be done.
    """

    words: int = 0
    ignored: int = 0
    takes: list[Take] = field(default_factory=list)
    answers: int = 0
    problems: list[str] = field(default_factory=list)


class Reader:
    """One round of reading. now: seconds UTC. review_url: of the review app, whose gate page answers link to."""

    def __init__(
        self,
        film: Film,
        room: Room,
        discord: Discord,
        line: Line,
        now: float,
        review_url: str,
        grace_s: float = GRACE_S,
        full_look_s: float = FULL_LOOK_S,
    ) -> None:
        self._film, self._room, self._discord, self._line = film, room, discord, line
        self._now, self._review_url, self._grace_s, self._full_look_s = now, review_url, grace_s, full_look_s
        self._people = {person.discord_id: person for person in film.production.people}
        self.heard = Heard()

    def read(self) -> None:
        """Replies first: a reply says what a reaction only asks for. Raises where Discord refuses or is away.

        What was heard until then is in the ledger, and in `heard`.
        """
        self._replies()
        self._reactions()

    # Replies

    def _replies(self) -> None:
        posts = {post.message: post for post in self._room.posts() if post.message}
        before = self._room.read_to
        for page, answered in self._pages(before):
            for told in page:
                answering = posts.get(str((told.get("message_reference") or {}).get("message_id", "")))
                if told.get("type") == REPLY and answering is not None and not _is_machine(told):
                    self._reply(told, answering, str(told["id"]) in answered)
                self._room.have_read(str(told["id"]), before)
                before = str(told["id"])

    def _pages(self, after: str) -> Iterator[tuple[Sequence[Document], set[str]]]:
        """New messages, oldest first; with each page the messages that the bot has answered already.

        The bot's answer stands behind what it answers, so all is fetched before the first is dealt with.
        """
        pages: list[list[Document]] = []
        while len(pages) < MOST_PAGES and (page := self._discord.after(self._room.channel, after)):
            pages.append(page)
            after = str(page[-1]["id"])
        own = [told for page in pages for told in page if told["author"]["id"] == self._room.bot]
        answered = {
            str(told["message_reference"].get("message_id", "")) for told in own if told.get("message_reference")
        }
        yield from ((page, answered) for page in pages)

    def _reply(self, told: Document, post: Post, answered: bool) -> None:
        account, name = str(told["author"]["id"]), f"discord {told['id']}"
        person = self._people.get(account)
        if person is None or not person.may_judge:
            self._turn_away(told, account, answered)
            return
        written = str(told.get("content") or "")
        direction = understood(written)
        if not direction:
            if not answered:
                self._answer(str(told["id"]), name, _NOTHING if written.strip() else _HIDDEN)
            return
        self._note(post, person, written, name)
        self._say(post, "retake", person, name, direction)
        self._directed(post, account)
        before = self._film.ledger.takes.one(post.shot, post.take, post.work)
        said = self._ask(post, person, together(direction, before.direction if before else ""), name, _KEPT)
        if not answered:
            self._answer(str(told["id"]), name, said)

    def _turn_away(self, told: Document, account: str, answered: bool) -> None:
        """Tell somebody whose word does not count, once for ever."""
        self.heard.ignored += 1
        if self._room.was_told(account):
            return
        if not answered:
            self._answer(str(told["id"]), f"stranger {account}", _STRANGER)
        self._room.tell(account)

    def _note(self, post: Post, person: CrewMember, written: str, name: str) -> None:
        """What was written stays, whether a take comes of it or not."""
        text = as_written(written)
        if post.work == "hero":
            note = Note(post.shot, person.name, f"[hero {post.take}] {text}", "discord", said_as=name)
        else:
            note = Note(post.shot, person.name, text, "discord", take=post.take, said_as=name)
        self._film.ledger.notes.add(note)

    def _directed(self, post: Post, account: str) -> None:
        """A wish of the same person for the same take is answered by their reply."""
        known = self._room.post(post.shot, post.work, post.take)
        if known is None:
            return
        wish = None if known.wish is not None and known.wish.by == account else known.wish
        self._room.keep(known.with_(wish=wish, answered={**known.answered, account: self._now}), known)

    # Reactions

    def _reactions(self) -> None:
        """Look at the newest posts, and at some of the older ones in turn."""
        watched = [post for post in self._room.posts() if post.message and not post.gone]
        older, newest = watched[:-WATCHED], watched[-WATCHED:]
        turn = self._room.turn
        in_turn = [older[place % len(older)] for place in range(turn, turn + min(IN_TURN, len(older)))]
        self._look_at([*in_turn, *newest])
        if older:
            self._room.have_turned((turn + len(in_turn)) % len(older))

    def _look_at(self, posts: Sequence[Post]) -> None:
        """Fetch the posts' messages, with as few requests as their places in the channel allow."""
        waiting = {post.message: post for post in sorted(posts, key=lambda post: int(post.message))}
        while waiting:
            first = next(iter(waiting))
            page = self._discord.after(self._room.channel, str(int(first) - 1))
            shown = {str(told["id"]): told for told in page}
            last = max([int(first), *map(int, shown)])
            for place in [place for place in waiting if int(place) <= last]:
                self._look_or_miss(waiting.pop(place), shown.get(place))

    def _look_or_miss(self, post: Post, told: Document | None) -> None:
        """A message that is not in its place was deleted, or the bot may not see it: Discord is asked which."""
        try:
            self._look(post, told or self._discord.message(self._room.channel, post.message))
        except Gone:
            self._room.keep(post.with_(gone=True), post)

    def _look(self, post: Post, told: Document) -> None:
        """Compare the reactions under a message with those that stood at the last look. Raises Gone."""
        counts, emoji = self._counts(told)
        changed = counts != dict(post.counts) or self._now - post.looked >= self._full_look_s
        seen = {name: dict(people) for name, people in post.seen.items()}
        new: dict[Reaction, list[str]] = {}
        if changed:
            for name, _ in _WORDS:
                standing = self._who(post, emoji[name]) if counts.get(name) else set()
                new[name] = _compare(seen.setdefault(name, {}), standing)
        for name, word in _WORDS:
            self._enter(post, name, word, new.get(name, []), seen.get(name, {}))
        now_wanted = self._wish(post, new.get("another", []), seen.get("another", {}))
        after = now_wanted.with_(seen=seen, counts=counts, looked=self._now if changed else post.looked)
        if after != post:
            self._room.keep(after, post)

    def _counts(self, told: Document) -> tuple[dict[str, int], dict[str, str]]:
        """How many people gave each reaction that means something, the bot left out; and how Discord calls each."""
        review = self._film.production.discord
        meant = {name: _key(getattr(review, name)) for name, _ in _WORDS}
        counts, called = {}, {}
        for reaction in told.get("reactions") or []:
            emoji = reaction["emoji"]
            name_of_it = str(emoji["name"]) if emoji.get("id") is None else f"{emoji['name']}:{emoji['id']}"
            for name, key in meant.items():
                count = int(reaction["count"]) - bool(reaction.get("me"))
                if _key(name_of_it) == key and count > 0:
                    counts[str(name)], called[str(name)] = count, name_of_it
        return counts, called

    def _who(self, post: Post, emoji: str) -> set[str]:
        people = self._discord.who_reacted(self._room.channel, post.message, emoji)
        return {str(user["id"]) for user in people if not _is_bot(user) and user["id"] != self._room.bot}

    def _enter(self, post: Post, name: Reaction, word: Word, new: list[str], seen: Mapping[str, int]) -> None:
        for account in new:
            person = self._people.get(account)
            if person is None or not person.may_judge:
                self.heard.ignored += 1
                continue
            self._say(post, word, person, f"discord {post.message} {name} {account} {seen[account]}")

    def _wish(self, post: Post, new: list[str], seen: Mapping[str, int]) -> Post:
        """What becomes of the wish for another take: noted, taken back, fulfilled by a reply, or acted on.

        One take is enough, however many people press.
        """
        asking = [account for account, times in seen.items() if times > 0 and self._may(account)]
        fresh = [account for account in new if self._may(account) and not self._just_directed(post, account)]
        wish = post.wish
        if wish is not None and wish.by not in asking:
            # Whoever pressed meanwhile still wants it.
            wish = Wish(asking[0], wish.since) if asking else None
        if wish is None and fresh and all(account in new for account in asking):
            wish = Wish(fresh[0], self._now)
        if wish is None or self._now - wish.since < self._grace_s:
            return post.with_(wish=wish)
        number = post.wishes + 1
        take = self._film.ledger.takes.one(post.shot, post.take, post.work)
        name = f"discord {post.message} another {number}"
        said = self._ask(post, self._people[wish.by], take.direction if take else "", name)
        self._answer(post.message, name, said)
        return post.with_(wish=None, wishes=number)

    def _may(self, account: str) -> bool:
        person = self._people.get(account)
        return person is not None and person.may_judge

    def _just_directed(self, post: Post, account: str) -> bool:
        return account in post.answered and self._now - post.answered[account] <= self._grace_s

    # The ledger, and answers

    def _say(self, post: Post, word: Word, person: CrewMember, name: str, note: str = "") -> None:
        """Enter a word on a take. Asking for another take is one too, and is entered past the look at its number."""
        if word == "retake":
            verdict = TakeVerdict(post.shot, post.work, post.take, word, person.name, "discord", note, name)
            self._film.ledger.verdicts.give(verdict)
        else:
            say_of_take(self._film, post.shot, post.take, word, person.name, "discord", note, name, post.work)
        self.heard.words += 1

    def _ask(self, post: Post, person: CrewMember, direction: str, name: str, kept: str = "") -> str:
        """Open one more take inside what was signed. Returns what the person is told. kept: of their own words."""
        try:
            take = another_take(self._film, post.shot, person.name, "discord", direction, name, post.work, self._line)
        except GateLocked as locked:
            gate = f"{self._review_url}/shots/{post.shot}{GATE}"
            return message(
                f"No take was asked for: {plain(locked.problem)}", kept, f"Somebody who may sign can open it: {gate}"
            )
        except FilmProblem as problem:
            self.heard.problems.append(str(problem))
            return message(f"No take was asked for: {plain(problem.problem)}", plain(problem.mend), kept)
        self.heard.takes.append(take)
        asked = f"{'Hero take' if post.work == 'hero' else 'Take'} {take.take} of `{post.shot}` is asked for"
        return (
            message(f"{asked}, with this direction:", f"> {plain(take.direction)}") if take.direction else f"{asked}."
        )

    def _answer(self, reply_to: str, name: str, said: str) -> None:
        """Answer a message, once: the same answer again has the same nonce."""
        nonce = hashlib.sha256(f"answer {self._film.ledger.id} {name}".encode()).hexdigest()[:24]
        self._discord.post(self._room.channel, said, nonce, reply_to=reply_to)
        self.heard.answers += 1


def _is_bot(user: Document) -> bool:
    return bool(user.get("bot"))


def _is_machine(told: Document) -> bool:
    """Whether a message is by a bot, by us or by a webhook."""
    return _is_bot(told["author"]) or "webhook_id" in told


def _key(emoji: str) -> str:
    """What makes two emoji the same: one of a server's own is known by its number, whatever it is called."""
    return emoji.rpartition(":")[2] if ":" in emoji else bare_emoji(emoji)


def _compare(seen: dict[str, int], standing: set[str]) -> list[str]:
    """Bring what was seen to what stands; the accounts whose reaction is new, or back after it was taken away."""
    new = sorted((account for account in standing if seen.get(account, 0) <= 0), key=int)
    for account in new:
        seen[account] = 1 - seen.get(account, 0)
    for account, times in list(seen.items()):
        if times > 0 and account not in standing:
            seen[account] = -times
    return new
