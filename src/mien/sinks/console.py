"""Results as a table in the terminal, a few lines an image, as they come."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from mien.interfaces import Frame
from mien.results import Distribution, Face, FrameResult
from mien.sinks.labels import percent

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

MIN_WIDTH = 60
TOP = 3
"""How many facial expressions are listed."""


class ConsoleSink:
    """A Rich table for reading; programs should read JSON Lines.

    Every image is printed when its result comes, in columns of fixed width, so that a thousand
    images need no more memory than one.

    Args:
        console: Where to print; standard output by default. Pass the console of a progress bar
            when there is one, so that the two do not draw over each other.
    """

    def __init__(self, console: Console | None = None) -> None:
        if console is None:
            from rich.console import Console

            console = Console()
        self.console = console
        self._began = False
        width = max(MIN_WIDTH, console.width)
        fixed = {"face": 5, "age (80 %)": 11, "group": 6, "gender": 11}
        rest = width - sum(fixed.values()) - len(fixed) - 1
        source = min(40, rest * 2 // 5)
        self._widths = {"image": source, **fixed, "facial expression (%)": min(48, rest - source)}

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Print one image: a row a face, or one that says why there is none."""
        del frame
        if not self._began:
            self._began = True
            self._print_row(list(self._widths), style="bold")
            self._print_row(["─" * width for width in self._widths.values()], style="dim")
        name = self._name(result)
        if result.error is not None:
            self._print_note(name, "", result.error, style="red")
        elif not result.faces:
            self._print_note(name, "", "no face found", style="dim")
        for number, face in enumerate(result.faces, 1):
            label = f"{number}/{len(result.faces)}"
            label = label if face.track_id is None else f"#{face.track_id}"
            if face.skipped is not None:
                self._print_note(name, label, f"skipped: {face.skipped}", style="dim")
            else:
                self._print_row([name, label, *_answers(face)])
            name = ""

    def close(self) -> None:
        """Nothing to do: every row is out."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Any:
        self.close()

    def _name(self, result: FrameResult) -> str:
        """The end of the source, which tells images of one folder apart, and the time in it."""
        name = "".join(c if c.isprintable() else "?" for c in result.source)
        moment = "" if result.time_s is None else f" {result.time_s:.2f} s"
        room = self._widths["image"] - len(moment)
        return (name if len(name) <= room else "…" + name[1 - room :]) + moment

    def _print_row(self, cells: list[str], *, style: str = "") -> None:
        self._print_grid(cells, list(self._widths.values()), style)

    def _print_note(self, name: str, label: str, note: str, *, style: str) -> None:
        """A row whose last cell takes the width of all answers together."""
        image, face, *rest = self._widths.values()
        self._print_grid([name, label, note], [image, face, sum(rest) + len(rest) - 1], style)

    def _print_grid(self, cells: list[str], widths: list[int], style: str) -> None:
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 1, 0, 0))
        for width in widths:
            grid.add_column(width=width, overflow="fold")
        # Text, not markup: a file may be called "[red].jpg".
        row: list[RenderableType] = [Text(self._printable(cell)) for cell in cells]
        grid.add_row(*row, style=style)
        self.console.print(grid)

    def _printable(self, text: str) -> str:
        """Replace what the terminal's encoding lacks; it would raise."""
        encoding = self.console.encoding
        plain = text.replace("─", "-").replace("–", "-") if encoding == "ascii" else text
        return plain.encode(encoding, "replace").decode(encoding)


def _answers(face: Face) -> list[str]:
    """Cells for age, group, gender and facial expression."""
    age = face.age
    return [
        "" if age is None else f"{age.years:.0f} ({age.low:.0f}–{age.high:.0f})",
        "" if age is None else age.group,
        "" if face.gender is None else f"{face.gender.best} {percent(face.gender.probability)}",
        "" if face.emotion is None else _ranking(face.emotion),
    ]


def _ranking(answer: Distribution) -> str:
    pairs = sorted(zip(answer.labels, answer.probabilities, strict=True), key=lambda pair: -pair[1])
    # Without the sign, which stands in the head of the column: at 80 columns it would break lines.
    parts = (f"{label} {percent(probability)[:-2]}" for label, probability in pairs[:TOP])
    return ", ".join(parts)
