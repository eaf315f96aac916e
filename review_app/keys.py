"""The keys of the review app: the one table that the handler, the help, the docs and a test read."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Key:
    """A key, as the browser names it, and what it does. where: everywhere, or the part of the app that it works in.

    shown: how people read it.
    """

    key: str
    action: str
    says: str
    where: str = "everywhere"
    shown: str = ""

    @property
    def label(self) -> str:
        return self.shown or (self.key.upper() if len(self.key) == 1 else self.key)


WHERE = {"everywhere": "Everywhere", "list": "In lists", "player": "In the viewer"}

KEYS: tuple[Key, ...] = (
    Key("?", "help", "show or hide this help"),
    Key("Escape", "close", "close what is open", shown="Esc"),
    Key("/", "search", "go to the search field"),
    Key("t", "theme", "dark room or light table"),
    Key("1", "go-scenes", "scenes"),
    Key("2", "go-board", "board"),
    Key("4", "go-dailies", "dailies"),
    Key("5", "go-pictures", "storyboard, turnarounds and sheets"),
    Key("6", "go-find", "find a frame"),
    Key("ArrowDown", "list-next", "next shot", "list", "↓"),
    Key("ArrowUp", "list-previous", "previous shot", "list", "↑"),
    Key("Enter", "list-open", "open the shot", "list", "Enter"),
    Key(" ", "play", "play or stop", "player", "Space"),
    Key("l", "forward", "play forward; again for twice the speed", "player"),
    Key("k", "stop", "stop", "player"),
    Key("j", "backward", "play backward; again for twice the speed", "player"),
    Key("ArrowRight", "step-next", "one frame on", "player", "→"),
    Key("ArrowLeft", "step-previous", "one frame back", "player", "←"),
    Key("Shift+ArrowRight", "exposure-next", "next exposure", "player", "Shift →"),
    Key("Shift+ArrowLeft", "exposure-previous", "previous exposure", "player", "Shift ←"),
    Key("Home", "go-first", "first frame", "player"),
    Key("End", "go-last", "last frame", "player"),
    Key("i", "mark-in", "play from here", "player"),
    Key("o", "mark-out", "play to here", "player"),
    Key("u", "clear-marks", "play all of it again", "player"),
    Key("ArrowDown", "next-shot", "next shot", "player", "↓"),
    Key("ArrowUp", "previous-shot", "previous shot", "player", "↑"),
    Key("e", "around", "the shot alone, or the cut around it", "player"),
    Key("v", "next-version", "next version of this stage", "player"),
    Key("s", "next-stage", "next stage: finished, comp, raw render, plate, storyboard", "player"),
    Key("w", "wipe", "wipe against the other picture", "player"),
    Key("b", "blink", "blink against the other picture", "player"),
    Key("q", "swap", "swap the two pictures", "player"),
    Key("[", "wipe-left", "move the wipe left", "player"),
    Key("]", "wipe-right", "move the wipe right", "player"),
    Key("p", "pose", "pose over the picture", "player"),
    Key("g", "onion", "onion skin: the exposures before and after", "player"),
    Key("3", "previz", "the shot in 3D", "player"),
    Key("r", "recipe", "the recipe of this frame", "player"),
    Key("f", "full", "fill the screen", "player"),
)


def keys_of(*where: str) -> list[Key]:
    """The keys that work on a page with these parts."""
    return [key for key in KEYS if key.where == "everywhere" or key.where in where]
