"""Every department of the film, in working order."""

from film_pipeline.departments.cameras import CAMERAS
from film_pipeline.departments.color import COLOR
from film_pipeline.departments.deliver import DELIVER, MASTER
from film_pipeline.departments.department import Department
from film_pipeline.departments.edit import CUT, EDIT
from film_pipeline.departments.heroes import HEROES
from film_pipeline.departments.look import LOOK
from film_pipeline.departments.render import RENDER
from film_pipeline.departments.script import SCREENPLAY, SCRIPT
from film_pipeline.departments.set_characters import SET_CHARACTERS, TURNAROUNDS
from film_pipeline.departments.storyboard import ANIMATIC, STORYBOARD
from film_pipeline.departments.vfx import VFX

DEPARTMENTS: dict[str, Department] = {
    desk.name: desk
    for desk in (
        SCREENPLAY,
        SCRIPT,
        STORYBOARD,
        ANIMATIC,
        LOOK,
        SET_CHARACTERS,
        TURNAROUNDS,
        CAMERAS,
        RENDER,
        HEROES,
        VFX,
        COLOR,
        EDIT,
        CUT,
        DELIVER,
        MASTER,
    )
}
