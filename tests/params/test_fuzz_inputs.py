"""Damaged traces and configurations are read as usable numbers, or refused in one sentence."""

import csv
import io
import json
import math
import random
import re
from functools import partial

import pytest
from fuzz import refusal, seeds
from test_fuzz import NUMBERS, WORDS
from test_huggingface import CONFIGS
from test_params import JUNK

from tokwatt.params.llms import huggingface
from tokwatt.params.records import reading
from tokwatt.params.records.section import Section
from tokwatt.params.traces.traces import read_trace
from tokwatt.units import MOST_TOKENS

HEADERS = [
    ["TIMESTAMP", "ContextTokens", "GeneratedTokens"],
    ["Timestamp", "Model", "Request tokens", "Response tokens", "Total tokens"],
    ["timestamp", "input_length", "output_length", "hash_ids"],
    ["arrival_time_ms", "prompt_tokens", "completion_tokens"],
]
NAMES = [name for header in HEADERS for name in header]
TIMES = [
    "2023-11-16 18:15:46.680",
    "2023-11-16T18:15:46Z",
    "0001-01-01",
    "9999-12-31T23:59:59+00:00",
    *("1.5", "-3", "1e11", "1.0001e11", "1700000000000", "1e308", "-1e308", "nan", "inf", "-0"),
]
CELLS = [
    *("", " ", "0", "-1", "1", "16777216", "16777217", "999999999999", "1e3", "1_0", "+7", "7.0"),
    *(
        "7.5",
        "٣",
        "²",
        "①",
        "０",
        "nan",
        "inf",
        "abc",
        "2,500",
        '"',
        '""',
        "'",
        "a\nb",
        "\0",
        "x" * 10**5,
    ),
    *("9" * 5000, "\x1b[2J", "\u2028", "<script>", "$(touch pwned)", "=1+1"),
]
PIECES = ["\0", '"', ",", ";", "\t", "\n", "\r", "\r\n", "\ufeff", "\x1b", "\x85", ",,,,", '"\n"']


class Inputs:
    """Random inputs, all from one seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.pick = self.random.choice

    def damaged(self, raw):
        """Bytes cut off, changed, put in or in another encoding; mostly as they are."""
        kind = self.random.random()
        if kind < 0.1:
            return raw[: self.random.randrange(len(raw) + 1)]
        if kind < 0.15:
            encoding = self.pick(["utf-16", "utf-32", "cp500", "utf-7"])
            return raw.decode(errors="replace").encode(encoding, "replace")
        if kind < 0.3:
            raw = bytearray(raw)
            for _ in range(self.pick([1, 3, 30])):
                raw[self.random.randrange(len(raw))] = self.random.randrange(256)
        elif kind < 0.4:
            for _ in range(self.pick([1, 2, 5])):
                place = self.random.randrange(len(raw))
                raw = raw[:place] + self.pick(PIECES).encode() + raw[place:]
        return bytes(raw)

    def trace(self):
        """A table of requests, some of its names, rows and cells damaged."""
        header = list(self.pick(HEADERS))
        rows = [self.row(header) for _ in range(self.pick([1, 2, 20, 600]))]
        for _ in range(self.pick([0, 0, 1, 1, 3])):
            self.pick([self.rename, self.shorten, *[self.change] * 4])(header, rows)
        text = io.StringIO()
        writer = csv.writer(
            text,
            delimiter=self.pick(",,,;\t"),
            quoting=self.pick([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
            lineterminator=self.pick(["\n", "\r\n", "\r"]),
        )
        writer.writerows([header, *rows])
        return self.damaged(text.getvalue().encode())

    def rename(self, header, rows):
        """One name replaced, put in or taken out."""
        place = self.random.randrange(len(header))
        name = self.pick([*NAMES, *CELLS])
        header[place : place + self.pick([0, 1, 1])] = self.pick([[name], [name], [name, name]])

    def shorten(self, header, rows):
        """A row taken out, or one cell of it taken out or put in."""
        place = self.random.randrange(len(rows))
        row = rows[place]
        rows[place : place + 1] = self.pick([[], [row[:-1]], [[*row, self.pick(CELLS)]], [[]]])
        if not rows:
            rows.append(row)

    def change(self, header, rows):
        """One cell replaced."""
        row = self.pick(rows)
        if row:
            row[self.random.randrange(len(row))] = self.pick([*CELLS, *TIMES])

    def row(self, header):
        """A good row, its times a minute apart."""
        time = f"2023-11-16 18:{self.random.randrange(60):02}:46" if "TIMESTAMP" in header else "60"
        return [
            str(self.random.randrange(1, 5000)) if re.search("(?i)token|length", name) else time
            for name in header
        ]

    def configuration(self):
        """A published configuration, some of its keys damaged."""
        config = json.loads(json.dumps(CONFIGS[self.pick(sorted(CONFIGS))]))
        for _ in range(self.pick([0, 1, 1, 2, 4])):
            text = config.get("text_config")
            inner = self.pick([config, text if isinstance(text, dict) and text else config])
            key = self.pick(sorted(inner) or ["model_type"])
            if self.random.random() < 0.2:
                inner.pop(key, None)
            elif self.random.random() < 0.2:
                inner[self.pick(sorted(self.pick(list(CONFIGS.values()))))] = inner.get(key)
            else:
                inner[key] = self.value(inner.get(key))
        text = json.dumps(config)
        if self.random.random() < 0.1:
            text = text.replace(",", self.pick([", " + text[1:20] + ",", ",,", ", NaN,"]), 1)
        return self.damaged(text.encode())

    def value(self, old):
        """Another value in place of one."""
        if type(old) is int:
            near = [
                -old,
                old + 1,
                old * 10**6,
                float(old) if abs(old) < 1e300 else 0.5,
                str(old),
                [old],
                2**24,
                2**24 + 1,
                10**20,
            ]
            return self.pick([*near, *(n for n in NUMBERS if type(n) is int), True])
        plain = [junk for junk in JUNK if json_can_say(junk)]
        return self.pick(
            [*plain, *WORDS, "llama", "deepseek_v3_text", "M*" * 26, ["full_attention"]]
        )


def json_can_say(value):
    return not isinstance(value, dict) or all(isinstance(key, str) for key in value)


def usable_trace(path):
    """Reads a trace whose every number can be used."""
    trace = read_trace(path)
    assert trace.requests > 0 and trace.prompt.min() >= 1 and trace.output.min() >= 1
    assert trace.longest <= MOST_TOKENS + 1
    assert trace.arrival_rate is None or 0 < trace.arrival_rate < math.inf


def usable_entry(path):
    """Reads a configuration as an entry that the parameter folder takes, too."""
    entry = huggingface.llm_entry(path, "name", "source")
    text = huggingface.to_yaml(entry).encode()
    records = list(Section(path, reading.mapping(path, text)).records())
    assert records and all(0 < record.value <= 2**53 for record in records)


@pytest.mark.fuzz
@pytest.mark.parametrize(
    ("kind", "read", "least"),
    [("trace", usable_trace, 0.3), ("configuration", usable_entry, 0.4)],
)
def test_a_damaged_input_is_usable_or_is_refused_in_one_sentence(kind, read, least, tmp_path):
    path, tried, refused = tmp_path / "input", seeds(f"{kind}s"), 0
    wanted = re.escape(str(path)) + r": .+, wanted .+\.|.+ has .+, wanted .+\."
    for seed in tried:
        path.write_bytes(getattr(Inputs(seed), kind)())
        sentence = refusal(seed, partial(read, path))
        refused += sentence is not None
        assert sentence is None or re.fullmatch(wanted, sentence), (seed, sentence)
    assert least * len(tried) < refused < 0.9 * len(tried)
    assert [entry.name for entry in tmp_path.iterdir()] == ["input"]
