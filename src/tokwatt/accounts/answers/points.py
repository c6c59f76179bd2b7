"""An operating point of one instance for a question in names and numbers."""

from collections.abc import Mapping
from functools import partial

import jax

from tokwatt.accounts.answers.answer import Answer, Estimate
from tokwatt.accounts.answers.memory import require_fit, require_held, require_window
from tokwatt.accounts.answers.quantities import quantities, rented, views
from tokwatt.accounts.answers.support import basis_of, precisions_of, support_of
from tokwatt.accounts.cases import MEAN_FILL
from tokwatt.accounts.deployments import CONSISTENT, DeploymentNames, account_of, require
from tokwatt.params.errors import ParameterError, require_kind
from tokwatt.serving.account import Account, on_basis
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.gpu.share import Memory, memory_of
from tokwatt.serving.point import OperatingPoint, operating_point
from tokwatt.serving.results import plain_numbers
from tokwatt.serving.steps.chunked import Load
from tokwatt.serving.steps.step import first_token
from tokwatt.serving.steps.times import instance_of
from tokwatt.units import MOST_TOKENS, Dimensionless, Seconds, Sequences, Tokens
from tokwatt.x64 import RUN_ONCE

PROMPT_RATIO = 4.0
"""Prompt tokens for each output token, from the paper's fifth of output."""
MOST_SEQUENCES = 2.0**20
WINDOW = 8192.0
"""Context window of a point that is asked for no other, and for no requests, tok."""


def point(
    catalogue: Catalogue,
    names: DeploymentNames | None = None,
    *,
    context_window: Tokens | None = None,
    prompt: Tokens | None = None,
    output: Tokens | None = None,
    batch: Sequences | None = None,
    utilization: Dimensionless = 1.0,
    account: str = CONSISTENT,
    changes: Mapping[str, str] | None = None,
) -> Answer:
    """An operating point of one instance.

    Args:
        catalogue: the parameter folder.
        names: the deployment; eight H100 with Llama-3.1-70B if left out.
        context_window: tokens that a sequence may take, from 1; those of the requests, or `WINDOW`,
            if left out.
        prompt: prompt tokens of a request; with `output` left out too, four times the output.
        output: output tokens of a request; both left out, sequences fill half of their window on
            the average.
        batch: running requests; a share of what the memory holds if left out.
        utilization: that share, above 0 and at most 1.
        account: an assumption set by name.
        changes: other alternatives for some of its choices.

    Returns:
        The point with 90 % intervals, where measured runs say how wide they are.

    Raises:
        ParameterError: with one sentence, for unknown names, numbers outside their domain, and what
            does not fit.
    """
    names = names or DeploymentNames()
    require_kind("names", names, DeploymentNames, "tokwatt.DeploymentNames(llm=..., gpu=...)")
    window, prompt, output = _request(context_window, prompt, output)
    require("utilization", utilization, 1e-6, 1)
    if batch is not None:
        require("batch", batch, 1, MOST_SEQUENCES)
        if utilization != 1:
            found = f"is {utilization:g} beside a batch of {batch:g}"
            raise ParameterError(f"utilization: {found}, wanted one of the two.")
    chosen, deployment = account_of(catalogue, account, names, changes), names.deployment(catalogue)
    length = prompt + output / 2
    asked, first, memories = _asked(chosen, deployment, window, prompt, output, batch, utilization)
    result, held = plain_numbers(asked), {}
    if memories:
        filled, memory = map(plain_numbers, memories)
        require_window(names, filled, window)
        held = memory._asdict()
    require_fit(names, result.missing)
    fitting = float(held.get("tokens", 0.0)) / length * names.data_parallel
    require_held(result.concurrency, fitting, window, batch)
    support = support_of(catalogue, names, chosen, result.batch, prompt, output, window)
    rent = float(deployment.gpu.price) * rented(chosen, names.total_gpus)
    numbers = {
        "missing": result.missing,
        **held,
        "concurrency": result.concurrency,
        "batch": result.batch,
        "inter_token_latency": result.median_latency,
        "inter_token_latency_p99": result.late_latency,
        "iteration_latency": result.iteration_latency,
        **({} if first is None else {"first_token": float(first)}),
        "throughput": result.throughput,
        "power": result.power,
        "tokens_per_joule": result.tokens_per_joule,
        **views(catalogue, result.tokens_per_joule, result.throughput, rent),
    }
    limit = deployment.gpu.tdp if names.power_limit is None else names.power_limit
    hosts, most = (
        float(on_basis(chosen, deployment.gpu, names.total_gpus, watts)) for watts in (0.0, limit)
    )
    answered = quantities(numbers, support, hosts)
    if support:
        answered["power"] = _at_most(answered["power"], most)
    precisions = precisions_of(catalogue, [names])
    return Answer(answered, basis_of(account, changes, chosen, support, precisions))


@partial(jax.jit, compiler_options=RUN_ONCE)
def _asked(
    account: Account,
    deployment: Deployment,
    window: Tokens,
    prompt: Tokens,
    output: Tokens,
    batch: Sequences | None,
    utilization: Dimensionless,
) -> tuple[OperatingPoint, Seconds | None, list[Memory]]:
    """The instance, its time to first token without a wait, and what its memory holds.

    Memory is that of sequences that fill the window and that of those that are asked for. By the
    paper's account there is neither a first token nor memory. As one program, all of them start
    sooner than as three.
    """
    assumed, llm = account.assumed, deployment.llm.published
    length, ratio = prompt + output / 2, prompt / output
    point = operating_point(account, deployment, window, length / window, ratio, batch, utilization)
    first, memories = None, []
    if assumed.prefill == "chunked":
        load = Load(point.batch, length, ratio * point.batch, point.batch / output)
        first = first_token(assumed, instance_of(account, deployment), load, prompt)
    if assumed.memory == "measured":
        memories = [memory_of(deployment, llm, tokens) for tokens in (window, length)]
    return point, first, memories


def _request(
    window: Tokens | None, prompt: Tokens | None, output: Tokens | None
) -> tuple[Tokens, Tokens, Tokens]:
    """Window, prompt and output, those that are left out from the others."""
    for name, value, least in [
        ("context_window", window, 1),
        ("prompt", prompt, 0),
        ("output", output, 1e-3),
    ]:
        if value is not None:
            require(name, value, least, MOST_TOKENS)
    if prompt is None and output is None:
        length = MEAN_FILL * (window or WINDOW)
        output = length / (PROMPT_RATIO + 0.5)
        return window or WINDOW, PROMPT_RATIO * output, output
    if output is None:
        output = prompt / PROMPT_RATIO if prompt else 1.0
    if prompt is None:
        prompt = PROMPT_RATIO * output
    require("prompt", prompt, 0, MOST_TOKENS)
    require("output", output, 1e-3, MOST_TOKENS)
    if window is not None and prompt + output > window:
        wanted = f"at least {prompt + output:g}, the prompt and the output of a request"
        raise ParameterError(f"context_window: is {window:.0f}, wanted {wanted}.")
    return window or prompt + output, prompt, output


def _at_most(quantity: Estimate, most: float) -> Estimate:
    """A quantity whose interval ends where it must."""
    return quantity._replace(high=min(quantity.high or most, max(most, quantity.value)))
