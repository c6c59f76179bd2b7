"""Other programs of discrete events on the same requests; they need extras that are opt-in."""

from dataclasses import replace

import numpy as np
import pytest
from simulation.flat import FlatSteps, served

from tokwatt.serving.demand.requests import lengths_of
from tokwatt.simulation.arrivals import arrivals
from tokwatt.simulation.engine import SimulatedEngine
from tokwatt.simulation.requests import Limits

STEP = 0.02


def test_a_queue_at_one_server_is_request_by_request_that_of_fleet_sim(parameters):
    """Its own workload; with one slot its service is prefill steps and an iteration a token."""
    core = pytest.importorskip("fleet_sim.core", reason="the extra `bench` is not installed")
    from fleet_sim.gpu_profiles.profiles import H100_80GB

    law = parameters.workloads["azure"]
    kinds = lengths_of(law.lengths, law.fractions, 0.2)
    (stream,) = arrivals(kinds, "poisson", 0.1, 4000, 3)
    gpu = replace(H100_80GB, W=STEP, H=0.0, max_slots=1, total_kv_blks=10**6)
    pool = core.PoolConfig("pool", gpu, 1, gpu.calibration_ctx)
    fleet = core.Fleet(core.FleetConfig([pool], router_type="RandomRouter"))
    rows = zip(*(column.tolist() for column in stream[:3]), strict=True)
    asked = [
        (arrival, core.Request(number, arrival, prompt, output))
        for number, (arrival, prompt, output) in enumerate(rows)
    ]
    theirs = {it.req_id: it.start_time - it.arrival_time for it in fleet.run(asked).completed}

    # A prompt's last step brings a token here, and none there: one token more takes as long.
    limits = Limits(1, gpu.chunk, 10**6, 16)
    own = served(
        FlatSteps(STEP),
        limits,
        [
            (arrival, prompt, output + 1)
            for arrival, prompt, output in zip(*stream[:3], strict=True)
        ],
        SimulatedEngine,
    )
    ours = {request.number: request.admitted - request.arrival for request in own.done}
    assert len(theirs) == len(ours) == 4000
    assert np.mean(list(ours.values())) > 1
    assert [ours[number] for number in theirs] == pytest.approx(list(theirs.values()), abs=1e-6)


def test_waits_for_several_servers_are_those_of_ciw():
    """Erlang service, and arrivals that are no Poisson process: no closed form is known."""
    ciw = pytest.importorskip("ciw", reason="ciw is not installed")
    servers, count = 3, 6000
    ciw.seed(1)
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Gamma(0.5, 1 / (0.5 * 2.4))],
        service_distributions=[ciw.dists.Gamma(2, 0.5)],
        number_of_servers=[servers],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(count, method="Finish")
    records = sorted(simulation.get_all_records(), key=lambda it: it.arrival_date)[:count]

    # The same arrivals and services, in steps so short that rounding them to whole ones is small.
    step = 0.001
    rows = [
        (float(it.arrival_date), 1, max(1, round(float(it.service_time) / step))) for it in records
    ]
    engine = served(FlatSteps(step), Limits(servers, 10**9, 10**9, 16), rows, SimulatedEngine)
    order = sorted(engine.done, key=lambda request: request.number)
    waits = np.array([request.admitted - request.arrival for request in order])
    theirs = np.array([float(it.waiting_time) for it in records])
    assert theirs.mean() > 0.3
    assert waits.mean() == pytest.approx(theirs.mean(), rel=0.02)
    assert np.quantile(waits, 0.99) == pytest.approx(np.quantile(theirs, 0.99), rel=0.02)
