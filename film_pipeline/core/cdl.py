"""ASC CDL, the grade that travels between departments: reading and writing `.cc`, `.ccc` and `.cdl`.

Source: ASC Color Decision List, release 1.2. Read with the standard library's expat; entities are refused, since a
grade has no use for them.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from pydantic import Field, ValidationError, field_validator

from film_pipeline.core.files import FilmFile
from film_pipeline.core.problems import FilmProblem

NAMESPACE = "urn:ASC:CDL:v1.2"
Triple = tuple[float, float, float]
_ROOTS = ("ColorCorrection", "ColorCorrectionCollection", "ColorDecisionList")
_NUMBERS = ("Slope", "Offset", "Power", "Saturation")


class Cdl(FilmFile):
    """Slope, offset and power per channel, then saturation: out = (in * slope + offset) ** power."""

    slope: Triple = Field(default=(1.0, 1.0, 1.0), description="red, green, blue; at least 0")
    offset: Triple = Field(default=(0.0, 0.0, 0.0), description="red, green, blue")
    power: Triple = Field(default=(1.0, 1.0, 1.0), description="red, green, blue; more than 0")
    saturation: float = Field(default=1.0, ge=0, description="0 is grey, 1 leaves it as it is")

    @field_validator("slope", "offset", "power", "saturation")
    @classmethod
    def _finite(cls, value: float | Triple) -> float | Triple:
        if not all(math.isfinite(number) for number in (value if isinstance(value, tuple) else (value,))):
            raise ValueError("a grade's numbers are finite")
        return value

    @field_validator("slope")
    @classmethod
    def _slope(cls, slope: Triple) -> Triple:
        if min(slope) < 0:
            raise ValueError("slope is at least 0")
        return slope

    @field_validator("power")
    @classmethod
    def _power(cls, power: Triple) -> Triple:
        if min(power) <= 0:
            raise ValueError("power is more than 0")
        return power


class Correction(FilmFile):
    """A grade with its name in the file."""

    id: str = ""
    description: str = ""
    cdl: Cdl = Cdl()


def read_corrections(path: Path) -> tuple[Correction, ...]:
    """Every correction of a `.cc`, `.ccc` or `.cdl` file, in its order. Raises FilmProblem."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise FilmProblem("the grade is missing", f"write {path.name} or name another", file=path) from error
    return _Reader(path).read(data)


def read_cdl(path: Path, correction_id: str = "") -> Cdl:
    """One grade of a file: the one named, else the only one. Raises FilmProblem."""
    found = read_corrections(path)
    if correction_id:
        for correction in found:
            if correction.id == correction_id:
                return correction.cdl
        known = ", ".join(correction.id for correction in found if correction.id) or "no named ones"
        raise FilmProblem(f"the file holds no correction {correction_id!r}", f"it holds {known}", file=path)
    if len(found) > 1:
        known = ", ".join(correction.id or "(unnamed)" for correction in found)
        raise FilmProblem(f"the file holds {len(found)} corrections", f"name one as {path.name}#ID: {known}", file=path)
    return found[0].cdl


def write_cc(cdl: Cdl, correction_id: str, description: str = "") -> str:
    """One grade as a `.cc` document."""
    return _HEAD + _correction(Correction(id=correction_id, description=description, cdl=cdl), "", NAMESPACE)


def write_ccc(corrections: Sequence[Correction]) -> str:
    """A collection of grades as a `.ccc` document."""
    inner = "".join(_correction(correction, "  ") for correction in corrections)
    return f'{_HEAD}<ColorCorrectionCollection xmlns="{NAMESPACE}">\n{inner}</ColorCorrectionCollection>\n'


def write_cdl(corrections: Sequence[Correction]) -> str:
    """A color decision list (`.cdl`), one decision a grade."""
    inner = "".join(
        f"  <ColorDecision>\n{_correction(correction, '    ')}  </ColorDecision>\n" for correction in corrections
    )
    return f'{_HEAD}<ColorDecisionList xmlns="{NAMESPACE}">\n{inner}</ColorDecisionList>\n'


_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def _correction(correction: Correction, indent: str, namespace: str = "") -> str:
    attributes = f" id={quoteattr(correction.id)}" if correction.id else ""
    attributes += f' xmlns="{namespace}"' if namespace else ""
    cdl = correction.cdl
    lines = [f"<ColorCorrection{attributes}>"]
    if correction.description:
        lines.append(f"  <Description>{escape(correction.description)}</Description>")
    lines += [
        "  <SOPNode>",
        *(f"    <{name}>{_numbers(value)}</{name}>" for name, value in _sop(cdl)),
        "  </SOPNode>",
        "  <SatNode>",
        f"    <Saturation>{cdl.saturation!r}</Saturation>",
        "  </SatNode>",
        "</ColorCorrection>",
    ]
    return "".join(f"{indent}{line}\n" for line in lines)


def _sop(cdl: Cdl) -> tuple[tuple[str, Triple], ...]:
    return (("Slope", cdl.slope), ("Offset", cdl.offset), ("Power", cdl.power))


def _numbers(values: Triple) -> str:
    return " ".join(repr(value) for value in values)


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._parser = expat.ParserCreate(namespace_separator="|")
        self._parser.StartElementHandler = self._open
        self._parser.EndElementHandler = self._close
        self._parser.CharacterDataHandler = self._read_text
        self._parser.EntityDeclHandler = self._refuse_entity
        self._place: list[str] = []
        self._text: list[str] = []
        self._id = ""
        self._description = ""
        self._lines: dict[str, int] = {}
        self._values: dict[str, tuple[float, ...]] = {}
        self._found: list[Correction] = []

    def read(self, data: bytes) -> tuple[Correction, ...]:
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            told = expat.ErrorString(error.code)
            raise FilmProblem(
                f"broken CDL: {told}", "export the grade again", file=self._path, line=error.lineno
            ) from error
        except (LookupError, ValueError) as error:
            raise FilmProblem(f"broken CDL: {error}", "save it as UTF-8", file=self._path, line=1) from error
        if not self._found:
            raise FilmProblem("the file holds no correction", "export the grade again", file=self._path, line=1)
        return tuple(self._found)

    def _problem(self, problem: str, mend: str, field_name: str = "") -> FilmProblem:
        return FilmProblem(problem, mend, file=self._path, line=self._parser.CurrentLineNumber, field_name=field_name)

    def _refuse_entity(self, name: str, *_: object) -> None:
        raise self._problem(f"the file declares an XML entity, {name}, which no grade needs", "remove the DOCTYPE")

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        tag = name.rpartition("|")[2]
        if not self._place and tag not in _ROOTS:
            raise self._problem(f"this XML is no grade but <{tag}>", f"a grade begins with {' or '.join(_ROOTS)}")
        self._place.append(tag)
        self._text.clear()
        if tag == "ColorCorrection":
            self._id, self._description = attributes.get("id", ""), ""
            self._values = {}
        elif tag in ("ColorCorrectionRef", "CDLRef"):
            raise self._problem("the decision refers to a correction in another file", "export the corrections with it")

    def _read_text(self, text: str) -> None:
        self._text.append(text)

    def _close(self, _name: str) -> None:
        tag = self._place.pop()
        if "ColorCorrection" in self._place:
            if tag in _NUMBERS:
                self._lines[tag] = self._parser.CurrentLineNumber
                self._values[tag] = self._numbers(tag)
            elif tag == "Description" and self._place[-1] == "ColorCorrection":
                self._description = " ".join("".join(self._text).split())
        elif tag == "ColorCorrection":
            self._found.append(self._correction())

    def _numbers(self, tag: str) -> tuple[float, ...]:
        written = "".join(self._text).split()
        count = 1 if tag == "Saturation" else 3
        try:
            numbers = tuple(float(number) for number in written)
        except ValueError as error:
            raise self._problem(f"{' '.join(written)!r} is not in numbers", f"write {count}", tag) from error
        if len(numbers) != count:
            raise self._problem(f"{len(numbers)} numbers where {count} belong", f"write {count}", tag)
        if not all(math.isfinite(number) for number in numbers):
            raise self._problem("a grade's numbers are finite", "export the grade again", tag)
        return numbers

    def _correction(self) -> Correction:
        fields = {tag.lower(): value if tag != "Saturation" else value[0] for tag, value in self._values.items()}
        try:
            return Correction(id=self._id, description=self._description, cdl=Cdl.model_validate(fields))
        except ValidationError as error:
            refusal = error.errors()[0]
            tag = str(refusal["loc"][0]).capitalize()
            subject = f"correction {self._id!r}: " if self._id else ""
            raise FilmProblem(
                subject + refusal["msg"].removeprefix("Value error, "),
                "mend the number, or export the grade again",
                file=self._path,
                line=self._lines[tag],
                field_name=tag,
            ) from error
