"""Damaged tables of runs and odd options: an answer in finite numbers, or one sentence."""

import random
from functools import partial

import numpy as np
import pytest
from conftest import ROOT
from fuzz import refusal, seeds
from test_run_tables import HEADER, RUN

from tokwatt.calibration.records import Calibrated
from tokwatt.calibration.runs.tables import read_runs
from tokwatt.params.parameters import ParameterFolder

CHANGES = [
    {},
    {"gpu_model": "B200", "model_id": "deepseek-ai/DeepSeek-V3.1", "weight_precision": "fp8"},
    {"model_id": "openai/gpt-oss-20b", "weight_precision": "mxfp4", "task": "lm-arena-chat"},
    {"model_id": "nobody/knows-this"},
]
ROWS = [[str((RUN | change)[name]) for name in HEADER] for change in CHANGES]
CELLS = [
    *("", " ", "abc", "2,500", '"2,500"', "nan", "inf", "-inf", "-600", "0", "-0.0", "1e999"),
    *("1e-320", "1_000", "\u0663", "0x10", "true", "None", "9" * 400, "+8", " 8 ", "8.", ".5"),
    *("\x1b[2J", "\x00", '"', "'", "a\nb", '"a\nb"', "\u2028", "\ufeff", "x" * 10**5, "1e400"),
    *("H100", "B200", "A100", "qwen3-8b", "fp8", "1", "1024", "1e6", "16777216", "1048576"),
    *("=1+1", "1;2", "$(touch pwned)", "<script>", "%s", "{0}", "\\", "1e5", "700", "0.001"),
]
ENCODINGS = ["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"]


@pytest.fixture(scope="module")
def calibrated():
    return Calibrated(ParameterFolder(ROOT / "params"))


def damaged(chance):
    """A table with one to three of its cells, rows, columns or bytes changed."""
    rows = [list(HEADER), *map(list, ROWS)]
    delimiter, end = chance.choice(",,,,;\t|"), chance.choice(["\n", "\n", "\r\n", "\r", "\n\n"])
    for _ in range(chance.randint(1, 3)):
        row, place = chance.choice(rows), chance.randrange(len(HEADER))
        match chance.randrange(10):
            case 0 | 1 | 2 | 3:
                row[place % len(row) :][:1] = [chance.choice(CELLS)]
                row[place % len(row)] = chance.choice(CELLS)
            case 4:
                del row[place % len(row)]
                row = row or [""]
            case 5:
                row.insert(place, chance.choice(CELLS))
            case 6:
                for other in rows:
                    other.insert(place, other[chance.randrange(len(other))] if other else "")
            case 7:
                rows = [[cell for i, cell in enumerate(other) if i != place] for other in rows]
            case 8:
                rows = rows[: chance.randint(1, len(rows))]
            case 9:
                rows = [rows[0], *(rows[1:] * 2)[:8]]
        rows = [other or [""] for other in rows]
    text = end.join(delimiter.join(other) for other in rows) + end
    data = bytearray(text.encode(chance.choice(ENCODINGS), errors="replace"))
    for _ in range(chance.choice([0, 0, 0, 0, 1, 5])):
        if data:
            data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data[: chance.choice([len(data)] * 6 + [chance.randrange(len(data) + 1)])])


def score(calibrated, path):
    """Scores the runs of a table that are to be used, in finite numbers."""
    runs = read_runs(calibrated.model.measured, [path])
    assert runs.dropped.isprintable()
    score = calibrated.score(runs.rows)
    known = [name for name in score if not name.startswith("first_token")]
    assert np.isfinite(score[known].to_numpy(float)).all()
    assert score.runs.sum() == len(runs.rows) > 0


@pytest.mark.fuzz
def test_a_damaged_table_is_scored_or_refused_in_one_sentence(calibrated, tmp_path):
    path, tried, scored = tmp_path / "runs.csv", seeds("runs"), 0
    for seed in tried:
        path.write_bytes(damaged(random.Random(seed)))
        sentence = refusal(seed, partial(score, calibrated, path))
        scored += sentence is None
        assert sentence is None or sentence.startswith(str(path)), (seed, sentence)
    assert 0.02 * len(tried) < scored < 0.6 * len(tried)
