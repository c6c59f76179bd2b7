"""In which format a checkpoint keeps each class of its weights, by the files beside them."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from tokwatt.params.errors import ParameterError, shown
from tokwatt.params.records.reading import Tree, read_json

CLASSES = {
    "embedding": "lm_head|embed|^head$",
    "experts": r"(?<!shared_)experts",
    "feed_forward": r"shared_expert|mlp|ffn|feed_forward",
    "attention": r"attn|attention|mixer|mamba|_proj$",
}
"""Classes of weights and the names of their modules, the most special first."""
FORMATS = {
    "FP8": "fp8",
    "NVFP4": "nvfp4",
    "W4A16_NVFP4": "nvfp4",
    "MXFP4": "mxfp4",
    "MXFP8": "mxfp8",
    "W4A16_AWQ": "int4",
}
"""Formats by the names that NVIDIA's tools give them."""
WHOLE = "16-bit"
EXCLUDED = (
    "exclude",
    "exclude_modules",
    "ignore",
    "llm_int8_skip_modules",
    "modules_to_not_convert",
)
"""Keys of what keeps 16 bits."""
BITS_AND = "bitsandbytes"
BY_BITS = ("gptq", "awq", "auto-round", "intel/auto-round")
"""Methods whose integers are as wide as `bits` says, as are MLX's, which name no method."""
ONE_FORMAT = {"mxfp4": "mxfp4", "mxfp8": "mxfp8", "w8a8_int8": "int8", "eetq": "int8"}
"""Methods that are one format."""
QUARK = {"fp8_e4m3": "fp8", "int8": "int8", "int4": "int4", "uint4": "int4", "fp4": "mxfp4"}
"""Formats by the types that AMD's Quark names; the last of several is what is kept."""
SEVERAL = 8
"""Layers that are named one by one where a whole class is meant; fewer are the first or last."""


def formats_of(path: Path) -> dict[str, str]:
    """Formats by class of weights, and of the KV cache; empty where nothing is quantized.

    Args:
        path: a `config.json`, whose `quantization_config` counts, and `hf_quant_config.json` beside
            it where there is one.

    Raises:
        ParameterError: for a method that is not known.
    """
    raw = read_json(path)
    inner = raw.get("text_config")
    within = inner.get("quantization_config") if isinstance(inner, dict) else None
    told = raw.get("quantization_config") or within or {}
    beside = path.with_name(path.name.replace("config.json", "hf_quant_config.json"))
    if beside != path and beside.is_file():
        told = told | read_json(beside).get("quantization", {})
    if not isinstance(told, dict) or not told:
        return {}
    common = _common(path, told)
    excluded = _strings(told.get(key) for key in EXCLUDED)
    by_layer = told.get("quantized_layers")
    classes = _mixed(by_layer) if isinstance(by_layer, dict) and common is None else {}
    others = common or ("fp8_block" if told.get("weight_block_size") else WHOLE)
    for name in CLASSES:
        classes.setdefault(name, WHOLE if common and _is_excluded(name, excluded) else others)
    if common or others != WHOLE:
        classes["embedding"] = WHOLE
    if raw.get("expert_dtype") == "fp4" and classes["experts"] == others:
        classes["experts"] = "mxfp4"
    return {**{name: classes[name] for name in CLASSES}, "kv": _cache(told)}


def _common(path: Path, told: Tree) -> str | None:
    """The format of all weights that are not excluded; None where each layer has its own."""
    algorithm, method = told.get("quant_algo"), told.get("quant_method")
    if algorithm == "MIXED_PRECISION":
        return None
    if algorithm in FORMATS:
        return FORMATS[algorithm]
    if method in ("fp8", "fbgemm_fp8"):
        return "fp8_block" if told.get("weight_block_size") else "fp8"
    if method == "compressed-tensors":
        return _compressed(path, told)
    if method == "quark":
        return _quark(path, told)
    if method == BITS_AND:
        return "int8" if told.get("load_in_8bit") else "int4"
    if method in BY_BITS or (method is None and "bits" in told):
        return f"int{told.get('bits', told.get('w_bit', 4))}"
    if method in ONE_FORMAT:
        return ONE_FORMAT[method]
    wanted = "fp8, compressed-tensors, modelopt, quark, "
    wanted += f"{', '.join((*BY_BITS, *ONE_FORMAT))} or {BITS_AND}"
    raise ParameterError(
        f"{path}: quantization_config.quant_method is {shown(method)}, wanted {wanted}."
    )


def _quark(path: Path, told: Tree) -> str:
    whole = told.get("global_quant_config")
    weight = whole.get("weight") if isinstance(whole, dict) else None
    last = weight[-1] if isinstance(weight, list) and weight else weight
    kind = last.get("dtype") if isinstance(last, dict) else None
    if kind not in QUARK:
        wanted = f"a weight whose dtype is one of {', '.join(QUARK)}"
        raise ParameterError(
            f"{path}: quantization_config.global_quant_config is {shown(whole)}, wanted {wanted}."
        )
    return QUARK[kind]


def _compressed(path: Path, told: Tree) -> str:
    groups = told.get("config_groups")
    group = next(iter(groups.values()), None) if isinstance(groups, dict) else None
    weights = group.get("weights") if isinstance(group, dict) else None
    if not isinstance(weights, dict):
        wanted = "a mapping with weights"
        raise ParameterError(
            f"{path}: quantization_config.config_groups is {shown(groups)}, wanted {wanted}."
        )
    bits, kind, size = (weights.get(key) for key in ("num_bits", "type", "group_size"))
    if bits == 4 and kind == "float":
        return "nvfp4" if size == 16 else "mxfp4"
    if bits == 8 and kind == "float":
        return "fp8_block" if weights.get("block_structure") else "fp8"
    return f"int{bits}"


def _strings(lists: Iterable[object]) -> list[str]:
    known = [name for names in lists if isinstance(names, list) for name in names]
    return [name for name in known if isinstance(name, str)]


def _class_of(module: str) -> str | None:
    """The class of weights that a module belongs to."""
    plain = module.removeprefix("re:").replace("\\", "").replace("gate_up", "").rstrip("*.")
    if re.search(r"norm|router|\bgate$|conv1d|indexer|bias|mtp|vision|kv_b|e_score", plain):
        return None
    return next((name for name, words in CLASSES.items() if re.search(words, plain)), None)


def _is_excluded(name: str, excluded: list[str]) -> bool:
    """Whether a pattern for all layers, or names of several of them, exclude a class."""
    named = [module for module in excluded if _class_of(module) == name]
    layers = {number for module in named for number in re.findall(r"layers\.(\d+)", module)}
    every = any(not re.search(r"layers\.\d", module) for module in named)
    return every or len(layers) >= SEVERAL


def _mixed(layers: Mapping[str, object]) -> dict[str, str]:
    """Formats by class where each layer names its own: that of most layers."""
    counts: dict[str, Counter[str]] = {}
    for module, scheme in layers.items():
        name = _class_of(module)
        algorithm = scheme.get("quant_algo") if isinstance(scheme, dict) else None
        if name:
            counts.setdefault(name, Counter())[FORMATS.get(str(algorithm), str(algorithm))] += 1
    return {name: count.most_common(1)[0][0] for name, count in counts.items()}


def _cache(told: Tree) -> str:
    scheme = told.get("kv_cache_quant_algo") or told.get("kv_cache_scheme")
    return "fp8" if scheme else WHOLE
