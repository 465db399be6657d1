"""A folder of photos as a table, with bounded memory.

python examples/folder_to_table.py [FOLDER]
"""

import sys
from pathlib import Path

from mien import Analyzer
from mien.adapters import to_pandas

folder = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent
frame = to_pandas(Analyzer(attributes=("age", "emotion")).stream(folder))
print(frame[["source", "age_years", "age_low", "age_high", "emotion"]].to_string())
