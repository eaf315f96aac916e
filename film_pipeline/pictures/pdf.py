"""Pages of pictures as a PDF, written page by page: a long film's board never stands in memory as a whole."""

import io
import os
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

_QUALITY = 88
_CATALOG, _PAGES, _FIRST = 1, 2, 3


def write_pdf(pages: Iterable[Image.Image], path: Path, title: str = "", dots_an_inch: float = 150.0) -> int:
    """Write the pages, and return how many they are. There is no date in it: the same pages are the same bytes.

    Raises ValueError for no pages, and then leaves no file. Source: ISO 32000-1, 7.5 (file structure).
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            count = _Writer(file, dots_an_inch).write(pages, title)
        if count == 0:
            raise ValueError("a PDF has at least one page")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return count


class _Writer:
    def __init__(self, file: io.BufferedWriter, dots_an_inch: float) -> None:
        self._file, self._points = file, 72 / dots_an_inch
        self._offsets: dict[int, int] = {}

    def write(self, pages: Iterable[Image.Image], title: str) -> int:
        self._file.write(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
        count = 0
        for page in pages:
            self._page(_FIRST + 3 * count, page)
            count += 1
        kids = " ".join(f"{_FIRST + 3 * number} 0 R" for number in range(count))
        info = _FIRST + 3 * count
        self._object(_PAGES, f"<< /Type /Pages /Count {count} /Kids [{kids}] >>".encode())
        self._object(_CATALOG, f"<< /Type /Catalog /Pages {_PAGES} 0 R >>".encode())
        self._object(
            info, b"<< /Title <" + (b"\xfe\xff" + title.encode("utf-16-be", "replace")).hex().encode() + b"> >>"
        )
        start = self._file.tell()
        last = info + 1
        table = [
            b"0000000000 65535 f \n",
            *(f"{self._offsets[name]:010d} 00000 n \n".encode() for name in range(1, last)),
        ]
        self._file.write(f"xref\n0 {last}\n".encode() + b"".join(table))
        trailer = f"trailer\n<< /Size {last} /Root {_CATALOG} 0 R /Info {info} 0 R >>\nstartxref\n{start}\n%%EOF\n"
        self._file.write(trailer.encode())
        return count

    def _page(self, name: int, page: Image.Image) -> None:
        """Three objects: the page, what is drawn on it, and its picture as JPEG."""
        wide, high = page.width * self._points, page.height * self._points
        drawn, picture = name + 1, name + 2
        self._object(
            name,
            f"<< /Type /Page /Parent {_PAGES} 0 R /MediaBox [0 0 {wide:.3f} {high:.3f}] "
            f"/Resources << /XObject << /P {picture} 0 R >> >> /Contents {drawn} 0 R >>".encode(),
        )
        self._stream(drawn, "", f"q {wide:.3f} 0 0 {high:.3f} 0 0 cm /P Do Q".encode())
        encoded = io.BytesIO()
        page.convert("RGB").save(encoded, "JPEG", quality=_QUALITY, subsampling=0)
        kind = (
            f"/Type /XObject /Subtype /Image /Width {page.width} /Height {page.height} "
            "/ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /DCTDecode "
        )
        self._stream(picture, kind, encoded.getvalue())

    def _stream(self, name: int, kind: str, content: bytes) -> None:
        head = f"<< {kind}/Length {len(content)} >>\nstream\n".encode()
        self._object(name, head + content + b"\nendstream")

    def _object(self, name: int, body: bytes) -> None:
        self._offsets[name] = self._file.tell()
        self._file.write(f"{name} 0 obj\n".encode() + body + b"\nendobj\n")
