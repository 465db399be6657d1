"""The camera window: capture, inference and drawing, always the newest frame.

`run` is the whole of it. Three threads are joined by queues of one (`slot`): `capture` reads,
`session` answers, and the main thread draws (`app`, `view`) and listens to keys (`window`); a
fourth one writes what is saved (`writer`).
"""

from mien.live.run import Outcome, run

__all__ = ["Outcome", "run"]
