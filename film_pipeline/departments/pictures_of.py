"""The sizes in which a production's pictures are made."""

from film_pipeline.core.production import Production


def rendered_size(production: Production) -> tuple[int, int]:
    """Width and height that the renderer works at: the delivered size scaled, in even numbers."""
    width, height = (2 * round(side * production.quality.scale / 2) for side in production.resolution)
    return width, height


def previz_size(production: Production) -> tuple[int, int]:
    """Width and height of the previz that panels are drawn from: 640 wide at the most, in the picture's own shape."""
    return _at_most(640, production)


def proxy_size(production: Production) -> tuple[int, int]:
    """Width and height of the films that editing and review load: 960 wide at the most."""
    return _at_most(960, production)


def _at_most(wide: int, production: Production) -> tuple[int, int]:
    width, height = production.resolution
    scale = min(1.0, wide / width)
    return 2 * round(width * scale / 2), 2 * round(height * scale / 2)
