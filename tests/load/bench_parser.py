"""How many messages one core reads per second, and what the vocabulary costs at the start.

Process time on one core, the median of several passes; the mixture is the recorded corpus where it lies beside the project, else
the golden messages, and apart from it the longest post a channel can send.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from modules.signals.parsing import parse
from modules.signals.parsing.lexicon import lexicon
from tests.load.table import Row

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "../shared/data/signals/corpus_dev.jsonl"
GOLDEN = ROOT / "tests/golden/parsing_messages.jsonl"
LONGEST_POST = 4_096
BAR = 2_000
PASSES = 7


def _texts(path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _median_seconds(work: Callable[[], object], passes: int = PASSES) -> float:
    taken = []
    for _ in range(passes):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return statistics.median(taken)


def run() -> list[Row]:
    """Messages per second on short and long posts, and the time to build the vocabulary."""
    texts = _texts(CORPUS if CORPUS.exists() else GOLDEN)
    long_posts = [("\n".join(texts[i : i + 40]))[:LONGEST_POST] for i in range(0, len(texts), 20)]
    rate = len(texts) / _median_seconds(lambda: [parse(text) for text in texts])
    long_rate = len(long_posts) / _median_seconds(lambda: [parse(text) for text in long_posts])
    start = _median_seconds(lambda: (lexicon.cache_clear(), lexicon()), passes=3)
    return [
        Row("parser", "messages read", rate, "1/s", f">= {BAR:,}/s", rate >= BAR),
        Row("parser", f"posts of up to {LONGEST_POST} characters read", long_rate, "1/s"),
        Row("parser", "vocabulary built at start", start * 1000, "ms", "<= 500 ms", start <= 0.5),
    ]


if __name__ == "__main__":
    from tests.load.table import render

    print(render(run()))
