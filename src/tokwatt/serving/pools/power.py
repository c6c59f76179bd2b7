"""What an instance draws under its load, with work and without."""

import jax.numpy as jnp

from tokwatt.equations.power import window_spread
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.demand.traffic import Traffic
from tokwatt.serving.instance import Instance
from tokwatt.serving.pools.occupancy import busy_share
from tokwatt.serving.pools.targets import MeanRequest
from tokwatt.serving.steps.chunked import admitted
from tokwatt.serving.steps.passes import Prefill, pass_power
from tokwatt.serving.steps.power import WINDOW, idle_power
from tokwatt.serving.steps.step import step
from tokwatt.units import RequestsPerSecond, Sequences, Watts


def load_power(
    assumed: Assumptions,
    instance: Instance,
    asked: MeanRequest,
    traffic: Traffic,
    batch: Sequences,
    slots: Sequences,
    rate: RequestsPerSecond,
) -> Watts:
    r"""Mean power of one GPU of an instance over all of the time.

    .. math:: P = b \left((1 - m) P(\bar u) + m (f P_f + (1 - f) P_d)\right) + (1 - b) P_0

    Args:
        assumed: which law of power holds, and whether prompts are taken in by chunks.
        instance: the instance.
        asked: its mean request.
        traffic: its requests.
        batch: running requests on the average.
        slots: most running requests.
        rate: requests per second that it is given.

    Returns:
        Watts: for the share b of busy time what the mean step draws, as far as a window of the law
        of power sees prompts and decoding together, else full chunks for the share f of it and
        steps that only decode for the rest; without work what boards draw then.

    Source: the law was fitted to means and is concave. Prompts that last s on the average and the
        pauses between them are correlated for s; `window_spread` of their variance is left in
        windows.
    """
    busy = busy_share(assumed, batch, slots)
    load = asked.at(batch / busy)
    at_work = step(assumed, instance, load)
    watts = at_work.power
    if assumed.prefill == "chunked" and assumed.power == "utilization":
        running = admitted(instance.costs, load)
        prefill = Prefill(assumed, instance, running, traffic, at_work)
        chunk, prompt = instance.costs.chunk, jnp.maximum(1.0, traffic.prompts)
        taken, full = pass_power(prefill, chunk)
        decoding = pass_power(prefill, 0.0 * chunk)[1]
        filling = jnp.minimum(1.0, rate * traffic.prompts * taken / chunk / busy)
        each = traffic.prompts2 / (2 * prompt) * taken / chunk
        apart = jnp.minimum(watts, filling * full + (1 - filling) * decoding)
        watts += window_spread(each / WINDOW) * (apart - watts)
    return busy * watts + (1 - busy) * idle_power(assumed, instance)
