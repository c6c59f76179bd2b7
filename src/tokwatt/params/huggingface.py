"""A Hugging Face `config.json` as an entry of `params/llms.yaml`. Needs no JAX."""

from pathlib import Path

import yaml

from tokwatt.params.configuration import Configuration
from tokwatt.params.errors import ParameterError, shown
from tokwatt.params.families import FAMILIES, Fields, Part, trunk
from tokwatt.params.names import WANTED, is_name
from tokwatt.params.reading import Tree, read_json
from tokwatt.params.section import Section

UNITS = {"sliding_window": "tok", "trained_context": "tok", "linear_parameters": "param"}
"""Units of the fields that are no plain numbers."""
DEFAULTS: dict[str, Tree] = {
    "gemma2": {"tie_word_embeddings": True},
    "gemma3": {
        "tie_word_embeddings": True,
        "vocab_size": 262208,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
    },
}
"""What published files of a family leave out, because the library that reads them fills it in."""
MOST = 2**53
"""Largest number of an entry: the last that a float counts to."""


def llm_entry(path: Path, name: str, source: str) -> Tree:
    """A published configuration as an entry of `params/llms.yaml`.

    Args:
        path: a `config.json`; where the language model stands under `text_config`, that is read.
        name: what the LLM is called; in small letters it is the key of the entry.
        source: where the file comes from.

    Returns:
        The entry by its key, with the fields of `specs.Llm` that are not zero as `published`.

    Raises:
        ParameterError: with one sentence, at the first key that is missing, of another type or of
            an unknown family.
    """
    config, parts = _language_model(path)
    if not is_name(name.lower()):
        raise ParameterError(f"{path}: its LLM is called {shown(name)}, wanted {WANTED}.")
    fields: Fields = trunk(config)
    for part in parts:
        fields |= part(config)
    for field, value in fields.items():
        if value > MOST:
            raise config.section.fail(f"makes {field} {value:.3g}", f"at most {MOST:.3g}")
    quantities = {
        field: {"value": value, "unit": UNITS.get(field, "1")}
        for field, value in fields.items()
        if value
    }
    published = {"source": source, "quality": "datasheet", **quantities}
    return {name.lower(): {"name": name, "published": published}}


def to_yaml(entry: Tree) -> str:
    """An entry as text to paste into `params/llms.yaml`."""
    return yaml.safe_dump(
        entry, default_flow_style=None, sort_keys=False, allow_unicode=True, width=1000
    )


def _language_model(path: Path) -> tuple[Configuration, tuple[Part, ...]]:
    """The language model's part of a file, and how its family is read."""
    whole = Section(path, read_json(path))
    section = whole.child("text_config") if whole.raw.get("text_config") is not None else whole
    raw = {key: whole.raw[key] for key in ("model_type", "tie_word_embeddings") if key in whole.raw}
    raw |= {key: value for key, value in section.raw.items() if value is not None}
    if not isinstance(raw.get("model_type"), str):
        problem = f"is {shown(raw['model_type'])}" if "model_type" in raw else "is missing"
        raise section.fail(problem, "text", "model_type")
    family = raw["model_type"].removesuffix("_text")
    parts = section.pick("model_type", family, FAMILIES)
    return Configuration(section.at("", DEFAULTS.get(family, {}) | raw)), parts
