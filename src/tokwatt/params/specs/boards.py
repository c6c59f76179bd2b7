"""GPUs by their data sheets, and boards with what was found about them."""

from tokwatt.params.specs.power import ActivityPower, LogisticPower, UtilizationPower
from tokwatt.params.specs.record import spec
from tokwatt.params.specs.steps import StepParameters
from tokwatt.units import (
    Bytes,
    BytesPerSecond,
    DollarsPerSecond,
    FlopsPerSecond,
    Watts,
)


@spec
class Gpu:
    """One accelerator, by its data sheet.

    Attributes:
        hbm_bandwidth: bandwidth of memory [B/s].
        hbm_capacity: nominal size of memory [B].
        usable_memory: size of memory that the driver reports to a program [B].
        fp16_rate: dense 16-bit arithmetic [FLOP/s].
        fp8_rate: dense 8-bit arithmetic [FLOP/s]; 0 where it has none.
        fp4_rate: dense 4-bit arithmetic [FLOP/s]; 0 where it has none.
        link_bandwidth: of one direction to its neighbours [B/s].
        tdp: thermal design power [W].
        host_power: what its server draws beside it, for each GPU: host, network and fans [W]; 0
            where it is unknown.
        price: rent of one GPU [USD/s].
    """

    hbm_bandwidth: BytesPerSecond
    hbm_capacity: Bytes
    usable_memory: Bytes
    fp16_rate: FlopsPerSecond
    fp8_rate: FlopsPerSecond = 0.0
    fp4_rate: FlopsPerSecond = 0.0
    link_bandwidth: BytesPerSecond = 0.0
    tdp: Watts
    host_power: Watts = 0.0
    price: DollarsPerSecond


@spec
class Board:
    """A GPU, the laws of its power, and what steps take on it.

    Attributes:
        gpu: its data sheet.
        logistic: power by batch size.
        activity: power by the busy share of a step.
        utilization: power by the use of bandwidth and arithmetic, as calibrated.
        fitted: by engine what a step takes beyond what the data sheet says, as calibrated.
    """

    gpu: Gpu
    logistic: LogisticPower
    activity: ActivityPower
    utilization: UtilizationPower
    fitted: dict[str, StepParameters]
