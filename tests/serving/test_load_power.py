"""What instances draw under their load, beside its simulation and in its limits."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.params.specs import Demand
from tokwatt.serving.account import on_basis
from tokwatt.serving.demand.requests import pairs_of
from tokwatt.serving.demand.traffic import traffic_of
from tokwatt.serving.pools import power
from tokwatt.serving.pools.occupancy import busy_share
from tokwatt.serving.pools.targets import asked_of
from tokwatt.serving.steps.power import idle_power
from tokwatt.serving.steps.step import step
from tokwatt.simulation.limits import limits_of
from tokwatt.simulation.steps import StepTable
from tokwatt.simulation.summary import totals
from tokwatt.studies.simulated.percentiles import UNBOUND, loaded_instance

WINDOW = 2.0**17
DOCUMENTS = ([8000, 30000], [300, 300], [0.5, 0.5])
RARE = ([1000, 40000], [200, 200], [0.9, 0.1])
LONG = ([60000], [500], [1.0])


@pytest.fixture(scope="module")
def of_kinds(parameters):
    """One H100 with an LLM of 8 billion parameters, by prompts, outputs and shares of requests."""
    loaded = loaded_instance(parameters, DeploymentNames(llm="llama-3.1-8b", gpus=1), "azure")

    def with_requests(prompt, output, weight):
        requests = pairs_of(*(np.array(it, float) for it in (prompt, output, weight)))
        account, instance = loaded.account, loaded.instance
        chunk = float(instance.costs.chunk)
        traffic = traffic_of(account.assumed, requests, requests, chunk)
        limits = limits_of(account, instance, WINDOW, requests)
        table = StepTable(account, instance, limits, WINDOW)
        return type(loaded)(account, instance, requests, traffic, WINDOW, limits, table)

    return with_requests


def at_load(loaded, load):
    """The pool of one instance at a share of what it could carry."""
    demand = Demand(arrival_rate=1.0, output_share=0.0, **UNBOUND)
    return loaded.pool(replace(demand, arrival_rate=load * float(loaded.pool(demand).service_rate)))


@pytest.mark.parametrize("load", [0.15, 0.5])
@pytest.mark.parametrize("kinds", [DOCUMENTS, RARE, LONG], ids=["documents", "rare", "long"])
def test_long_prompts_draw_what_a_simulation_says(of_kinds, kinds, load):
    """The power of the mean step alone is 10 to 20 % more."""
    loaded = of_kinds(*kinds)
    pool = at_load(loaded, load)
    runs = loaded.runs("poisson", pool.arrival_rate, 1500)
    simulated = np.mean([totals(done).power for done in runs])
    assert pool.power == pytest.approx(simulated, rel=0.08)


def drawn(loaded, pool, window):
    """Power of an instance with windows of so many seconds, and that of its mean step."""
    account, instance, traffic = loaded.account, loaded.instance, loaded.traffic
    batch, slots = jnp.array(pool.batch), jnp.array(pool.concurrency)
    asked = asked_of(account.assumed, traffic)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(power, "WINDOW", window)
        each = power.load_power(
            account.assumed, instance, asked, traffic, batch, slots, pool.arrival_rate
        )
    busy = busy_share(account.assumed, batch, slots)
    mean = step(account.assumed, instance, asked.at(batch / busy)).power
    idle = idle_power(account.assumed, instance)
    return float(each), float(busy * mean + (1 - busy) * idle), float(idle)


def test_windows_much_longer_than_prompts_see_the_mean_step_alone(of_kinds):
    loaded = of_kinds(*DOCUMENTS)
    power_of, mean, _ = drawn(loaded, at_load(loaded, 0.3), 1e7)
    assert power_of == pytest.approx(mean, rel=1e-6)


def test_the_shorter_its_windows_are_the_less_a_board_draws(of_kinds):
    loaded = of_kinds(*DOCUMENTS)
    pool = at_load(loaded, 0.3)
    found = [drawn(loaded, pool, window)[0] for window in (1e-6, 0.01, 0.1, 1.0, 10.0, 1e7)]
    assert found == sorted(found) and found[-1] > 1.1 * found[0]


def test_without_prompts_windows_make_no_difference(of_kinds):
    loaded = of_kinds([1], [300], [1.0])
    pool = at_load(loaded, 0.3)
    power_of, mean, idle = drawn(loaded, pool, 1.0)
    assert power_of == pytest.approx(mean, rel=1e-4)
    own = loaded.account, loaded.instance.gpu, loaded.instance.gpus
    assert pool.power == pytest.approx(float(on_basis(*own, power_of)), rel=1e-9)
    assert power_of > idle
