"""The sizes in which a production's pictures are made."""

from film_pipeline.core.production import Production


def rendered_size(production: Production) -> tuple[int, int]:
    """Width and height that the renderer works at: the delivered size scaled, in even numbers."""
    width, height = (2 * round(side * production.quality.scale / 2) for side in production.resolution)
    return width, height


def previz_size(production: Production) -> tuple[int, int]:
    """Width and height of the previz that panels are drawn from: 640 wide at the most, in the picture's own shape."""
    width, height = production.resolution
    scale = min(1.0, 640 / width)
    return 2 * round(width * scale / 2), 2 * round(height * scale / 2)
