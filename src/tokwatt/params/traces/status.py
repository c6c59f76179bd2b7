"""Which rows are no served request, by what their columns say in words."""

import re

import numpy as np

from tokwatt.params.tables.separated import BLANK
from tokwatt.params.tables.table import Cells
from tokwatt.params.traces.columns import bare_name
from tokwatt.params.traces.numbers import numbers

FAILURES = (
    *("fail", "error", "cancel", "timeout", "timedout", "abort", "unsuccess", "reject"),
    *("ratelimit", "throttl", "expired", "incomplete", "statuscodeerror"),
)
"""How the letters of a status begin that tells of a request not served."""
LEAST_HTTP_ERROR = 400
FLAGS = {
    **{"success": False, "cancelled": True, "wascancelled": True, "error": True, "iserror": True},
    **dict.fromkeys(("errorcode", "errortype", "errormessage", "errormsg"), True),
    **dict.fromkeys(("error.code", "error.type", "error.message"), True),
}
"""Statuses that are yes or no, or only stand where something failed: whether yes is a failure."""
NO = ("false", "0", "0.0", "no", "n", "f")
NOTHING = frozenset({word.lower() for word in BLANK} | {"[]", "{}"})
OTHERS = frozenset(
    {"chain", "agent", "tool", "retriever", "retrieval", "prompt", "parser", "guardrail", "task"}
    | {"evaluator", "workflow", "invokeagent", "createagent", "executetool", "invokeworkflow"}
    | {"embedding", "embeddings", "aembedding", "rerank", "arerank", "reranker", "moderation"}
    | {"amoderation", "imagegeneration", "aimagegeneration", "transcription", "atranscription"}
    | {"speech", "aspeech"}
)
"""Kinds of rows that are no request to an LLM for an output, or sum up several."""
HITS = ("true", "hit", "semantichit", "simplehit")
REASONS = {"status": "failed", "kind": "of another kind", "source": "answered from a cache"}
"""Why a row is left out, by the column that says so."""


def left_out_by(role: str, name: str, cells: Cells) -> np.ndarray:
    """Rows that a column of some kind says are no served request."""
    import pandas as pd

    texts = list(map(str, cells)) if isinstance(cells, list) else cells
    codes, words = pd.factorize(np.asarray(texts, object))
    bare = bare_name(name)
    lost = [_says_so(role, bare, str(word).strip().lower()) for word in words]
    return np.array([*lost, False])[codes]


def _is_failure(name: str, word: str) -> bool:
    """Whether a status, success or error in small letters tells of a request not served."""
    if word in NOTHING:
        return False
    parts = name.split(".")
    flag = next((part for part in (".".join(parts[-2:]), parts[-1]) if part in FLAGS), None)
    if flag:
        return (word not in NO) == FLAGS[flag]
    number = numbers([word.partition(" ")[0]])[0]
    if not np.isnan(number):
        otel = name.endswith("status.code") and number == 2
        return bool(otel or number >= LEAST_HTTP_ERROR or number < 0)
    return _letters(word).startswith(FAILURES)


def _says_so(role: str, name: str, word: str) -> bool:
    if role == "kind":
        return _letters(word) in OTHERS
    return _letters(word) in HITS if role == "source" else _is_failure(name, word)


def _letters(word: str) -> str:
    return re.sub("[^a-z]", "", word)
