"""A Hugging Face `config.json` as an entry of `params/llms.yaml`. Needs no JAX."""

import re
from pathlib import Path

import yaml

from tokwatt.params.errors import ParameterError, pick, shown
from tokwatt.params.llms.configuration import Configuration, Fields, Part
from tokwatt.params.llms.families import ALIASES, FAMILIES, OTHERS
from tokwatt.params.llms.layouts import layout_of
from tokwatt.params.llms.omitted import omitted
from tokwatt.params.llms.synonyms import in_usual_names, is_mistral, mistral_family, says_twice
from tokwatt.params.parts.attention import trunk
from tokwatt.params.records.names import WANTED, is_name
from tokwatt.params.records.reading import Tree, read_json
from tokwatt.params.records.section import Section

UNITS = {
    "sliding_window": "tok",
    "trained_context": "tok",
    "linear_parameters": "param",
    "attention_parameters": "param",
    "index_parameters": "param",
    "table_parameters": "param",
    "index_cache": "B/tok",
    "state_width": "B/param",
}
"""Units of the fields that are no plain numbers."""
INNER = ("thinker_config", "text_config", "llm_config", "language_config")
"""Where the language model stands in the file of one that sees or hears."""
OUTER = ("model_type", "tie_word_embeddings")
"""What counts from around it where it does not say so itself."""
BEYOND = {
    "is_encoder_decoder": (False, "false: a decoder alone"),
    "mask_token_id": (None, "none: a model that makes one token after another, not by filling in"),
    "num_mem_blocks": (0, "none: weights that one layer reads, not several"),
    "total_ut_steps": (1, "1: layers that a token passes once"),
}
"""Keys of what no record can say: the value that says nothing, and what is wanted."""
MOST = 2**53
"""Largest number of an entry: the last that a float counts to."""
LAID_OUT = "the option --family with one that is laid out so"
_SHAPE = re.compile(
    "head|layer|hidden|expert|rank|latent|window|conv|state|compress|block|dim$|key_value|"
    "intermediate|shared|dense|attn_type|pattern|loop|ut_steps"
)
"""Keys that may say what layers look like."""
_NO_SHAPE = re.compile(
    "^num_key_value_heads$|^mm_|^head_dim|qk_head|nextn|mtp|token|n_group|topk_group|"
    "expert_group|limited_group|norm|logits|vision|audio|chunk|max_window|keep|sparse_step|"
    "rope_theta|rotary|^no_rope|^intermediate_size$"
)
"""Keys of those that say something else, or no more than what is read."""
_ONE = re.compile("n_shared|num_shared|dense")
"""Keys of which already a 1 is another shape than none."""


def llm_entry(path: Path, name: str, source: str, family: str | None = None) -> Tree:
    """A published configuration as an entry of `params/llms.yaml`.

    A family that is not known is read as the one whose keys it has, if every shape in it is
    understood then.

    Args:
        path: a `config.json` or Mistral's `params.json`; where the language model stands under
            `text_config`, that is read.
        name: what the LLM is called; in small letters it is the key of the entry.
        source: where the file comes from.
        family: the family whose layout it has, where its own is not known.

    Returns:
        The entry by its key, with the fields of `specs.Llm` that are not zero as `published`.

    Raises:
        ParameterError: with one sentence, at the first key that is missing, of another type or of
            a shape that is not understood.
    """
    config, parts, guess = _language_model(path, family)
    if not is_name(name.lower()):
        raise ParameterError(f"{path}: its LLM is called {shown(name)}, wanted {WANTED}.")
    try:
        fields: Fields = trunk(config)
        for part in parts:
            fields |= part(config)
    except ParameterError as error:
        said, _, missing = str(error).removeprefix(f"{path}: ").partition(" is missing,")
        if not guess or not missing:
            raise
        own = f"is {shown(config.get('model_type'))}, which is not known"
        found = f"{own}, and read as {guess} its {said} is missing"
        raise config.section.fail(found, LAID_OUT, "model_type") from None
    if guess:
        _refuse_unread(config, guess)
    for field, value in fields.items():
        if value > MOST:
            raise config.section.fail(f"makes {field} {value:.3g}", f"at most {MOST:.3g}")
    quantities = {
        field: {
            "value": int(value) if value == int(value) else value,
            "unit": UNITS.get(field, "1"),
        }
        for field, value in fields.items()
        if value
    }
    published = {"source": source, "quality": "datasheet", **quantities}
    return {name.lower(): {"name": name, "published": published}}


def guessed(path: Path, family: str | None = None) -> str | None:
    """The family that a configuration is read as where its own is not known."""
    return _language_model(path, family)[2]


def to_yaml(entry: Tree) -> str:
    """An entry as text to paste into `params/llms.yaml`."""
    return yaml.safe_dump(
        entry, default_flow_style=None, sort_keys=False, allow_unicode=True, width=1000
    )


def _language_model(
    path: Path, family: str | None
) -> tuple[Configuration, tuple[Part, ...], str | None]:
    """The language model's part of a file, how its family is read, and a family that is a guess."""
    whole = Section(path, read_json(path))
    section = whole
    for key in INNER:
        section = section.child(key) if section.raw.get(key) is not None else section
    raw, written = in_usual_names(section.raw)
    raw = {key: whole.raw[key] for key in OUTER if key in whole.raw} | raw
    if is_mistral(raw):
        raw = mistral_family(raw)
    elif "model_type" not in raw and isinstance(raw.get("architectures"), list):
        raw["model_type"] = ", ".join(map(str, raw["architectures"]))
    if not isinstance(raw.get("model_type"), str):
        problem = f"is {shown(raw['model_type'])}" if "model_type" in raw else "is missing"
        raise section.fail(problem, "text", "model_type")
    own = raw["model_type"].lower().removesuffix("_text")
    name = family or ALIASES.get(own, own)
    if family:
        pick("--family", family, FAMILIES)
    if name in OTHERS:
        raise section.fail(
            f"is {shown(own)}", f"layers that are known, or {LAID_OUT}", "model_type"
        )
    known = name in FAMILIES
    name = name if known else layout_of(raw)
    filled = omitted(own if own in ALIASES else name, nested=section is not whole)
    config = Configuration(section.at("", filled | raw), written)
    for key, (usual, wanted) in BEYOND.items():
        if config.get(key) not in (None, usual):
            raise config.refused(key, wanted)
    return config, FAMILIES[name], None if known else name


def _refuse_unread(config: Configuration, guess: str) -> None:
    """Refuse a shape that nothing asked for, in a family that is only guessed by its keys.

    Blocks of another activation have a gate in some families and none in others.
    """
    gated = ("silu", "swish", *(("gelu_pytorch_tanh",) if guess.startswith("gemma") else ()))
    if config.get("hidden_act") not in (None, *gated):
        raise config.refused("hidden_act", f"{' or '.join(gated)}, or {LAID_OUT}")
    raw = config.section.raw
    read = config.seen | {usual for usual, own in config.written.items() if own in config.seen}
    if config.get("use_sliding_window") is False:
        read.add("sliding_window")
    for key, value in raw.items():
        if key not in read and not says_twice(raw, key) and _shapes(key, value):
            raise config.refused(key, f"a key that is understood, or {LAID_OUT}")


def _shapes(key: str, value: object) -> bool:
    """Whether a key may say what layers look like: by a number, a list or a pattern."""
    if not _SHAPE.search(key) or _NO_SHAPE.search(key):
        return False
    if isinstance(value, list):
        return bool(set(map(str, value)) - {"full_attention", "1"})
    if isinstance(value, str):
        return "pattern" in key
    return type(value) is int and value > (0 if _ONE.search(key) else 1)
