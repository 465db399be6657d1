"""Source -> detect -> align -> attributes -> track -> result.

`analyzer` answers for pictures; `video` follows people through clips with the same steps.
"""

from mien.pipeline.analyzer import Analyzer, analyze

__all__ = ["Analyzer", "analyze"]
