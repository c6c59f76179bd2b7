"""No text of a record, whatever it holds, is markup in a figure or breaks one."""

from xml.etree import ElementTree

import matplotlib.style
import msgspec
import pandas as pd
import pytest
from conftest import ROOT
from matplotlib.text import Text
from PIL import Image

from tokwatt.reports import labels
from tokwatt.reports.drawing import gallery, plotting
from tokwatt.reports.drawing.gallery import Figure

SEEN = r"<script>alert(1)</script> $\frac{a$ --> ]]> &lt; \\ %s {0} 100 €"
PAYLOAD = f"{SEEN}\n\x1b[31m\x00\u202egnp.exe"
RECORDS = {"claim", "label", "pair"}
"""Columns that hold texts of records, not names."""


class Hostile(labels.Labels):
    """Prints every name as the payload."""

    def __call__(self, name):
        return labels.label_text(PAYLOAD)


def hostile(frame):
    """The numbers of a figure with the payload in each text of a record."""
    return frame.assign(**{column: labels.label_text(PAYLOAD) for column in RECORDS & set(frame)})


@pytest.mark.filterwarnings("ignore:constrained_layout not applied")
@pytest.mark.parametrize("name", gallery.entries(ROOT / "params"))
def test_names_and_texts_are_drawn_as_they_are_and_never_as_mathematics(name, canvas_of, drawn):
    frame = pd.read_csv(drawn / f"{name}.csv")
    canvas = canvas_of(name, hostile(frame), Hostile({}))
    with matplotlib.style.context(plotting.STYLE, after_reset=True):
        canvas.draw_without_rendering()
    texts = [text for text in canvas.findobj(Text) if text.get_text()]
    assert not any(text.get_parse_math() for text in texts)
    assert not any(set("\x1b\x00\u202e") & set(text.get_text()) for text in texts)


@pytest.mark.filterwarnings("ignore:constrained_layout not applied")
@pytest.mark.parametrize("name", ["fleets", "uncertainty"])
def test_hostile_texts_change_no_element_of_an_svg_and_stand_in_no_comment(
    name, entries, data, drawn, tmp_path, monkeypatch
):
    entry = msgspec.structs.replace(entries[name].entry, title=PAYLOAD, caption=PAYLOAD)
    figure = Figure(entries[name].section, entry)
    monkeypatch.setattr(
        plotting, "drawn", lambda frame: hostile(pd.read_csv(drawn / f"{name}.csv"))
    )
    plotting.render(name, figure, data, tmp_path, Hostile({}))
    content = (tmp_path / f"{name}.svg").read_bytes()
    usual = (drawn / f"{name}.svg").read_bytes()
    tags, usual_tags = (
        {node.tag for node in ElementTree.fromstring(svg).iter()} for svg in (content, usual)
    )
    assert tags == usual_tags
    assert b"<script" not in content and b"\x1b" not in content
    assert SEEN in " ".join(ElementTree.fromstring(content).itertext())
    assert Image.open(tmp_path / f"{name}.png").text["Title"].startswith(SEEN)
    assert (tmp_path / f"{name}.pdf").read_bytes().rstrip().endswith(b"%%EOF")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\tc", "a b c"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\u202eexe.gnp", "\\u202eexe.gnp"),
        ("word " * 100, "word " * 23 + "…"),
        ("$5 < 6$", "$5 < 6$"),
    ],
)
def test_a_text_is_one_line_with_what_cannot_be_seen_spelt_out(text, shown):
    assert labels.label_text(text) == shown


def test_a_name_is_printed_as_its_record_says_and_otherwise_in_words(damaged):
    label = labels.read_labels(damaged("llms", ["llama-3.1-70b", "name"], "Renamed"))
    assert [label(name) for name in ("llama-3.1-70b", "azure", "no_such_name")] == [
        "Renamed",
        "Azure",
        "no such name",
    ]
