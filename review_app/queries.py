"""The only reader: what the pages show, asked of the stores of one production."""

from pathlib import Path

from film_pipeline.stores.media import MediaStore


class Queries:
    """Reads the production's `.film` folder and never writes to its stores."""

    def __init__(self, made: Path) -> None:
        self.media = MediaStore(made)

    def thumbnail(self, sha256: str, width: int) -> Path:
        """A kept picture as JPEG, made once. Raises FilmProblem where there is no such picture."""
        return self.media.thumbnail(sha256, width)
