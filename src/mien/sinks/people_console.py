"""The people of a clip as a table in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mien.interfaces import Frame
from mien.people import People, Person
from mien.results import Distribution, FrameResult
from mien.sinks.console import ConsoleSink
from mien.sinks.labels import percent

if TYPE_CHECKING:
    from rich.console import Console
TOP = 3
"""How many facial expressions are listed."""


class PeopleConsoleSink:
    """The people of clips, printed when all have ended; pictures at once, as `ConsoleSink` does.

    Args:
        balance: With the balance of positive and negative expressions.
        console: Where to print; standard output by default.
    """

    def __init__(self, *, balance: bool = False, console: Console | None = None) -> None:
        self._balance = balance
        self._console = console
        self._people = People()
        self._frames = 0
        self._stills: ConsoleSink | None = None

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Take one frame, or print one picture."""
        if result.time_s is None:
            self._stills = self._stills or ConsoleSink(self._console)
            self._stills.write(frame, result)
            return
        self._frames += 1
        self._people.add(result)

    def close(self) -> None:
        """Print the people; a second call prints nothing."""
        if self._stills is not None:
            self._stills.close()
        if not self._frames:
            return
        people = self._people.summary(with_balance=self._balance)
        print_people(people, self._console)
        if not people:
            from rich.console import Console as RichConsole

            (self._console or RichConsole()).print(f"no face in {self._frames:,} frames")
        self._frames = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def print_people(people: Sequence[Person], console: Console | None = None) -> None:
    """Print a table of people, one row each; nothing when there is nobody.

    Args:
        people: As `PeopleSink.people` or `People.summary` gives them.
        console: Where to print; standard output by default.
    """
    if not people:
        return
    from rich import box
    from rich.console import Console as RichConsole
    from rich.table import Table
    from rich.text import Text

    console = console or RichConsole()
    several = len({person.source for person in people}) > 1
    with_balance = any(person.balance is not None for person in people)
    heads = ["#", "seen", "on screen", "age (80 %)", "gender", "facial expression (%)"]
    heads = ["clip"] * several + heads + ["balance"] * with_balance
    lines = box.ASCII2 if console.encoding == "ascii" else box.SIMPLE_HEAD
    table = Table(box=lines, padding=(0, 1, 0, 0), pad_edge=False)
    for head in heads:
        right = head in ("#", "on screen", "balance")
        wraps = head in ("clip", "facial expression (%)")
        table.add_column(
            head,
            justify="right" if right else "left",
            no_wrap=not wraps,
            min_width=20 if wraps else None,
            overflow="fold",
        )
    for person in people:
        cells = [_printable(person.source)] * several + _cells(person)
        cells += [_signed(person.balance)] * with_balance
        # Text, not markup: a clip may be called "[red].mp4".
        plain = (cell.replace("\N{NO-BREAK SPACE}", " ") for cell in cells)
        encoded = (cell.encode(console.encoding, "replace") for cell in plain)
        table.add_row(*(Text(cell.decode(console.encoding)) for cell in encoded))
    console.print(table)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _cells(person: Person) -> list[str]:
    age = ""
    if person.age_years is not None:
        age = f"{person.age_years:.0f}"
        if person.age_low is not None and person.age_high is not None:
            age += f" ({person.age_low:.0f}-{person.age_high:.0f})"
    gender = person.gender
    return [
        f"{person.track_id}",
        f"{clock(person.first_s)}-{clock(person.last_s)}",
        f"{person.screen_time_s:.1f} s",
        age,
        "" if gender is None else f"{gender.best} {percent(gender.probability)}",
        "" if person.emotion is None else _shares(person.emotion),
    ]


def _shares(answer: Distribution) -> str:
    """The largest shares in per cent, without those that round to nothing."""
    pairs = sorted(zip(answer.labels, answer.probabilities, strict=True), key=lambda pair: -pair[1])
    return ", ".join(f"{name} {100 * share:.0f}" for name, share in pairs[:TOP] if share >= 0.005)


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}"


def clock(seconds: float) -> str:
    """``"1:02:03.4"``: hours only where there are any."""
    tenths = round(10 * seconds)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{head}:{rest // 10:02}.{rest % 10}"
