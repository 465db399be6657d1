"""Results for other libraries; each of them is imported only when its function is called."""

from mien.adapters.deepface import to_deepface
from mien.adapters.supervision import to_supervision
from mien.adapters.tables import to_pandas, to_polars

__all__ = ["to_deepface", "to_pandas", "to_polars", "to_supervision"]
