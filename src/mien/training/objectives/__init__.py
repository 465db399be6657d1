"""What a network is trained to do: one small function an objective, chosen by name in a recipe.

Every objective returns one value a face and which faces carry its label; the loss is the weighted
sum of the means over these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from mien.errors import ConfigError
from mien.models import Registry
from mien.training.labels import Labels
from mien.training.tables import HeadTable, TeacherTable


@dataclass(frozen=True, slots=True)
class Task:
    """One head and one batch.

    Attributes:
        head: Name of the head.
        table: What the recipe says about it.
        raw: Columns of the network, ``(n, columns)``; what they mean depends on the `Form`.
        logits: The same as logits over the head's labels, ``(n, labels)``.
        labels: Targets.
        teacher: Probabilities of the teachers over the head's labels at the teacher's
            temperature, ``(n, labels)``; ``None`` without one.
        teaching: What the recipe says about the teachers.
    """

    head: str
    table: HeadTable
    raw: Tensor
    logits: Tensor
    labels: Labels
    teacher: Tensor | None = None
    teaching: TeacherTable = field(default_factory=TeacherTable)


Loss = Callable[[Task], tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True)
class Objective:
    """An objective and what it needs.

    Attributes:
        loss: Returns a value for every face ``(n,)`` and which of them count ``(n,)``.
        form: What the columns of the head are: ``"classes"`` (one logit a class), ``"value"``
            (one number), ``"ordinal"`` (one number, with a threshold for every age) or ``"any"``.
        heads: Heads it fits.
        ages: Kinds of age labels it learns from: ``"years"``, ``"bins"``; none when it only helps
            another one.
    """

    loss: Loss
    form: str = "classes"
    heads: tuple[str, ...] = ("age", "gender", "emotion")
    ages: tuple[str, ...] = ("years", "bins")

    @property
    def note(self) -> str:
        """First line of its documentation."""
        return (self.loss.__doc__ or "").partition("\n")[0]


objectives: Registry[Objective] = Registry("objective")
"""Objectives by name."""


def head_form(head: str, table: HeadTable) -> str:
    """Form of a head's columns.

    Raises:
        UnknownModelError: The recipe names an objective that does not exist.
        ConfigError: An objective does not fit the head, or two need different columns.
    """
    forms: dict[str, str] = {}
    for name in table.objective:
        objective = objectives[name]
        if head not in objective.heads:
            raise ConfigError(
                f"[heads.{head}]: the objective {name!r} is for {', '.join(objective.heads)}"
            )
        if objective.form != "any":
            forms[objective.form] = name
    if len(forms) > 1:
        raise ConfigError(
            f"[heads.{head}]: the objectives {' and '.join(forms.values())} cannot share one head: "
            "they need different columns"
        )
    form = next(iter(forms), "classes")
    if table.groups and form != "classes":
        raise ConfigError(f"[heads.{head}]: age groups are classes; {forms[form]!r} needs a number")
    return form


def multi_task_loss(tasks: Mapping[str, Task]) -> dict[str, Tensor]:
    """Every term of the loss: weight times the mean over the rows that carry its label.

    A term without a single labelled row is 0. The sum of the terms is what training minimises.
    """
    from mien.training.distributed import masked_mean

    return {
        f"{head}/{name}": weight * masked_mean(*objectives[name].loss(task))
        for head, task in tasks.items()
        for name, weight in task.table.objective.items()
    }


from mien.training.objectives import ages, classes, distillation  # noqa: E402  (register themselves)

__all__ = [
    "Objective",
    "Task",
    "ages",
    "classes",
    "distillation",
    "head_form",
    "multi_task_loss",
    "objectives",
]
