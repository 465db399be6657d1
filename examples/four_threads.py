"""One analyzer, four threads: the models are loaded once and shared."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mien import Analyzer

PHOTO = Path(__file__).with_name("astronaut.jpg").read_bytes()

analyzer = Analyzer(threads=1)
with ThreadPoolExecutor(4) as pool:
    answers = list(pool.map(lambda _: analyzer.analyze(PHOTO)[0], range(16)))
assert len(set(answers)) == 1  # results are plain values: equal answers are equal objects
print(f"16 times the same answer: apparent age {answers[0].faces[0].age.years:.1f}")
