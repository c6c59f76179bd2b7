"""The fleets of Table 3 request by request: what a table and the verdict say of them."""

import json
from types import SimpleNamespace

import xarray as xr

from tokwatt.reports.labels import Labels
from tokwatt.reports.markdown import Markdown, percent, pipe_table, significant


def simulated_table(fleets: xr.Dataset, label: Labels) -> Markdown:
    """What the fleets of Table 3 do under each account, request by request."""
    rows = []
    for workload in fleets.workload.values:
        for gpu in fleets.gpu.values:
            for topology in fleets.topology.values:
                own = fleets.sel(workload=workload, gpu=gpu, topology=topology)
                cells = [_kept(own.sel(account=account)) for account in fleets.account.values]
                size = f"{float(own.instances[0]):.0f}"
                rows.append([*map(label, map(str, (workload, gpu, topology))), size, *cells])
    accounts = [f"{account}: TTFT p99, within target" for account in fleets.account.values]
    return pipe_table(["workload", "GPU", "topology", "instances", *accounts], rows)


def _kept(fleet: xr.Dataset) -> str:
    """Late first tokens of a fleet and how many keep the target."""
    late, within = float(fleet.first_token_p99), float(fleet.within_target)
    grows = ", the queue grows" if fleet.growing else ""
    return f"{significant(late)} s, {percent(within, '.1')}{grows}"


def keeping(fleets: xr.Dataset) -> SimpleNamespace:
    """How many fleets keep the target for 99 % of the requests and no queue, by account."""
    kept = (fleets.within_target >= 0.99) & (fleets.growing == 0)
    kept = kept.sum(("workload", "topology", "gpu"))
    inputs = json.loads(fleets.attrs["inputs"])
    return SimpleNamespace(
        paper=int(kept.sel(account="paper")),
        consistent=int(kept.sel(account="consistent")),
        number=fleets.within_target.isel(account=0).size,
        target=inputs["common"]["demand"]["latency_target"]["value"],
        duration=inputs["duration"]["value"],
    )
