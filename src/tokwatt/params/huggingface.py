"""A Hugging Face `config.json` as an entry of `params/architectures.yaml`. Needs no JAX."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tokwatt.params.section import Section

UNITS = {"sliding_window": "tok", "linear_parameters": "param"}
"""Units of the fields that are no plain numbers."""
DEFAULTS: dict[str, dict[str, Any]] = {
    "gemma2": {"tie_word_embeddings": True},
    "gemma3": {
        "tie_word_embeddings": True,
        "vocab_size": 262208,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
    },
}
"""What the published files of a family leave out, because the library that reads them fills it in."""

Fields = dict[str, int]


@dataclasses.dataclass(frozen=True)
class Config:
    """The part of a configuration that describes the language model; what is null counts as left out."""

    section: Section

    def whole(self, key: str, default: int | None = None, most: int | None = None) -> int:
        """A whole number, above 0 where it has no default."""
        value, least = self.section.raw.get(key), 1 if default is None else 0
        wanted = f"a whole number of at least {least}" + (
            f" and at most {most}" if most is not None else ""
        )
        if value is None and default is None:
            raise self.section.fail("is missing", wanted, key)
        number = default if value is None else value
        if type(number) is not int or number < least or (most is not None and number > most):
            raise self.section.fail(f"is {str(value)[:40]!r}", wanted, key)
        return number

    def flag(self, key: str) -> bool:
        """A truth value, false where it is left out."""
        value = self.section.raw.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.section.fail(f"is {str(value)[:40]!r}", "true or false", key)
        return bool(value)

    def entries(self, key: str, kind: type) -> list[Any]:
        """A list of values of one type, empty where it is left out."""
        value = self.section.raw.get(key)
        values = [] if value is None else value
        if not isinstance(values, list) or any(type(each) is not kind for each in values):
            raise self.section.fail(
                f"is {str(value)[:40]!r}", f"a list of {kind.__name__} values", key
            )
        return values

    @property
    def layers(self) -> int:
        return self.whole("num_hidden_layers")

    def layers_of(self, kind: str, otherwise: int) -> int:
        """How many layers `layer_types` says are of a kind, or what holds where it is left out."""
        types = self.entries("layer_types", str)
        if types and len(types) != self.layers:
            raise self.section.fail(
                f"has {len(types)} entries",
                f"{self.layers}, as many as num_hidden_layers",
                "layer_types",
            )
        for unknown in set(types) - {"full_attention", kind}:
            raise self.section.fail(
                f"has {unknown[:40]!r}", f"only full_attention and {kind}", "layer_types"
            )
        return types.count(kind) if types else otherwise


Part = Callable[[Config], Fields]


def trunk(config: Config) -> Fields:
    """What every family has."""
    return {
        "layers": config.layers,
        "hidden": config.whole("hidden_size"),
        "query_heads": config.whole("num_attention_heads"),
        "vocabulary": config.whole("vocab_size"),
        "tied_embeddings": int(config.flag("tie_word_embeddings")),
    }


def grouped(config: Config) -> Fields:
    """Grouped-query attention; a head is as wide as its share of the residual stream unless the file says otherwise."""
    hidden, heads = config.whole("hidden_size"), config.whole("num_attention_heads")
    given = next(
        (
            key
            for key in ("head_dim", "attention_head_dim")
            if config.section.raw.get(key) is not None
        ),
        None,
    )
    if not given and hidden % heads:
        raise config.section.fail(
            "is missing",
            "a whole number, as hidden_size is no multiple of num_attention_heads",
            "head_dim",
        )
    return {
        "kv_heads": config.whole("num_key_value_heads", heads, most=heads),
        "head_dim": config.whole(given) if given else hidden // heads,
    }


def latent(config: Config) -> Fields:
    """Multi-head latent attention."""
    return {
        "kv_heads": config.whole("num_attention_heads"),
        "head_dim": config.whole("v_head_dim"),
        "kv_latent": config.whole("kv_lora_rank"),
        "rope_dim": config.whole("qk_rope_head_dim"),
        "query_latent": config.whole("q_lora_rank", 0),
        "nope_dim": config.whole("qk_nope_head_dim"),
        "value_dim": config.whole("v_head_dim"),
    }


def dense(config: Config) -> Fields:
    """One feed-forward block in every layer."""
    return {"feed_forward": config.whole("intermediate_size")}


def experts(config: Config, count: str, width: str) -> Fields:
    """Routed experts, by the names that a family gives their number and width."""
    number = config.whole(count)
    return {
        "expert_feed_forward": config.whole(width),
        "experts": number,
        "active_experts": config.whole("num_experts_per_tok", most=number),
    }


def beside_dense(config: Config, dense_layers: int, width: str = "intermediate_size") -> Fields:
    """The dense layers of a mixture of experts; without any, their width means nothing."""
    return (
        {"dense_layers": dense_layers, "feed_forward": config.whole(width)} if dense_layers else {}
    )


def local_experts(config: Config) -> Fields:
    """Experts in every layer, nothing beside them."""
    return experts(config, "num_local_experts", "intermediate_size")


def qwen_experts(config: Config) -> Fields:
    """Experts in every n-th layer but for some that are named, and a shared expert of its own width."""
    step, routed = (
        config.whole("decoder_sparse_step", 1),
        experts(config, "num_experts", "moe_intermediate_size"),
    )
    if step < 1:
        raise config.section.fail(f"is {step}", "at least 1", "decoder_sparse_step")
    named = {
        layer
        for layer in config.entries("mlp_only_layers", int)
        if 0 <= layer < config.layers and (layer + 1) % step == 0
    }
    dense_layers = config.layers - config.layers // step + len(named)
    shared = {"shared_feed_forward": config.whole("shared_expert_intermediate_size", 0)}
    return routed | shared | beside_dense(config, dense_layers)


def deepseek_experts(config: Config) -> Fields:
    """Experts after the first layers, and shared experts as wide as the routed ones."""
    if config.whole("moe_layer_freq", 1) != 1:
        raise config.section.fail(f"is {config.whole('moe_layer_freq')}", "1", "moe_layer_freq")
    routed = experts(config, "n_routed_experts", "moe_intermediate_size")
    shared = {
        "shared_feed_forward": config.whole("n_shared_experts", 0) * routed["expert_feed_forward"]
    }
    return (
        routed
        | shared
        | beside_dense(config, config.whole("first_k_dense_replace", 0, most=config.layers))
    )


def llama4_experts(config: Config) -> Fields:
    """Experts in every n-th layer, each with a shared one as wide."""
    step, routed = (
        config.whole("interleave_moe_layer_step", 1, most=config.layers),
        local_experts(config),
    )
    if step < 1:
        raise config.section.fail(f"is {step}", "at least 1", "interleave_moe_layer_step")
    dense_layers = config.layers - config.layers // step
    return (
        routed
        | {"shared_feed_forward": routed["expert_feed_forward"]}
        | beside_dense(config, dense_layers, "intermediate_size_mlp")
    )


def windows(pattern: int) -> Part:
    """Sliding windows in all layers but every `pattern`-th."""

    def part(config: Config) -> Fields:
        step = config.whole("sliding_window_pattern", pattern) or pattern
        sliding = config.layers_of("sliding_attention", config.layers - config.layers // step)
        return (
            {"sliding_layers": sliding, "sliding_window": config.whole("sliding_window")}
            if sliding
            else {}
        )

    return part


def mistral_window(config: Config) -> Fields:
    """A sliding window in every layer, or in none."""
    window = config.whole("sliding_window", 0)
    return {"sliding_layers": config.layers, "sliding_window": window} if window else {}


def qwen_window(config: Config) -> Fields:
    """A sliding window in the layers after the first, where it is switched on."""
    if not config.flag("use_sliding_window"):
        return {}
    sliding = config.layers_of(
        "sliding_attention",
        config.layers - config.whole("max_window_layers", 0, most=config.layers),
    )
    return (
        {"sliding_layers": sliding, "sliding_window": config.whole("sliding_window")}
        if sliding
        else {}
    )


def chunks(config: Config) -> Fields:
    """Attention within chunks in the layers that carry positions, which hold no more than a window of that size."""
    step = config.whole("no_rope_layer_interval", 4) or 4
    positions = config.entries("no_rope_layers", int)
    chunked = positions.count(1) if positions else config.layers - config.layers // step
    window = config.whole("attention_chunk_size", 0)
    sliding = config.layers_of("chunked_attention", chunked) if window else 0
    return {"sliding_layers": sliding, "sliding_window": window} if sliding else {}


def delta(config: Config) -> Fields:
    """Gated delta networks between gated full attention: queries, keys, values, gate, two rates a head, convolution, output."""
    hidden, heads, kernel = (
        config.whole("hidden_size"),
        config.whole("linear_num_value_heads"),
        config.whole("linear_conv_kernel_dim"),
    )
    key_dim, value_dim = config.whole("linear_key_head_dim"), config.whole("linear_value_head_dim")
    keys, values = config.whole("linear_num_key_heads") * key_dim, heads * value_dim
    step = config.whole("full_attention_interval", 4) or 4
    projections = hidden * (2 * keys + 2 * values + 2 * heads) + values * hidden
    return {
        "attention_gate": 1,
        "linear_layers": config.layers_of(
            "linear_attention", config.layers - config.layers // step
        ),
        "linear_state": heads * key_dim * value_dim + (2 * keys + values) * (kernel - 1),
        "linear_parameters": projections + (2 * keys + values) * kernel + 2 * heads + value_dim,
    }


def mamba(config: Config) -> Fields:
    """Mamba-2 layers, attention layers and feed-forward layers without a gate, one letter each."""
    pattern = config.section.raw.get("hybrid_override_pattern")
    if not isinstance(pattern, str) or len(pattern) != config.layers or set(pattern) - set("M*-E"):
        raise config.section.fail(
            f"is {str(pattern)[:60]!r}",
            f"{config.layers} letters of M, *, - and E",
            "hybrid_override_pattern",
        )
    counted = {
        "feed_forward_matrices": 2,
        "feed_forward_layers": pattern.count("-") + pattern.count("E"),
    }
    blocks = nemotron_experts(config, pattern.count("-")) if "E" in pattern else dense(config)
    return (
        counted
        | blocks
        | {"linear_layers": pattern.count("M")}
        | (mamba_mixer(config) if "M" in pattern else {})
    )


def mamba_mixer(config: Config) -> Fields:
    """One Mamba-2 layer: input projection, convolution with its bias, three rates a head, norm and output."""
    hidden, heads, kernel = (
        config.whole("hidden_size"),
        config.whole("mamba_num_heads"),
        config.whole("conv_kernel"),
    )
    inner, state = heads * config.whole("mamba_head_dim"), config.whole("ssm_state_size")
    convolved = inner + 2 * config.whole("n_groups") * state
    return {
        "linear_state": inner * state + convolved * (kernel - 1),
        "linear_parameters": hidden * (2 * inner + convolved + heads)
        + convolved * (kernel + 1)
        + 3 * heads
        + inner,
    }


def nemotron_experts(config: Config, dense_layers: int) -> Fields:
    """Experts of a hybrid, and a shared one of its own width."""
    if config.whole("moe_latent_size", 0):
        raise config.section.fail(
            f"is {config.whole('moe_latent_size')}", "no experts behind a latent", "moe_latent_size"
        )
    shared = {"shared_feed_forward": config.whole("moe_shared_expert_intermediate_size", 0)}
    return (
        experts(config, "n_routed_experts", "moe_intermediate_size")
        | shared
        | beside_dense(config, dense_layers)
    )


FAMILIES: dict[str, tuple[Part, ...]] = {
    "deepseek_v2": (latent, deepseek_experts),
    "deepseek_v3": (latent, deepseek_experts),
    "deepseek_v32": (latent, deepseek_experts),
    "gemma2": (grouped, dense, windows(2)),
    "gemma3": (grouped, dense, windows(6)),
    "glm4_moe": (grouped, deepseek_experts),
    "glm_moe_dsa": (latent, deepseek_experts),
    "gpt_oss": (grouped, local_experts, windows(2)),
    "kimi_k2": (latent, deepseek_experts),
    "llama": (grouped, dense),
    "llama4": (grouped, llama4_experts, chunks),
    "minimax_m2": (grouped, local_experts),
    "mistral": (grouped, dense, mistral_window),
    "mixtral": (grouped, local_experts, mistral_window),
    "nemotron_h": (grouped, mamba),
    "qwen2": (grouped, dense, qwen_window),
    "qwen3": (grouped, dense, qwen_window),
    "qwen3_moe": (grouped, qwen_experts, qwen_window),
    "qwen3_5": (grouped, dense, delta),
    "qwen3_5_moe": (grouped, qwen_experts, delta),
    "qwen3_next": (grouped, qwen_experts, delta),
}
"""How each `model_type` (without `_text`) is read."""


def entry(path: Path, name: str, source: str) -> dict[str, Any]:
    """A published configuration as an entry of `params/architectures.yaml`.

    Args:
        path: a `config.json`; where the language model stands under `text_config`, that is read.
        name: what the LLM is called; in small letters it is the key of the entry.
        source: where the file comes from.

    Returns:
        The entry by its key, with the fields of `specs.Architecture` that are not zero.

    Raises:
        ParameterError: with one sentence, at the first key that is missing, of another type or of
            an unknown family.
    """
    config, parts = read(path)
    fields: Fields = trunk(config)
    for part in parts:
        fields |= part(config)
    written = {
        field: {"value": value, "unit": UNITS.get(field, "1")}
        for field, value in fields.items()
        if value
    }
    return {name.lower(): {"name": name, "source": source, "quality": "datasheet", **written}}


def read(path: Path) -> tuple[Config, tuple[Part, ...]]:
    """The language model's part of a file, and how its family is read."""
    whole = Section(path, _parsed(path))
    section = whole.child("text_config") if whole.raw.get("text_config") is not None else whole
    raw = {key: whole.raw[key] for key in ("model_type", "tie_word_embeddings") if key in whole.raw}
    raw |= {key: value for key, value in section.raw.items() if value is not None}
    if not isinstance(raw.get("model_type"), str):
        raise section.fail(
            f"is {str(raw['model_type'])[:40]!r}" if "model_type" in raw else "is missing",
            "text",
            "model_type",
        )
    family = raw["model_type"].removesuffix("_text")
    parts = section.pick("model_type", family, FAMILIES)
    return Config(dataclasses.replace(section, raw=DEFAULTS.get(family, {}) | raw)), parts


def to_yaml(entry: dict[str, Any]) -> str:
    """An entry as text to paste into `params/architectures.yaml`."""
    return yaml.safe_dump(
        entry, default_flow_style=None, sort_keys=False, allow_unicode=True, width=1000
    )


def _parsed(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_bytes())
    except OSError as error:
        raise Section(path, None).fail(
            f"cannot be read ({error.strerror})", "a JSON file"
        ) from None
    except (ValueError, RecursionError) as error:
        place = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise Section(path, None).fail(f"cannot be parsed{place}", "valid JSON") from None
    if not isinstance(raw, dict):
        raise Section(path, None).fail(f"is {str(raw)[:40]!r}", "a mapping")
    return raw
