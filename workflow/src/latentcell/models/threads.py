"""Threads of one model, which give the same bytes in any number.

The threads take blocks of a computation one after the other. Each block is computed by one thread
as it would be alone, and sums over blocks are added in the order of the blocks.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

# The helpers of a thread that has begun `shared_threads`.
_local = threading.local()


@contextmanager
def model_threads(number: int) -> Iterator[None]:
    """Let models that are trained meanwhile use a number of threads, and all else one."""
    before, _local.wanted = torch.get_num_threads(), number
    torch.set_num_threads(1)
    try:
        yield
    finally:
        _local.wanted = None
        torch.set_num_threads(before)


@contextmanager
def shared_threads(device: torch.device) -> Iterator[None]:
    """Give the threads of `model_threads`, or PyTorch's, to `in_order` for a while.

    PyTorch's own operations run on one thread meanwhile, since they split sums by the number of
    threads. Nothing changes on a CUDA device.
    """
    before = torch.get_num_threads()
    number = getattr(_local, "wanted", None) or before
    if device.type != "cpu" or getattr(_local, "helpers", None):
        yield
        return
    # Also for a wanted number of 1: Numba, when it starts its threads (scanpy's choice of genes),
    # sets OpenMP's number to that of the cores.
    torch.set_num_threads(1)
    try:
        if number == 1:
            yield
            return
        # OpenMP has a number of threads for each thread that calls it.
        with ThreadPoolExecutor(
            number - 1, initializer=lambda: torch.set_num_threads(1)
        ) as helpers:
            _local.helpers, _local.number = helpers, number
            try:
                yield
            finally:
                _local.helpers = None
    finally:
        torch.set_num_threads(before)


def ahead(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield a result of each item, and compute the next one meanwhile where there are threads."""
    helpers: ThreadPoolExecutor | None = getattr(_local, "helpers", None)
    if helpers is None:
        yield from map(work, items)
        return
    waiting: Future[Result] | None = None
    for item in items:
        upcoming = helpers.submit(work, item)
        if waiting is not None:
            yield waiting.result()
        waiting = upcoming
    if waiting is not None:
        yield waiting.result()


def shares(size: int, least: int) -> list[slice]:
    """Split a range into a part for each thread, of at least `least` elements but the last.

    The parts depend on the number of threads: for results that do not depend on the parts.
    """
    number = _local.number if getattr(_local, "helpers", None) else 1
    step = max(least, -(-size // number))
    return [slice(start, min(start + step, size)) for start in range(0, size, step)]


def in_order(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    take: Callable[[Result], object] | None = None,
) -> None:
    """Compute a result of each item on all threads, and take the results in the items' order.

    Parameters
    ----------
    work : callable
        Runs on any thread, several at once. Must release the lock of Python's interpreter for most
        of its time.
    items : iterable
        Advanced by one thread at a time.
    take : callable, optional
        Called with each result, by one thread at a time.
    """
    helpers: ThreadPoolExecutor | None = getattr(_local, "helpers", None)
    number = _local.number if helpers is not None else 1
    if isinstance(items, Sized):
        number = min(number, len(items))
    if helpers is None or number <= 1:
        for item in items:
            result = work(item)
            if take is not None:
                take(result)
        return
    team = _Team(work, items, take)
    futures = [helpers.submit(team.run) for _ in range(number - 1)]
    try:
        team.run()
    finally:
        # Those that have not begun find nothing left.
        running = [future for future in futures if not future.cancel()]
        for future in running:
            future.exception()
    for future in running:
        future.result()


class _Team(Generic[Item, Result]):
    """One call of `in_order` with several threads."""

    def __init__(
        self,
        work: Callable[[Item], Result],
        items: Iterable[Item],
        take: Callable[[Result], object] | None,
    ) -> None:
        self._work, self._take = work, take
        self._items = enumerate(items)
        self._lock = threading.Lock()
        self._waiting: dict[int, Result] = {}
        self._taken = 0

    def run(self) -> None:
        """Work on items until none is left; after an error nobody begins another."""
        try:
            while True:
                with self._lock:
                    entry = next(self._items, None)
                if entry is None:
                    return
                self._finish(entry[0], self._work(entry[1]))
        except BaseException:
            with self._lock:
                self._items = enumerate(())
            raise

    def _finish(self, index: int, result: Result) -> None:
        """Take the result and those that waited for it; keep it where one before it is missing."""
        if self._take is None:
            return
        with self._lock:
            self._waiting[index] = result
            while self._taken in self._waiting:
                self._take(self._waiting.pop(self._taken))
                self._taken += 1
