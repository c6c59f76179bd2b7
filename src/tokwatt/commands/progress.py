"""A progress bar with points per second and time left, where a terminal is there to show it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{(task.speed or 0) / 1e6:.3g} million points/s")


@contextmanager
def bar(name: str, points: int) -> Iterator[Callable[[int], None]]:
    """Show progress over `points`; yields what to call with each batch of finished ones."""
    columns = (
        TextColumn(name),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        _Speed(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=Console(stderr=True), disable=not Console(stderr=True).is_terminal
    ) as progress:
        task = progress.add_task(name, total=points)
        yield lambda finished: progress.advance(task, finished)
