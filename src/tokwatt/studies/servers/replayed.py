"""Servers beside their simulation, rate by rate, and the rates from which latencies rise."""

import numpy as np
import xarray as xr

from tokwatt import grid
from tokwatt.params.errors import pick
from tokwatt.serving.catalogue import Catalogue
from tokwatt.studies.labelled import Variable, labelled
from tokwatt.studies.servers.records import Sent, Server
from tokwatt.studies.servers.replay import STEPS, Replay, Scores
from tokwatt.units import RequestsPerSecond, RequestsPerSecondAxis, SecondsAxis

KNEE = 4.0
"""Times the late first token of the lowest rate that it takes at the knee."""
WIDEST = 20.0
"""Largest ratio of two rates between which a knee is looked for."""


FACTS = {
    **dict.fromkeys(("server", "llm", "gpu")),
    "gpus": "1",  # of all its instances
    "arrival_rate": "req/s",
    "lowest": "1",  # 1 for the lowest rate of its server, at which step times are fitted
    "saturated": "1",  # 1 from the knee on; NaN where there is no lower rate to tell it by
    "factor": "1",  # by which decoding takes longer than the account says, as fitted
    "prompt_factor": "1",  # by which what prompts add does
}
"""What is known of a run, and its unit."""


def knee(rates: RequestsPerSecondAxis, late: SecondsAxis) -> RequestsPerSecond:
    """Rate at which the late first token takes KNEE times that of the lowest; NaN if none is.

    Between two rates it is interpolated on logarithmic scales.
    """
    ratios = np.log(late / late[0] / KNEE)
    beyond = np.flatnonzero(ratios > 0)
    if not len(beyond):
        return float("nan")
    pair = slice(beyond[0] - 1, beyond[0] + 1)
    if rates[pair][1] > WIDEST * rates[pair][0]:
        return float("nan")
    return float(np.exp(np.interp(0.0, ratios[pair], np.log(rates[pair]))))


def replayed(catalogue: Catalogue) -> xr.Dataset:
    """Every run of the records, as it was measured and as it is simulated with each step time."""
    records = catalogue.section("measured/servers").only("source", "quality", "requests", "servers")
    sent = records.child("requests").specs(Sent)
    servers = records.child("servers").specs(Server)
    facts, scores, knees, names = [], [], [], []
    for name, server in servers.items():
        replays = [
            Replay(catalogue, server, pick("workload", server.workload, sent), steps)
            for steps in STEPS
        ]
        places = range(len(server.runs))
        factors = [replay.factors() for replay in replays]
        found = [[replays[0].measured(place) for place in places]]
        found += [
            [replay.scores(place, pair) for place in places]
            for replay, pair in zip(replays, factors, strict=True)
        ]
        table: np.ndarray = np.array(found)
        late = table[:, :, Scores._fields.index("first_token_p99")]
        knees.append([knee(server.arrival_rate, row) for row in late])
        scores.append(table)
        names += server.runs
        facts += [_facts(name, server, place, knees[-1][0], factors[-1]) for place in places]
    series = ["measured", *STEPS]
    columns = Scores(*np.concatenate(scores, axis=1).transpose(2, 0, 1))
    known = {
        name: Variable("run", [fact[name] for fact in facts], unit) for name, unit in FACTS.items()
    }
    by_server = {"server_name": list(servers), "series": series}
    return (
        labelled(known, {"run": names})
        .merge(grid.dataset({"series": series, "run": names}, columns))
        .merge(labelled({"knee": Variable(tuple(by_server), knees, "req/s")}, by_server))
    )


def _facts(
    name: str, server: Server, place: int, beyond: RequestsPerSecond, factors: tuple[float, float]
) -> dict[str, str | float]:
    rate = float(server.arrival_rate[place])
    alone = len(server.runs) == 1
    return {
        "server": name,
        "llm": server.llm,
        "gpu": server.gpu,
        "gpus": float(server.gpus * server.data_parallel * server.instances[place]),
        "arrival_rate": rate,
        "lowest": float(place == 0),
        "saturated": float("nan") if alone else float(rate >= beyond),
        "factor": factors[0],
        "prompt_factor": factors[1],
    }
