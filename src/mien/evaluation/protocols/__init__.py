"""What is measured on which data set, and how: one module a kind of label.

Every number carries the protocol it was measured under and the number of faces, because the
same accuracy means different things on different filters.
"""

from mien.evaluation.findings import Findings
from mien.evaluation.protocols.age import age_findings, bin_findings
from mien.evaluation.protocols.answers import Answers
from mien.evaluation.protocols.expression import class_findings, majority_findings
from mien.evaluation.protocols.gender import gender_findings
from mien.evaluation.protocols.groups import MIN_GROUP, group_findings
from mien.evaluation.protocols.votes import vote_findings

__all__ = ["MIN_GROUP", "Answers", "measure_all"]


def measure_all(answers: Answers) -> Findings:
    """Everything that the labels and the answers allow."""
    found = Findings()
    for measure in (
        majority_findings,
        class_findings,
        vote_findings,
        age_findings,
        bin_findings,
        gender_findings,
        group_findings,
    ):
        found += measure(answers)
    return found
