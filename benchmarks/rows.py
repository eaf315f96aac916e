"""A measured figure with what it is compared with, as it is printed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A figure of one run. beside: the other way's figure from the same run; the ratio is beside over ours."""

    name: str
    figure: float
    unit: str
    bar: float | None = None
    beside: float | None = None
    holds: bool | None = None

    def __str__(self) -> str:
        ratio = f"{self.beside / self.figure:8.1f}x of {self.beside:.4g}" if self.beside and self.figure else ""
        bar = "" if self.bar is None else f"  bar {self.bar:g}: {'holds' if self.holds else 'MISSED'}"
        return f"{self.name:58} {self.figure:10.4g} {self.unit:9}{ratio}{bar}"
