"""What is followed while pictures get worse: one number a face, a metric its mean."""

from __future__ import annotations

from dataclasses import replace

from mien.evaluation.protocols.age import age_errors, bin_hits, interval_hits, interval_widths
from mien.evaluation.protocols.answers import Answers, PerFace
from mien.evaluation.protocols.expression import (
    expression_confidences,
    expression_filter,
    expression_hits,
)
from mien.evaluation.protocols.gender import gender_hits


def followed(answers: Answers) -> list[PerFace]:
    """Every metric that labels and answers allow, with all of its protocol in `PerFace.where`.

    Confidence of the expression and width of the age interval need no label: where none is, they
    are followed on all faces.
    """
    judged = answers.where + expression_filter(answers)
    found = [
        replace(expression_hits(answers), where=judged),
        replace(expression_confidences(answers), where=judged),
        age_errors(answers),
        interval_hits(answers),
        interval_widths(answers),
        bin_hits(answers),
        gender_hits(answers),
    ]
    return [replace(values, after="") for values in found if len(values.faces)]
