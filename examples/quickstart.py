"""Every face of one photo: apparent age with its interval, gender, facial expression.

python examples/quickstart.py [PHOTO]
"""

import sys
from pathlib import Path

import mien

photo = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("astronaut.jpg")
for result in mien.analyze(photo):
    if result.error:
        sys.exit(f"{result.source}: {result.error}")
    for face in result.faces:
        if face.skipped:
            print(f"a face without an answer: {face.skipped}")
            continue
        print(f"apparent age {face.age.years:.0f} ({face.age.low:.0f} to {face.age.high:.0f})")
        print(f"{face.gender.best} {face.gender.probability:.0%}")
        print(f"{face.emotion.best} {face.emotion.probability:.0%}")
