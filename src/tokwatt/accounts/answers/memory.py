"""What the memory of a deployment holds, and refusals of what it does not."""

from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.params.errors import ParameterError
from tokwatt.serving.account import Account
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.gpu.share import Memory, memory_of
from tokwatt.serving.results import plain_numbers
from tokwatt.units import Bytes, Dimensionless, Sequences, Tokens


def memory_held(
    names: DeploymentNames, account: Account, deployment: Deployment, window: Tokens
) -> dict[str, Dimensionless]:
    """What the memory holds of sequences that fill a window, of which it must hold one."""
    if account.assumed.memory != "measured":
        return {}
    memory = plain_numbers(memory_of(deployment, deployment.llm.published, window))
    require_window(names, memory, window)
    return memory._asdict()


def require_window(names: DeploymentNames, memory: Memory, window: Tokens) -> None:
    """Refuse weights that do not fit, and a window that does not: no engine starts with those.

    Args:
        names: the deployment.
        memory: what it holds of sequences that fill the window.
        window: tokens that a sequence may take.
    """
    require_fit(names, memory.missing)
    if memory.tokens < window:
        wanted = "a shorter window, more GPUs or more memory"
        raise ParameterError(
            f"context_window: is {window:.8g}, but the KV cache holds {memory.tokens:.8g} tokens,"
            f" wanted {wanted}."
        )


def require_fit(names: DeploymentNames, missing: Bytes) -> None:
    """Refuse a deployment whose GPUs lack memory for the weights."""
    if missing > 0:
        raise ParameterError(
            f"llm: {names.llm} does not fit on {names.total_gpus} {names.gpu},"
            f" {missing / 2**30:.1f} GiB are missing on each GPU,"
            " wanted more GPUs, more memory or a narrower precision."
        )


def require_held(
    held: Sequences, fitting: Sequences, window: Tokens, batch: Sequences | None
) -> None:
    """Refuse windows of which the KV cache holds none, and batches that are not held or not run.

    Args:
        held: sequences that run.
        fitting: sequences that the KV cache would hold, were there no limit of the engine's own.
        window: the longest of them.
        batch: what is asked for.
    """
    if batch is not None and held < min(batch, (1 - 1e-6) * fitting):
        found = f"is {batch:g}, but the engine runs {held:.4g} sequences at most (max_num_seqs)"
        raise ParameterError(f"batch: {found}, wanted at most as many.")
    found = f"the KV cache holds {held:.4g} sequences in windows of {window:.0f} tokens"
    if held < 1:
        raise ParameterError(f"context_window: {found}, wanted a shorter window or more memory.")
    if batch is not None and batch > held:
        raise ParameterError(f"batch: is {batch:g}, but {found}, wanted at most as many.")
