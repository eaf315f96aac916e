"""The ten stages of the film, in shooting order."""

from enum import StrEnum


class Stage(StrEnum):
    """A stage of the film. The value names its module, its asset group and its column on the board."""

    SCRIPT = "script"
    STORYBOARD = "storyboard"
    LOOK = "look"
    SET_CHARACTERS = "set_characters"
    CAMERAS = "cameras"
    RENDER = "render"
    VFX = "vfx"
    COLOR = "color"
    EDIT = "edit"
    DELIVER = "deliver"

    @property
    def number(self) -> int:
        """Place in shooting order, 1 to 10."""
        return list(Stage).index(self) + 1

    @property
    def heading(self) -> str:
        """How the stage is written on the board."""
        return _TITLES[self]

    def through(self) -> tuple["Stage", ...]:
        """Every stage from the first up to and including this one."""
        return tuple(Stage)[: self.number]


_TITLES = {
    Stage.SCRIPT: "Script",
    Stage.STORYBOARD: "Storyboard",
    Stage.LOOK: "Look",
    Stage.SET_CHARACTERS: "Set & Characters",
    Stage.CAMERAS: "Cameras",
    Stage.RENDER: "Render",
    Stage.VFX: "VFX",
    Stage.COLOR: "Color",
    Stage.EDIT: "Edit",
    Stage.DELIVER: "Deliver",
}
