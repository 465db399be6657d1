"""The page: one HTML file that needs nothing else, on a screen, a phone and paper."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from importlib.util import find_spec
from string import Template

from mien import __version__
from mien.errors import MissingExtraError
from mien.people import Person
from mien.report import charts, timelines
from mien.report.collect import Clip, Contents, Stills
from mien.report.figures import short, slug
from mien.report.pieces import (
    HALF_PX,
    WIDE_PX,
    Figures,
    facts,
    legend,
    many,
    notes,
    people_table,
    person_lines,
    time_text,
)

CAVEAT = (
    "Ages are <strong>apparent</strong> ages with 80 % intervals; expressions are how faces look, "
    "not what anybody feels; gender is the two-class label of the data sets that the model learned "
    "from. A person is a face that was followed through one clip; the number names nobody, and "
    "somebody who comes back after a cut or a long absence gets a new one. A model can be wrong, "
    "for some groups of people more often than for others."
)
BALANCE = (
    "Balance: share of happiness minus the shares of sadness, anger, disgust, fear and contempt, "
    "from -1 to 1. It counts facial expressions and is no validated measure of valence or mood."
)

DRAWN = 60
"""People of one clip with figures, those seen longest; the table lists all."""

OPEN = 12
"""People whose time lines are unfolded, again those seen longest."""


def check_report() -> None:
    """Refuse early when the library that draws is not installed.

    Raises:
        MissingExtraError: It is not.
    """
    if find_spec("plotly") is None:
        raise MissingExtraError("the report", "report")


def page(
    contents: Contents,
    *,
    title: str | None = None,
    with_balance: bool = False,
    pictures: Mapping[int, Mapping[int, bytes]] | None = None,
    remarks: Iterable[str] = (),
) -> str:
    """Write the page.

    Args:
        contents: What the tables hold.
        title: Heading; names the clips when omitted.
        with_balance: With the balance of expressions, see `mien.people.balance`.
        pictures: Key frames as JPEG, by position in `Contents.clips` and number of the person.
        remarks: Sentences at the top.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    check_report()
    from plotly.offline import get_plotlyjs

    figures = Figures()
    folder = files("mien.report")
    pictures = pictures or {}
    sections = [
        _clip(k, clip, contents, figures, pictures.get(k, {}), with_balance)
        for k, clip in enumerate(contents.clips)
    ]
    if len(contents.clips) > 1:
        sections.insert(0, _together(contents, figures))
    if contents.stills.images:
        sections.append(_stills(contents.stills, contents, figures))
    template = Template(folder.joinpath("page.html").read_text("utf-8"))
    return template.substitute(
        version=escape(__version__),
        title=escape(title or default_title(contents)),
        style=folder.joinpath("page.css").read_text("utf-8"),
        facts=facts(_totals(contents)),
        caveat=CAVEAT,
        remarks=notes(remarks),
        nav=_nav(contents),
        content="\n".join(sections),
        plotly=get_plotlyjs(),
        script=folder.joinpath("page.js").read_text("utf-8"),
    )


def default_title(contents: Contents) -> str:
    """Names what was looked at."""
    clips = [short(clip.source) for clip in contents.clips]
    if len(clips) == 1 and not contents.stills.images:
        return f"People in {clips[0]}"
    parts = [many(len(clips), "clip")] if clips else []
    parts += [many(contents.stills.images, "picture")] if contents.stills.images else []
    return f"People in {' and '.join(parts)}" if parts else "No faces"


def _totals(contents: Contents) -> dict[str, str]:
    clips, stills = contents.clips, contents.stills
    totals: dict[str, str] = {}
    if len(clips) == 1:
        totals["clip"] = short(clips[0].source)
    if clips:
        totals["clips"] = f"{len(clips):,}"
        totals["duration"] = time_text(sum(clip.end_s - clip.start_s for clip in clips))
        totals["people"] = f"{sum(len(clip.tracks) for clip in clips):,}"
        totals["frames looked at"] = f"{sum(clip.frames for clip in clips):,}"
    if len(clips) == 1:
        del totals["clips"]
        totals["size"] = f"{clips[0].width} × {clips[0].height}"
    if stills.images:
        totals |= {"pictures": f"{stills.images:,}", "faces in them": f"{stills.faces:,}"}
    return totals


def _nav(contents: Contents) -> str:
    links = {f"clip-{k}": short(clip.source) for k, clip in enumerate(contents.clips)}
    if contents.stills.images:
        links["pictures"] = "Pictures"
    if len(links) < 2:
        return ""
    items = "".join(f'<li><a href="#{key}">{escape(text)}</a></li>' for key, text in links.items())
    return f'<nav aria-label="Sections"><ul>{items}</ul></nav>'


def _together(contents: Contents, figures: Figures) -> str:
    """Counts over all clips."""
    people = [person for clip in contents.clips for person in clip.people()]
    drawing = charts.counts(
        charts.people_counts(people),
        contents.age_groups,
        contents.genders,
        unit="people",
        name="all-clips-people-by-age-and-gender",
        title="All clips: people by age group and gender",
    )
    return "\n".join(
        [
            "<section>",
            "<h2>All clips</h2>",
            '<p class="muted small">Somebody who is in two clips is counted twice.</p>',
            figures.add(drawing, "People by age group and gender"),
            "</section>",
        ]
    )


def _clip(
    number: int,
    clip: Clip,
    contents: Contents,
    figures: Figures,
    pictures: Mapping[int, bytes],
    with_balance: bool,
) -> str:
    """Everything about one clip."""
    people = clip.people(with_balance=with_balance)
    longest = {person.track_id for person in by_screen_time(people)[:DRAWN]}
    drawn = [person for person in people if person.track_id in longest]
    name, clip_name = slug(clip.source), short(clip.source)
    parts = [f'<section class="clip" id="clip-{number}">']
    several = len(contents.clips) > 1 or contents.stills.images
    parts += [f"<h2>{escape(short(clip.source))}</h2>", facts(_facts(clip))] if several else []
    parts.append(notes(_remarks(clip, people)))
    if clip.labels.emotions and any(person.emotion for person in people):
        parts += _times(number, clip, drawn, figures, pictures, with_balance)
    aged = [person for person in drawn if person.age_years is not None]
    if aged or any(person.gender for person in people):
        side_by_side = 0 < len(aged) <= charts.FEW
        paper = HALF_PX if side_by_side else WIDE_PX
        parts += ["<h3>Ages and groups</h3>", f'<div class="{"pair" if side_by_side else ""}">']
        if aged:
            parts.append(
                figures.add(
                    charts.ages(aged, f"{name}-ages", title=f"{clip_name}: apparent ages"),
                    "Apparent ages",
                    paper=paper,
                )
            )
        counted = charts.counts(
            charts.people_counts(people),
            contents.age_groups,
            contents.genders,
            unit="people",
            name=f"{name}-people-by-age-and-gender",
            title=f"{clip_name}: people by age group and gender",
        )
        parts += [figures.add(counted, "People by age group and gender", paper=paper), "</div>"]
    if people:
        parts += ["<h3>Everybody</h3>", people_table(people, with_balance=with_balance)]
        parts += [f'<p class="muted small">{BALANCE}</p>'] * with_balance
    return "\n".join([*parts, "</section>"])


def _facts(clip: Clip) -> dict[str, str]:
    return {
        "duration": time_text(clip.end_s - clip.start_s),
        "people": f"{len(clip.tracks):,}",
        "frames looked at": f"{clip.frames:,}",
        "size": f"{clip.width} × {clip.height}",
    }


def _remarks(clip: Clip, people: Sequence[Person]) -> list[str]:
    remarks = []
    if not people:
        remarks.append("Nobody was followed in this clip.")
    if len(people) > DRAWN:
        remarks.append(
            f"Figures show the {DRAWN} people who are seen longest; the table lists all "
            f"{len(people):,}."
        )
    if clip.unfollowed:
        remarks.append(f"{many(clip.unfollowed, 'face')} without a person number left out.")
    if clip.unreadable and clip.first_error:
        remarks.append(
            f"{many(clip.unreadable, 'place')} could not be read. The first: {clip.first_error}"
        )
    return remarks


def _times(
    number: int,
    clip: Clip,
    people: Sequence[Person],
    figures: Figures,
    pictures: Mapping[int, bytes],
    with_balance: bool,
) -> list[str]:
    """Overview and time lines."""
    name, group = slug(clip.source), f"clip-{number}"
    parts = ["<h3>Facial expressions over time</h3>", legend(clip.labels.emotions)]
    if len(people) > 1:
        drawing = timelines.overview(clip, people, f"{name}-overview")
        caption = "Who is seen when, most probable expression"
        parts.append(figures.add(drawing, caption, group=group))
    longest = {person.track_id for person in by_screen_time(people)[:OPEN]}
    rows: dict[bool, list[str]] = {True: [], False: []}
    for person in people:
        drawing = timelines.timeline(
            clip,
            person,
            f"{name}-person-{person.track_id}-expressions",
            with_balance=with_balance,
        )
        rows[person.track_id in longest].append(
            f'<article class="person"><div class="who">{_image(person, pictures)}'
            f"<div>{person_lines(person)}</div></div>"
            f"{figures.add(drawing, '', group=group)}</article>"
        )
    parts += rows[True]
    if rows[False]:
        summary = f"Time lines of {len(rows[False])} more people, who are seen for less time"
        parts.append(f"<details><summary>{summary}</summary>{''.join(rows[False])}</details>")
    return parts


def _image(person: Person, pictures: Mapping[int, bytes]) -> str:
    """The key frame of a person."""
    if person.track_id not in pictures:
        return ""
    data = b64encode(pictures[person.track_id]).decode()
    words = f"Key frame of person {person.track_id}"
    return f'<img src="data:image/jpeg;base64,{data}" alt="{words}">'


def by_screen_time(people: Iterable[Person]) -> list[Person]:
    """Those seen longest first."""
    return sorted(people, key=lambda person: -person.screen_time_s)


def _stills(stills: Stills, contents: Contents, figures: Figures) -> str:
    """Pictures, counted by face."""
    parts = ['<section class="clip" id="pictures">', "<h2>Pictures</h2>"]
    remarks = ["Counted by face, for nobody is followed from picture to picture."]
    if stills.unreadable and stills.first_error:
        remarks.append(
            f"{many(stills.unreadable, 'file')} could not be read. The first: {stills.first_error}"
        )
    parts.append(notes(remarks))
    parts.append('<div class="pair">')
    if stills.groups:
        drawing = charts.counts(
            stills.groups,
            contents.age_groups,
            contents.genders,
            unit="faces",
            name="pictures-faces-by-age-and-gender",
            title="Pictures: faces by age group and gender",
        )
        parts.append(figures.add(drawing, "Faces by age group and gender", paper=HALF_PX))
    if stills.emotions:
        drawing = charts.expressions(stills.emotions, "pictures-faces-by-expression")
        parts.append(figures.add(drawing, "Faces by facial expression", paper=HALF_PX))
    return "\n".join([*parts, "</div>", "</section>"])
