"""Results as data frames: one row a face, the same columns as the CSV and Parquet files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mien.errors import MissingExtraError
from mien.results import FrameResult
from mien.rows import TableColumns, flat_rows

if TYPE_CHECKING:
    import pandas
    import polars


def to_pandas(
    results: Iterable[FrameResult], *, age_distribution: bool = False
) -> pandas.DataFrame:
    """Turn results into a pandas data frame.

    `mien.rows` explains the columns. Whole numbers are ``Int64`` and text is ``string``, so that
    a missing value stays missing (``NA``) and does not turn numbers into floats; all other
    numbers are ``float64`` with NaN.

    Needs ``pip install 'mien[pandas]'``.

    Args:
        results: What `mien.analyze` returns, or any other results; read once.
        age_distribution: Add a column with the 101 probabilities of every age.

    Returns:
        One row a face; an image without faces, or one that could not be read, has one row with
        empty face columns. Without results the frame has all columns and no rows.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingExtraError("mien.adapters.to_pandas", "pandas") from error

    kinds = {"text": "string", "integer": "Int64", "number": "float64", "numbers": "object"}
    columns, values = _columns(results, age_distribution)
    return pd.DataFrame(
        {name: pd.Series(values[name], dtype=kinds[kind]) for name, kind in columns.kinds.items()}
    )


def to_polars(
    results: Iterable[FrameResult], *, age_distribution: bool = False
) -> polars.DataFrame:
    """Turn results into a polars data frame.

    `mien.rows` explains the columns. A missing value is ``null``; the column
    ``age_distribution`` is a list of ``Float64``.

    Needs ``pip install 'mien[polars]'``.

    Args:
        results: What `mien.analyze` returns, or any other results; read once.
        age_distribution: Add a column with the 101 probabilities of every age.

    Returns:
        Rows as for `to_pandas`.

    Raises:
        MissingExtraError: polars is not installed.
    """
    try:
        import polars as pl
    except ImportError as error:
        raise MissingExtraError("mien.adapters.to_polars", "polars") from error

    kinds: dict[str, Any] = {
        "text": pl.String,
        "integer": pl.Int64,
        "number": pl.Float64,
        "numbers": pl.List(pl.Float64),
    }
    columns, values = _columns(results, age_distribution)
    schema = {name: kinds[kind] for name, kind in columns.kinds.items()}
    return pl.DataFrame(values, schema=schema)


def _columns(
    results: Iterable[FrameResult], age_distribution: bool
) -> tuple[TableColumns, dict[str, list[Any]]]:
    """What the columns hold and their values, column by column."""
    frames = list(results)
    columns = TableColumns.from_results(frames, age_distribution=age_distribution)
    rows = [row for frame in frames for row in flat_rows(frame, columns)]
    return columns, {name: [row[name] for row in rows] for name in columns.names}
