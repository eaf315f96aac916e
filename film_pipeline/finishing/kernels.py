"""Loops over pixels, compiled by numba at their first call, with a numpy way for machines where numba can't work.

Compiled code is kept beside the module (numba's cache), so only the first run on a machine compiles. Both are said in
the log. Importing this module imports no numba, so that commands which finish nothing start fast.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import Any

LOG = logging.getLogger(__name__)
_COMPILING = threading.Lock()
_BY_NUMPY: ContextVar[bool] = ContextVar("by_numpy", default=False)

Loop = Callable[..., Any]


@contextmanager
def by_numpy() -> Iterator[None]:
    """Within this, kernels work with numpy: to compare, and to look for a fault without compiled code."""
    before = _BY_NUMPY.set(True)
    try:
        yield
    finally:
        _BY_NUMPY.reset(before)


def numba_compiler() -> Callable[[Loop], Loop]:
    """Raises ImportError where numba can't work."""
    from numba import njit

    # nogil: frames are finished on several threads. No fastmath and no parallel sums: the same bytes everywhere.
    compiler: Callable[[Loop], Loop] = njit(cache=True, nogil=True, error_model="numpy")
    return compiler


class Kernel:
    """A loop, compiled when it is first needed. numpy_way: the same result without numba, slower."""

    def __init__(
        self, loop: Loop, numpy_way: Loop, compiler: Callable[[], Callable[[Loop], Loop]] = numba_compiler
    ) -> None:
        self.loop = loop
        self.numpy_way = numpy_way
        self._compiler = compiler
        self._way: Loop | None = None

    def __call__(self, *arguments: Any) -> Any:
        if _BY_NUMPY.get():
            return self.numpy_way(*arguments)
        if self._way is None:
            with _COMPILING:
                if self._way is None:
                    return self._first_call(arguments)
        return self._way(*arguments)

    def _first_call(self, arguments: tuple[Any, ...]) -> Any:
        try:
            way = self._compiler()(self.loop)
        except ImportError as error:
            LOG.warning("numba can't be used (%s): %s works with numpy, slower", error, self.loop.__name__)
            self._way = self.numpy_way
            return self._way(*arguments)
        started = perf_counter()
        result = way(*arguments)
        seconds = perf_counter() - started
        if sum(way.stats.cache_misses.values()):  # type: ignore[attr-defined]
            LOG.info("compiled %s in %.1f s; the next run finds it", self.loop.__name__, seconds)
        self._way = way
        return result

    @property
    def engine(self) -> str:
        """numba, numpy, or unused while nothing has called it."""
        if self._way is None:
            return "unused"
        return "numpy" if self._way is self.numpy_way else "numba"
