"""The files that an author writes, their models, and the JSON Schemas that are published for them."""

from dataclasses import dataclass
from typing import Any

from film_pipeline.core.files import FilmFile
from film_pipeline.core.heroes import HeroFile
from film_pipeline.core.look import Look, LookFile
from film_pipeline.core.production import Production
from film_pipeline.core.puppet import CharacterFile
from film_pipeline.core.sets import SetFile
from film_pipeline.core.shot import SceneFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class AuthorsFile:
    """A kind of file that an author writes.

    path: where it lies in a production, with <...> for a name of the author's choice. fields: the model whose fields
    the file may hold, where that is not the model that reads it.
    """

    name: str
    path: str
    model: type[FilmFile]
    says: str
    fields: type[FilmFile] | None = None

    @property
    def documented(self) -> type[FilmFile]:
        return self.fields or self.model


AUTHORS_FILES = (
    AuthorsFile(
        "production", "production.yaml", Production, "What the production is called, how it is shot and who may sign."
    ),
    AuthorsFile("shots", "shots/<SC010>.yaml", SceneFile, "The shots of one scene, in the order of the cut."),
    AuthorsFile("character", "cast/<name>/character.yaml", CharacterFile, "A puppet: how it is built and dressed."),
    AuthorsFile("set", "sets/<name>/set.yaml", SetFile, "A set: its pieces, its marks and its lights."),
    AuthorsFile(
        "look",
        "look/look.yaml",
        LookFile,
        "The look bible. Under `scenes:` each scene may say any of it again, and a shot under its `look:`. A colour is "
        "a name of the palette, '#rrggbb', or [r, g, b] in scene-linear Rec.709.",
        fields=Look,
    ),
    AuthorsFile(
        "heroes",
        "heroes.yaml",
        HeroFile,
        "Stills that show what each scene should look like; the first of a scene is its hero. The look's prompt and "
        "its LoRA are added to every one.",
    ),
)
"""Of the core; what other parts of the house read is added by whoever knows them."""


def schema_of(file: AuthorsFile) -> dict[str, Any]:
    """The JSON Schema of a kind of file, for editors and for other programs."""
    made = LookFile.published_schema() if file.model is LookFile else file.model.model_json_schema()
    return {"$schema": DIALECT, "$id": f"{file.name}.schema.json", **made, "title": file.path, "description": file.says}
