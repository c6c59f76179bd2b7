"""Damaged parameter and study files pass the check, or it says in one sentence what is wrong."""

import copy
import random
import re
import shutil
from functools import partial

import pytest
import quick_yaml
from conftest import GONE, ROOT
from fuzz import refusal, seeds
from test_params import JUNK, paths

from tokwatt.commands import workflow
from tokwatt.params.records import quantity, reading
from tokwatt.serving import catalogue

FILES = sorted(str(path.relative_to(ROOT / "params")) for path in (ROOT / "params").rglob("*.yaml"))
TEXTS = {name: (ROOT / "params" / name).read_text(encoding="utf-8") for name in FILES}
TREES = {name: quick_yaml.load(text) for name, text in TEXTS.items()}
PLACES = {name: list(paths(tree)) for name, tree in TREES.items()}
NUMBERS = [
    0,
    -0.0,
    -1,
    1e-308,
    5e-324,
    1e308,
    1e12,
    10**12,
    2**63,
    10**400,
    0.5,
    float("nan"),
    float("inf"),
    float("-inf"),
    7,
    1e-9,
]
UNITS = [
    "W",
    "s",
    "tok",
    "1",
    "%",
    "GiB/s",
    "m",
    "",
    "W**W",
    "1e999",
    "tok/0",
    "degC",
    "dBm",
    "W" * 5000,
    "(" * 300,
    "__import__('os')",
    "9**9**9**9",
    "W*9**99999",
]
WORDS = [
    "none",
    "all",
    "null",
    "\u2028",
    "a\nb",
    "{:.0f}",
    "{:9999999999d}",
    "{0.__class__}",
    "%s",
    "x" * 10**5,
]
VALUES = [*JUNK, *NUMBERS, *UNITS, *WORDS]
KEYS = ["new", "value", "unit", "linspace", "name", 3, None, "", "a\nb", "<<", "x" * 10**4]
SPACINGS = [
    [1, 2, 3],
    [1, 1, 1],
    [1, 2, 10**12],
    [0, 1, 3],
    [1, 1e308, 9],
    [2, 1, 2],
    [1, 2, -1],
    [-1e308, 1e308, 3],
    [1, 2, 2.5],
]
SYNTAX = [
    *(
        "[",
        "]",
        "{",
        "}",
        ":",
        ": ",
        "- ",
        "? ",
        "&a ",
        "*a",
        "|\n",
        ">\n",
        "'",
        '"',
        "#",
        "@",
        "`",
        "\t",
        "\r",
        "\0",
        "\ufeff",
        "\x85",
    ),
    *(
        "!!int ",
        "!!timestamp x",
        "!!float '",
        "!!set ",
        "!!omap ",
        "!!binary ",
        "!x ",
        "%YAML 9.9\n",
        "---\n",
        "...\n",
        "<<: ",
        "=: 1\n",
    ),
    *(
        '"\\ud800"',
        '"\\e[2J"',
        '"\\0"',
        "0x" + "f" * 5000,
        "9" * 5000,
        "1_000",
        "190:20:30",
        "2026-99-99",
        ".inf",
        "~",
        "on",
        "[" * 10**5,
    ),
]
STEPS = zip("abcdefghi", "bcdefghij", strict=True)
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in STEPS
)
LOOPS = ["a: &a [*a]\n", "a: &a {b: *a}\n", "a: &a {x: 1}\nb: {<<: *a}\n"]
DOCUMENTS = [BOMB, *LOOPS, "a: 1\n" * 10**4, "? [a, b]\n: 1\n", "{" * 10**5, "- " * 10**5, ""]


def has(owner, key):
    if isinstance(owner, list):
        return isinstance(key, int) and key < len(owner)
    return isinstance(owner, dict) and key in owner


class Damage:
    """One random change of a file, as bytes or as a tree that is taken to be what a text holds."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.file = self.random.choice(FILES)
        kind = self.random.choice(
            [self.bytes, self.syntax, self.lines, self.document, *[self.tree] * 8]
        )
        self.what = kind.__name__
        self.content = kind()

    def bytes(self):
        """Cut off, bytes changed, or another encoding."""
        raw = bytearray(TEXTS[self.file].encode())
        if self.random.random() < 0.3:
            return bytes(raw[: self.random.randrange(len(raw))])
        if self.random.random() < 0.2:
            return (
                bytes(raw)
                .decode()
                .encode(self.random.choice(["utf-16", "utf-32", "cp500", "utf-7"]), "replace")
            )
        for _ in range(self.random.choice([1, 1, 3, 30])):
            raw[self.random.randrange(len(raw))] = self.random.randrange(256)
        return bytes(raw)

    def syntax(self):
        """Pieces of YAML put into the text."""
        text = TEXTS[self.file]
        for _ in range(self.random.choice([1, 1, 2, 5])):
            place = self.random.randrange(len(text))
            text = (
                text[:place]
                + self.random.choice(SYNTAX)
                + text[place + self.random.choice([0, 0, 1, 5]) :]
            )
        return text.encode("utf-8", "surrogatepass")

    def lines(self):
        """Lines doubled, taken out, moved or indented."""
        lines = TEXTS[self.file].splitlines(keepends=True)
        place, other = (self.random.randrange(len(lines)) for _ in range(2))
        line = lines.pop(place)
        changed = self.random.choice(
            [[], [line, line], ["  " + line], [line.lstrip()], [line.replace(":", "")]]
        )
        lines[place:place] = changed
        lines[other:other] = self.random.choice([[], [line]])
        return "".join(lines).encode()

    def document(self):
        """Another text altogether, or beside the file's own."""
        return (self.random.choice(["", TEXTS[self.file]]) + self.random.choice(DOCUMENTS)).encode()

    def tree(self):
        """Keys and values replaced, added, renamed, taken out, moved or nested in place."""
        tree = TREES[self.file]
        for _ in range(self.random.choice([1, 1, 1, 2, 4])):
            tree = self._changed(tree, self.random.choice(PLACES[self.file]))
        return tree

    def _changed(self, tree, place):
        """A tree changed at a place, if that is still there; what is elsewhere is shared."""
        key, *inner = place
        if not has(tree, key):
            return tree
        owner = copy.copy(tree)
        if inner:
            owner[key] = self._changed(tree[key], inner)
        else:
            self._change(owner, key)
        return owner

    def _change(self, owner, last):
        value = self._value(owner[last])
        if value is GONE:
            del owner[last]
        elif isinstance(owner, dict) and self.random.random() < 0.15:
            owner[self.random.choice([*KEYS, f"{last}s"])] = value
        else:
            owner[last] = value

    def _value(self, old):
        if isinstance(old, int | float) and abs(old) < 1e300 and self.random.random() < 0.5:
            return self.random.choice(
                [*NUMBERS, -old, old * 1e3, old / 1e6, old + 0.5, str(old), [old]]
            )
        if isinstance(old, str) and self.random.random() < 0.3:
            return self.random.choice(
                [old[:-1], old.upper(), old + " ", old * 2, f"{old}\n", *UNITS]
            )
        if isinstance(old, list) and self.random.random() < 0.6:
            return self.random.choice(
                [
                    old[::-1],
                    old + old,
                    old[:-1],
                    [old],
                    old * 1000,
                    dict.fromkeys(map(str, old)),
                    *SPACINGS,
                ]
            )
        other = self._elsewhere()
        return self.random.choice(
            [GONE, other, {"value": old}, [old], *self.random.sample(VALUES, 4)]
        )

    def _elsewhere(self):
        """What stands somewhere in any file."""
        file = self.random.choice(FILES)
        value = TREES[file]
        for key in self.random.choice(PLACES[file]):
            value = value[key]
        return value


@pytest.fixture
def check(monkeypatch, tmp_path):
    """Does what `tokwatt check` does with one file damaged; sound files are parsed once."""
    folder = shutil.copytree(ROOT / "params", tmp_path / "params")
    parse, parsed = reading.parsed, {text: TREES[name] for name, text in TEXTS.items()}
    refuse, sound = reading.require_plain, {id(tree) for tree in TREES.values()}
    monkeypatch.setattr(
        reading, "parsed", lambda text: parsed[text] if text in parsed else parse(text)
    )
    monkeypatch.setattr(
        reading,
        "require_plain",
        lambda path, tree: id(tree) in sound or refuse(path, tree),
    )

    load, whole = catalogue.load, catalogue.load(folder)
    assert whole.profiles  # worked out once

    def loaded(damaged):
        """The parameters, without reading again those that are sound."""
        if damaged.removesuffix(".yaml") in quantity.CATALOGUES:
            return load(folder)
        again = copy.copy(whole)
        again._sections = {name: whole.section(name) for name in quantity.CATALOGUES}
        return again

    def run(damage):
        monkeypatch.setattr(catalogue, "load", lambda _: loaded(damage.file))
        tree = not isinstance(damage.content, bytes)
        if tree:
            parsed["a damaged tree"] = damage.content
        (folder / damage.file).write_bytes(b"a damaged tree" if tree else damage.content)
        try:
            workflow.check(folder)
        finally:
            (folder / damage.file).write_text(TEXTS[damage.file], encoding="utf-8")

    return run, f"{folder}/"


@pytest.mark.fuzz
def test_a_damaged_file_passes_or_is_named_in_one_sentence(check):
    """Some damage is none, some is not enough to be noticed."""
    run, folder = check
    tried = seeds("parameters")
    sentences = [refusal(seed, partial(run, Damage(seed))) for seed in tried]
    refused = [sentence.removeprefix(folder) for sentence in sentences if sentence]
    assert [it for it in refused if not re.fullmatch(r"[\w/]+\.yaml: .+, wanted .+\.", it)] == []
    assert 0.7 * len(tried) < len(refused) < 0.95 * len(tried)
