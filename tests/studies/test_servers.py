"""Real servers and their simulation."""

import numpy as np
import pytest

from tokwatt.reports.datasets import load_datasets
from tokwatt.reports.pages.simulation import GRIDS, SCORES, simulation_page
from tokwatt.studies.servers.records import Sent, Server
from tokwatt.studies.servers.replay import STEPS, Replay
from tokwatt.studies.servers.replayed import knee


@pytest.fixture(scope="module")
def records(parameters):
    section = parameters.section("measured/servers")
    return section.child("requests").specs(Sent), section.child("servers").specs(Server)


def test_records_are_whole(records):
    sent, known = records
    for server in known.values():
        workload = sent[server.workload]
        columns = [workload.prompt, workload.output]
        columns += [c for c in (workload.arrival, workload.reused, workload.conversation) if len(c)]
        assert len({len(column) for column in columns}) == 1
        assert len(workload.reused) == 0 or (workload.reused <= workload.prompt).all()
        names = ("instances", "arrival_rate", "throughput", "first_token", "first_token_p99")
        assert {len(getattr(server, name)) for name in names} == {len(server.runs)}
        assert (np.diff(server.arrival_rate) > 0).all()
        assert (server.first_token <= server.first_token_p99).all()


def test_a_server_whose_settings_are_all_known_is_simulated_within_five_percent(
    parameters, records
):
    sent, known = records
    server = known["rtx_4090"]
    replay = Replay(parameters, server, sent[server.workload], "fitted")
    errors = np.array(replay.scores(0, replay.factors())) / np.array(replay.measured(0)) - 1
    assert np.abs(errors).max() < 0.05


def test_the_knee_is_where_the_late_first_token_has_grown(records):
    rates = np.array([1.0, 2.0, 4.0])
    assert knee(rates, np.array([1.0, 2.0, 8.0])) == pytest.approx(2 * 2**0.5)
    assert np.isnan(knee(rates, np.ones(3)))


@pytest.mark.slow
def test_the_page_has_every_run_and_the_targets_are_kept(grids, label):
    datasets = load_datasets(grids, GRIDS)
    data, page = datasets["replayed_servers"], simulation_page(datasets, label)
    assert [run for run in data.run.values if run not in page] == []
    fitted, measured = (data.sel(series=name)[list(SCORES)] for name in ("fitted", "measured"))
    errors = abs(fitted / measured - 1).median("run")
    assert errors.throughput < 0.05
    assert errors.time_per_output_token < 0.08
    assert errors.first_token < 0.15
    assert set(STEPS) <= set(data.series.values)
