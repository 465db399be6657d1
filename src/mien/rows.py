"""Results as flat rows: one row a face, the same columns for every table format.

Columns, in order; all but the first five may be empty (``None``):

=============================  =======  ===========================================================
``source``                     text     path, URL or name of the image, as the user gave it
``index``                      integer  position of the frame in its source; 0 for stills
``time_s``                     number   time stamp within a video in seconds
``width``, ``height``          integer  size of the upright image in pixels; 0 when it was not read
``error``                      text     why the image could not be read
``face``                       integer  position of the face in `FrameResult.faces`, from 0
``left`` ... ``bottom``        number   face box in pixels; right and bottom are exclusive
``score``                      number   detector confidence
``right_eye_x`` ...            number   five landmarks, ``_x`` and ``_y`` each, in pixels
``age_years``                  number   apparent age: the median of the distribution
``age_low``, ``age_high``      number   ends of its 80 % interval
``age_group``                  text     most probable age group
``age_group_<label>``          number   probability of every age group
``gender``                     text     most probable label
``gender_probability``         number   its probability
``gender_<label>``             number   probability of every label
``emotion``                    text     most probable facial expression
``emotion_probability``        number   its probability
``emotion_<label>``            number   probability of every facial expression
``quality_<measure>``          number   as in `mien.results.Quality`
``smoothed_<answer>``                   ``age_years`` to ``emotion_<label>`` again, as in
                                        `mien.results.Smoothed`; only when asked for
``track_id``                   integer  same number for the same person within one video
``skipped``                    text     why attributes were not computed
``age_distribution``           numbers  probability of every year, 0 to 100; only when asked for
``smoothed_age_distribution``  numbers  the same of `Smoothed`; when both are asked for
=============================  =======  ===========================================================

An image without faces, or one that could not be read, still gives one row: nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias

from mien.config import EMOTIONS, GENDERS, AnalyzeConfig
from mien.errors import ConfigError
from mien.results import Distribution, Face, FrameResult, Landmarks, Quality, Smoothed

Kind: TypeAlias = Literal["text", "integer", "number", "numbers"]

AGE_GROUPS = tuple(map(str, AnalyzeConfig().age_groups))
"""Names of the age groups of the default configuration."""

SMOOTHED = "smoothed_"
"""What the columns of `mien.results.Smoothed` begin with."""

QUALITY = tuple(Quality.__dataclass_fields__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumns:
    """Which columns a table has; they are fixed before the first result comes.

    Attributes:
        emotions: Facial expressions the model can answer with.
        genders: Gender labels the model can answer with.
        age_groups: Names of the configured age groups, e.g. ``"26-59"``.
        age_distribution: Whether the column ``age_distribution`` is wanted.
        smoothed: Whether the columns of `mien.results.Smoothed` are wanted, as videos fill them.
    """

    emotions: tuple[str, ...] = EMOTIONS
    genders: tuple[str, ...] = GENDERS
    age_groups: tuple[str, ...] = AGE_GROUPS
    age_distribution: bool = False
    smoothed: bool = False

    def __post_init__(self) -> None:
        names = [name for name, _ in self._columns()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(
                f"two columns would be called {twice[0]!r}; every label must be named once "
                "and none may be called 'probability'"
            )

    @classmethod
    def from_results(
        cls, results: Iterable[FrameResult], *, age_distribution: bool = False
    ) -> Self:
        """Columns for results that are all there already.

        Labels come in the order in which they are seen; a question that no face answers keeps
        its default labels. Smoothed answers get columns when there are any.
        """
        emotions: dict[str, None] = {}
        genders: dict[str, None] = {}
        groups: dict[str, None] = {}
        smoothed = False
        for face in (face for result in results for face in result.faces):
            smoothed = smoothed or face.smoothed is not None
            for asked in (face, face.smoothed or face):
                emotions.update(dict.fromkeys(asked.emotion.labels if asked.emotion else ()))
                genders.update(dict.fromkeys(asked.gender.labels if asked.gender else ()))
                groups.update(dict.fromkeys(asked.age.groups.labels if asked.age else ()))
        return cls(
            emotions=tuple(emotions) or EMOTIONS,
            genders=tuple(genders) or GENDERS,
            age_groups=tuple(groups) or AGE_GROUPS,
            age_distribution=age_distribution,
            smoothed=smoothed,
        )

    @property
    def kinds(self) -> dict[str, Kind]:
        """What every column holds, by its name and in order."""
        return dict(self._columns())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(name for name, _ in self._columns())

    def _columns(self) -> list[tuple[str, Kind]]:
        places = [
            *("left", "top", "right", "bottom", "score"),
            *(f"{point}_{axis}" for point in Landmarks._fields for axis in "xy"),
        ]
        columns: list[tuple[str, Kind]] = [
            *(("source", "text"), ("index", "integer"), ("time_s", "number")),
            *(("width", "integer"), ("height", "integer"), ("error", "text")),
            ("face", "integer"),
            *((name, "number") for name in places),
            *self._answers(),
            *((f"quality_{name}", "number") for name in QUALITY),
        ]
        if self.smoothed:
            columns += [(f"{SMOOTHED}{name}", kind) for name, kind in self._answers()]
        columns += [("track_id", "integer"), ("skipped", "text")]
        if self.age_distribution:
            columns.append(("age_distribution", "numbers"))
            columns += [(f"{SMOOTHED}age_distribution", "numbers")] * self.smoothed
        return columns

    def _answers(self) -> list[tuple[str, Kind]]:
        columns: list[tuple[str, Kind]] = [
            *((f"age_{name}", "number") for name in ("years", "low", "high")),
            ("age_group", "text"),
            *((f"age_group_{label}", "number") for label in self.age_groups),
        ]
        for head, labels in (("gender", self.genders), ("emotion", self.emotions)):
            columns += [(head, "text"), (f"{head}_probability", "number")]
            columns += [(f"{head}_{label}", "number") for label in labels]
        return columns


def flat_rows(result: FrameResult, columns: TableColumns) -> list[dict[str, Any]]:
    """Turn one result into rows: one a face, or a single one without a face.

    Args:
        result: All faces of one frame.
        columns: Which columns the rows have.

    Returns:
        Mappings with the same keys in the same order, `TableColumns.names`; values are ``None``,
        ``str``, ``int``, ``float`` or, for ``age_distribution``, a tuple of ``float``.

    Raises:
        ConfigError: A face carries a label that has no column: leaving it out would lose data.
    """
    empty: dict[str, Any] = dict.fromkeys(columns.names)
    empty.update(
        source=result.source,
        index=result.index,
        time_s=result.time_s,
        width=result.width,
        height=result.height,
        error=result.error,
    )
    if not result.faces:
        return [empty]
    rows = []
    for number, face in enumerate(result.faces):
        row = empty | {"face": number} | _face_values(face, columns)
        if len(row) > len(empty):
            extra = next(name for name in row if name not in empty)
            raise ConfigError(
                f"the table has no column {extra!r}; name all labels of the model in TableColumns"
            )
        rows.append(row)
    return rows


def _face_values(face: Face, columns: TableColumns) -> dict[str, Any]:
    """The columns that one face fills."""
    values: dict[str, Any] = {
        **face.box._asdict(),
        "score": face.score,
        "track_id": face.track_id,
        "skipped": face.skipped,
        **_answers(face, columns),
    }
    if face.landmarks is not None:
        for name, point in face.landmarks._asdict().items():
            values[f"{name}_x"], values[f"{name}_y"] = point
    if face.quality is not None:
        values |= {f"quality_{name}": getattr(face.quality, name) for name in QUALITY}
    if columns.smoothed and face.smoothed is not None:
        answers = _answers(face.smoothed, columns)
        values |= {f"{SMOOTHED}{name}": value for name, value in answers.items()}
    return values


def _answers(asked: Face | Smoothed, columns: TableColumns) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if asked.age is not None:
        values |= {
            "age_years": asked.age.years,
            "age_low": asked.age.low,
            "age_high": asked.age.high,
            "age_group": asked.age.group,
            **_probabilities("age_group", asked.age.groups),
        }
        if columns.age_distribution:
            values["age_distribution"] = asked.age.distribution
    for head, answer in (("gender", asked.gender), ("emotion", asked.emotion)):
        if answer is not None:
            values[head], values[f"{head}_probability"] = answer.best, answer.probability
            values |= _probabilities(head, answer)
    return values


def _probabilities(head: str, answer: Distribution) -> dict[str, float]:
    pairs = zip(answer.labels, answer.probabilities, strict=True)
    return {f"{head}_{label}": probability for label, probability in pairs}
