"""Which precision of `params/serving.yaml` a checkpoint has."""

from collections.abc import Iterator, Mapping

from tokwatt.params.llms.checkpoint import WHOLE
from tokwatt.params.specs import Precision
from tokwatt.units import BytesPerParameter

EIGHT_BITS = ("fp8", "fp8_block", "mxfp8", "int8")
"""Formats of one byte, as `checkpoint.formats_of` names them."""


def precision_of(
    formats: Mapping[str, str], precisions: Mapping[str, Precision], fields: Mapping[str, object]
) -> str | None:
    """The precision whose weights are those of a checkpoint, whatever its KV cache is.

    Args:
        formats: of each class of weights, as `checkpoint.formats_of` has them.
        precisions: those that are known, by name.
        fields: of the LLM, by which classes that it has not are left out.

    Returns:
        Its name; None where there is none, or where the checkpoint is of several formats.
    """
    classes = [*_classes(fields)]
    narrow = {formats[kind] for kind in classes} - {WHOLE}
    if len(narrow) != 1:
        return None
    form = narrow.pop()
    for name, precision in precisions.items():
        kin = name.split("_")[0] == form.split("_")[0]
        if kin and (float(precision.block_scaled) > 0) == form.endswith("_block"):
            mixture = "experts" in classes
            if all(
                _bits(_width(precision, it, mixture)) == _bits_of(formats[it]) for it in classes
            ):
                return name
    return None


def keeps_cache(formats: Mapping[str, str], precision: Precision) -> bool:
    """Whether a KV cache is as wide in a precision as in a checkpoint."""
    return _bits(precision.kv) == _bits_of(formats["kv"])


def _classes(fields: Mapping[str, object]) -> Iterator[str]:
    """The classes of weights that an LLM has."""
    yield "attention"
    if "experts" in fields:
        yield "experts"
    if {"feed_forward", "shared_feed_forward"} & {*fields}:
        yield "feed_forward"


def _width(precision: Precision, kind: str, mixture: bool) -> BytesPerParameter:
    own: BytesPerParameter = getattr(precision, kind)
    other: BytesPerParameter = getattr(precision, f"mixture_{kind}", 0.0)
    return other if mixture and float(other) > 0 else own


def _bits(width: BytesPerParameter) -> int:
    """Bits of a parameter without its scales."""
    return next(bits for bits in (16, 8, 4, 0) if 8 * float(width) >= bits)


def _bits_of(form: str) -> int:
    """Bits of a format; of one of other integers 0, as no precision has them."""
    bits = {WHOLE: 16, "int4": 4, "mxfp4": 4, "nvfp4": 4} | dict.fromkeys(EIGHT_BITS, 8)
    return bits.get(form, 0)
