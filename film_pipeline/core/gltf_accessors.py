"""A glb's accessors as numpy arrays: bounds are checked before anything is read or allocated.

Source: the glTF 2.0 specification, "Accessors", "Sparse accessors", "Data alignment" and "Animations" (for how whole
numbers stand for shares).
"""

import numpy as np
from numpy.typing import NDArray

from film_pipeline.core.gltf_file import AGAIN, AccessorEntry, Container, ViewEntry
from film_pipeline.core.meshes import Array
from film_pipeline.core.problems import FilmProblem

Wholes = NDArray[np.int64]
_KINDS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_COUNTING = (5121, 5123, 5125)
_MOST = {5120: 127, 5121: 255, 5122: 32767, 5123: 65535, 5125: 2**32 - 1}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
# An accessor without a view is all zeros, so no file size bounds it.
_MOST_ZEROS = 16_000_000


class Accessors:
    """Reads accessors by number. Every method raises FilmProblem that says which part of the file is wrong."""

    def __init__(self, container: Container) -> None:
        self.path = container.path
        self.file = container.json
        self.binary = container.binary

    def count(self, index: int, of: str) -> int:
        return self._entry(index, of).count

    def numbers(self, index: int, of: str, width: int, finite: bool = True) -> Array:
        """An accessor's numbers, (count, width) float64; normalised whole numbers as shares.

        of: what it is for, so that a problem can say it. finite: refuse NaN and infinity.
        """
        entry = self._entry(index, of, width)
        found = self._raw(entry, index, of)
        if entry.normalized and entry.component_type != 5126:
            most = _MOST[entry.component_type]
            return np.maximum(found.astype(float) / most, -1.0)
        numbers = found.astype(float)
        if finite and not np.isfinite(numbers).all():
            place = int(np.argwhere(~np.isfinite(numbers).all(axis=1))[0, 0])
            raise self.wrong(f"{of} holds NaN or infinity (accessor {index}, element {place})", "repair the mesh")
        return numbers

    def wholes(self, index: int, of: str, width: int) -> Wholes:
        """An accessor's whole numbers, (count, width) int64."""
        entry = self._entry(index, of, width)
        if entry.component_type not in _COUNTING:
            raise self.wrong(f"{of} holds what can't be counted with (accessor {index})")
        return self._raw(entry, index, of).astype(np.int64)

    def bytes_of_view(self, index: int, of: str) -> bytes:
        view = self._view(index, of)
        return bytes(self.binary[view.byte_offset : view.byte_offset + view.byte_length])

    def wrong(self, problem: str, mend: str = AGAIN) -> FilmProblem:
        return FilmProblem(problem, mend, file=self.path)

    def _entry(self, index: int, of: str, width: int | None = None) -> AccessorEntry:
        if index >= len(self.file.accessors):
            raise self.wrong(f"{of} is accessor {index}, and the file has {len(self.file.accessors)}")
        entry = self.file.accessors[index]
        if width is not None and _WIDTHS[entry.type] != width:
            raise self.wrong(f"{of} is of {entry.type} (accessor {index}), which has not {width} numbers each")
        return entry

    def _raw(self, entry: AccessorEntry, index: int, of: str) -> NDArray[np.generic]:
        dtype, width = np.dtype(_KINDS[entry.component_type]), _WIDTHS[entry.type]
        what = f"{of} (accessor {index})"
        if entry.buffer_view is not None:
            found = self._read(entry.buffer_view, entry.byte_offset, entry.count, width, dtype, what)
        elif entry.sparse is None:
            raise self.wrong(f"{what} has no data", "export it without compression")
        elif entry.count * width > _MOST_ZEROS:
            raise self.wrong(f"{what} asks for {entry.count * width} numbers that the file does not hold")
        else:
            found = np.zeros((entry.count, width), dtype)
        if entry.sparse is None:
            return found
        sparse = entry.sparse
        if sparse.count > entry.count:
            raise self.wrong(f"{what} changes {sparse.count} of its {entry.count} elements")
        indices, values = sparse.indices, sparse.values
        kind = np.dtype(_KINDS[indices.component_type])
        places = self._read(indices.buffer_view, indices.byte_offset, sparse.count, 1, kind, what)[:, 0]
        if int(places.max()) >= entry.count:
            raise self.wrong(f"{what} changes element {int(places.max())} of its {entry.count}")
        changed = found.copy()
        changed[places] = self._read(values.buffer_view, values.byte_offset, sparse.count, width, dtype, what)
        return changed

    def _read(
        self, view_index: int, offset: int, count: int, width: int, dtype: np.dtype[np.generic], what: str
    ) -> NDArray[np.generic]:
        view = self._view(view_index, what)
        size = width * dtype.itemsize
        stride = view.byte_stride or size
        if stride < size:
            raise self.wrong(f"{what} lies closer together than its elements are long")
        if offset + stride * (count - 1) + size > view.byte_length:
            raise self.wrong(f"{what} reaches beyond its buffer view {view_index}", "copy or export it again")
        return np.ndarray(
            (count, width), dtype, self.binary, view.byte_offset + offset, strides=(stride, dtype.itemsize)
        )

    def _view(self, index: int, what: str) -> ViewEntry:
        if index >= len(self.file.buffer_views):
            raise self.wrong(f"{what} lies in buffer view {index}, and the file has {len(self.file.buffer_views)}")
        view = self.file.buffer_views[index]
        if view.buffer >= len(self.file.buffers):
            raise self.wrong(f"{what} lies in buffer {view.buffer}, and the file has {len(self.file.buffers)}")
        buffer = self.file.buffers[view.buffer]
        if buffer.uri is not None or view.buffer > 0:
            where = f"{buffer.uri[:60]!r}" if buffer.uri else "another buffer"
            raise self.wrong(f"{what} lies outside the glb, in {where}", "export it as one .glb with all data in it")
        if not len(self.binary):
            raise self.wrong(f"{what} can't be read: the glb has no BIN chunk")
        if view.byte_offset + view.byte_length > min(len(self.binary), buffer.byte_length):
            raise self.wrong(f"{what} reaches beyond the BIN chunk", "copy or export it again")
        return view
