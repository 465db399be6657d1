"""Small parts of the page: facts, notes, legends, tables, and the frame of a figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from mien.people import Person
from mien.report.figures import Drawing, css, to_json
from mien.results import Distribution
from mien.sinks.colours import expression_colours
from mien.sinks.labels import percent
from mien.sinks.people_console import clock

WIDE_PX = 690
"""Width of a figure on A4 paper."""

HALF_PX = 335
"""Width of one of two side by side."""

NBSP = "\N{NO-BREAK SPACE}"
TOP = 3
"""Expressions that are named with their share."""


class Figures:
    """Gives every figure of the page its number."""

    def __init__(self) -> None:
        self._count = 0

    def add(
        self,
        drawing: Drawing,
        caption: str,
        *,
        group: str = "",
        paper: int = WIDE_PX,
    ) -> str:
        """HTML of a figure with its data and its buttons.

        Args:
            drawing: What to draw.
            caption: Above it, with a line around both; none when empty.
            group: Figures of one group zoom together.
            paper: Width in pixels when it is printed.
        """
        self._count += 1
        key = f"plot-{self._count}"
        tools = _tools(key, drawing)
        heading = f"<figcaption><h4>{escape(caption)}</h4>{tools}</figcaption>" if caption else ""
        grouped = f' data-group="{escape(group)}"' if group else ""
        # Arrow keys move along a time line, and its value is read out.
        role = 'role="slider" tabindex="0" aria-valuenow="0"' if drawing.readout else 'role="img"'
        return (
            f"<figure{' class=framed' if caption else ''}>{heading}"
            f'<div class="plot" id="{key}" {role} aria-label="{escape(drawing.words)}" '
            f'data-name="{escape(drawing.name)}" '
            f'data-title="{escape(drawing.title)}" data-paper="{paper}"{grouped} '
            f'style="min-height:{drawing.height}px"></div>'
            f"{'' if caption else tools}"
            f'<script type="application/json" id="{key}-data">{to_json(drawing)}</script>'
            "</figure>"
        )


def _tools(key: str, drawing: Drawing) -> str:
    """Buttons that download a figure."""
    buttons = "".join(
        f'<button type="button" data-plot="{key}" data-format="{kind}" '
        f'aria-label="Download as {kind.upper()}: {escape(drawing.title)}">{kind.upper()}</button>'
        for kind in ("svg", "png")
    )
    return f'<div class="tools">{buttons}</div>'


def facts(found: Mapping[str, str]) -> str:
    """Items of a description list."""
    items = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(fact)}</dd></div>" for name, fact in found.items()
    )
    return f"<dl>{items}</dl>"


def notes(sentences: Iterable[str]) -> str:
    """Sentences in a box; nothing without any."""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<ul class="notes">{items}</ul>' if items else ""


def legend(labels: Sequence[str]) -> str:
    """Colours of the expressions with their names."""
    colours = expression_colours(labels)
    items = "".join(
        f'<li><span class="chip" style="background:{css(colours[label])}"></span>'
        f"{escape(label)}</li>"
        for label in labels
    )
    return f'<ul class="legend" aria-label="Colours of facial expressions">{items}</ul>'


def person_lines(person: Person) -> str:
    """Who it is, beside a time line."""
    lines = [f"<h4>Person {person.track_id}</h4>"]
    answers = [age_text(person)] if person.age_years is not None else []
    if person.gender is not None:
        answers.append(f"{escape(person.gender.best)} {percent(person.gender.probability)}")
    lines += [f"<p>{text}</p>" for text in answers]
    span = f"{clock(person.first_s)} – {clock(person.last_s)}"
    lines.append(f'<p class="muted">{span}</p>')
    lines.append(f'<p class="muted">seen for {time_text(person.screen_time_s)}</p>')
    if person.balance is not None:
        lines.append(f'<p class="muted">balance {person.balance:+.2f}</p>')
    return "".join(lines)


def age_text(person: Person) -> str:
    """``"age 34 (31–38)"``."""
    if person.age_years is None:
        return "–"
    text = f"age {person.age_years:.0f}"
    if person.age_low is not None and person.age_high is not None:
        text += f" ({person.age_low:.0f}–{person.age_high:.0f})"
    return text


def people_table(people: Sequence[Person], *, with_balance: bool = False) -> str:
    """All people of a clip, one row each."""
    heads = {
        "person": "",
        "seen from": "number",
        "to": "number",
        "on screen": "number",
        "frames": "number frames",
        "age (80 %)": "number",
        "group": "",
        "gender": "",
        "facial expressions, share of the time": "shares",
    }
    heads |= {"balance": "number"} if with_balance else {}
    head = "".join(
        f'<th scope="col" class="{kind}">{escape(name)}</th>' for name, kind in heads.items()
    )
    rows = []
    for person in people:
        gender = person.gender
        texts = [
            (clock(person.first_s), "number"),
            (clock(person.last_s), "number"),
            (time_text(person.screen_time_s), "number"),
            (f"{person.frames:,}", "number frames"),
            (age_text(person).removeprefix("age "), "number"),
            (escape(person.age_group or "–"), ""),
            (f"{escape(gender.best)} {percent(gender.probability)}" if gender else "–", ""),
            (_shares(person.emotion), "shares"),
        ]
        if with_balance:
            balance = "–" if person.balance is None else f"{person.balance:+.2f}"
            texts.append((balance, "number"))
        row = "".join(f'<td class="{kind}">{text}</td>' for text, kind in texts)
        rows.append(f'<tr><th scope="row">{person.track_id}</th>{row}</tr>')
    body = "\n".join(rows)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Table of people"><table>'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def _shares(answer: Distribution | None) -> str:
    """A bar of all expressions, and the largest in words."""
    if answer is None:
        return "–"
    colours = expression_colours(answer.labels)
    pairs = list(zip(answer.labels, answer.probabilities, strict=True))
    bar = "".join(
        f'<i style="width:{100 * share:.1f}%;background:{css(colours[name])}"></i>'
        for name, share in pairs
        if share >= 0.005
    )
    largest = sorted(pairs, key=lambda pair: -pair[1])[:TOP]
    words = ", ".join(f"{escape(name)} {100 * share:.0f}{NBSP}%" for name, share in largest)
    return f'<div class="mix" aria-hidden="true">{bar}</div><span class="words">{words}</span>'


def time_text(seconds: float) -> str:
    """``"7.5 s"``, ``"2:03 min"`` or ``"1:02:03 h"``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    text = clock(round(seconds)).removesuffix(".0")
    return f"{text} {'min' if round(seconds) < 3600 else 'h'}"


def many(count: int, unit: str) -> str:
    """``"1 face"``, ``"1,200 faces"``."""
    return f"{count:,} {unit}{'' if count == 1 else 's'}"
