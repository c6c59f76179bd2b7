"""A deployment by the names of its parts, and the account that a question about it stands on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real

from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.params.errors import ParameterError, pick, require_changes, shown
from tokwatt.params.specs import Precision, UtilizationPower
from tokwatt.params.traces.traces import Trace
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import ENGINE, Catalogue
from tokwatt.serving.deployment import Deployment
from tokwatt.units import MOST_TOKENS, Dimensionless, Watts

PAPER, CONSISTENT = "paper", "consistent"
PROGRAM = {"step": "program", "power": "activity"}
"""What the set `paper` changes where it computes an instance from data sheets."""
CONSERVING = {
    "lengths": "exact",
    "long_pool": "from_split",
    "oversized": "fitting_window",
    "output_rounding": "none",
    "batch_rounding": "none",
    "search_start": "fewest",
}
"""What makes the set `paper` conserve requests and tokens, where its own rules have no meaning."""
PAIRED = {"lengths": "pairs", "output_share": "trace"}
"""What makes the rows of a trace count in pairs of prompt and output."""
FEASIBLE = {"misfit": "infeasible"}
"""Nothing that does not fit gets a price."""
LEAST_LIMIT = 1.5
"""Least limit of a board over its idle power: about 200 W of an H100, the least that it takes."""
MOST_GPUS = 4096
"""Most GPUs of an instance that are believed."""


@dataclass(frozen=True, kw_only=True)
class DeploymentNames:
    """A deployment by the names of its parts.

    Attributes:
        llm: an LLM.
        gpu: a GPU.
        gpus: GPUs that share every layer (tensor parallel).
        data_parallel: ranks of attention that each have requests of their own.
        expert_parallel: ranks that hold whole experts; if left out as many as GPUs in a mixture of
            experts, and 1 in a dense LLM.
        precision: a precision; that of the published checkpoint if left out.
        kv_precision: a precision whose KV cache is as wide; that of `precision` if left out.
        engine: a serving engine.
        memory_utilization: share of the memory that the engine may use; its own if left out.
        max_num_seqs: most running requests of a rank of attention; the engine's own if left out.
        max_num_batched_tokens: most prompt tokens of a step; the engine's own if left out.
        power_limit: most watts of a board, whose clocks fall where it would draw more; its own if
            left out.
        profile: a hand-calibrated instance of the paper, which replaces all of these.
    """

    llm: str = "llama-3.1-70b"
    gpu: str = "H100"
    gpus: int = 8
    data_parallel: int = 1
    expert_parallel: int | None = None
    precision: str | None = None
    kv_precision: str | None = None
    engine: str = ENGINE
    memory_utilization: Dimensionless | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    power_limit: Watts | None = None
    profile: str | None = None

    @property
    def total_gpus(self) -> int:
        """GPUs of an instance, of all ranks of attention."""
        return self.gpus * self.data_parallel

    def precision_in(self, catalogue: Catalogue) -> str:
        """The precision by name, that of the checkpoint of the LLM where none is given."""
        if self.profile:
            return ""
        return self.precision or pick("llm", self.llm, catalogue.checkpoints)

    def deployment(self, catalogue: Catalogue) -> Deployment:
        """What they name.

        Raises:
            ParameterError: for a name that the catalogue lacks, and a layout that no engine has.
        """
        if self.profile:
            self._refuse_parts()
            return catalogue.profiled(pick("profile", self.profile, catalogue.profiles))
        llm = pick("llm", self.llm, catalogue.llms)
        precision = pick("precision", self.precision_in(catalogue), catalogue.precisions)
        if not narrows(precision, llm.published.experts):
            same = f"is {self.precision} for {self.llm}, all of whose weights it leaves as wide"
            raise ParameterError(f"precision: {same}, wanted a mixture of experts with it.")
        if self.kv_precision:
            other = pick("kv_precision", self.kv_precision, catalogue.precisions)
            precision = replace(precision, kv=other.kv)
        pick("engine", self.engine, catalogue.engines)
        self._require_layout(llm.published.query_heads, llm.published.experts)
        pick("gpu", self.gpu, catalogue.gpus)
        if self.gpu not in catalogue.boards:
            wanted = "the measured GPU that it is like, under unmeasured in calibration.yaml"
            raise ParameterError(f"gpu: {self.gpu} has no calibrated step, wanted {wanted}.")
        found = catalogue.deployment(
            catalogue.boards[self.gpu],
            llm,
            precision,
            float(self.gpus),
            float(self.expert_parallel or (self.total_gpus if llm.published.experts else 1)),
            self.engine,
            float(self.data_parallel),
        )
        return replace(
            found,
            serving_engine=replace(found.serving_engine, **self._limits()),
            utilization=self._limited(found.utilization, float(found.gpu.tdp)),
        )

    def _limits(self) -> dict[str, float]:
        """What the engine is told that it would choose itself."""
        limits: dict[str, float] = {}
        if self.memory_utilization is not None:
            limits["memory_fraction"] = require(
                "memory_utilization", self.memory_utilization, 0.01, 1
            )
        for name in ("max_num_seqs", "max_num_batched_tokens"):
            if (most := getattr(self, name)) is not None:
                require(name, most, 1, MOST_TOKENS)
                limits |= {name: most, f"small_{name}": most}
        return {name: float(limit) for name, limit in limits.items()}

    def _limited(self, law: UtilizationPower, tdp: Watts) -> UtilizationPower:
        """A law of power under the limit that is asked for, and under its own."""
        if self.power_limit is None:
            return law
        limit = require("power_limit", self.power_limit, LEAST_LIMIT * float(law.idle), tdp, "W")
        return replace(law, limit=min(float(limit), float(law.limit)))

    def _refuse_parts(self) -> None:
        """A profile has its own GPU, LLM and precision: others beside it contradict it."""
        own = DeploymentNames(profile=self.profile)
        for name, value in vars(self).items():
            if value != getattr(own, name):
                raise ParameterError(
                    f"{name}: is {shown(value)} beside profile {shown(self.profile)},"
                    " wanted one of the two, as a profile has its own."
                )

    def _require_layout(self, heads: Dimensionless, experts: Dimensionless) -> None:
        """Refuse numbers of GPUs that do not divide an LLM."""
        require("gpus", self.gpus, 1, MOST_GPUS)
        require("data_parallel", self.data_parallel, 1, MOST_GPUS)
        if heads % self.gpus:
            fitting = [count for count in range(1, int(heads) + 1) if heads % count == 0]
            wanted = f"one of {', '.join(map(str, fitting))}, as {heads:g} heads divide"
            raise ParameterError(f"gpus: is {self.gpus}, wanted {wanted}.")
        ranks, gpus = self.expert_parallel, self.total_gpus
        if ranks is not None and ranks not in (1, gpus):
            raise ParameterError(f"expert_parallel: is {ranks}, wanted 1 or {gpus}, all GPUs.")
        if self.data_parallel > 1 and not experts:
            wanted = "1 for an LLM without experts, whose replicas are instances of their own"
            raise ParameterError(f"data_parallel: is {self.data_parallel}, wanted {wanted}.")
        if ranks is not None and ranks > 1 and not experts:
            wanted = "a mixture of experts with it"
            raise ParameterError(f"expert_parallel: is {ranks} for {self.llm}, wanted {wanted}.")


def require(
    name: str, value: Dimensionless, least: Dimensionless, most: Dimensionless, unit: str = ""
) -> Dimensionless:
    """A number inside its domain, in the unit that is said.

    Raises:
        ParameterError: with one sentence, for what lies outside or is no number.
    """
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not (number and least <= value <= most):
        wanted = f"a number from {least:g} to {most:.8g} {unit}".rstrip()
        written = f"{value:.8g}" if isinstance(value, float) else shown(value)
        raise ParameterError(f"{name}: is {written}, wanted {wanted}.")
    return value


def account_of(
    catalogue: Catalogue,
    account: str,
    names: DeploymentNames,
    changes: Mapping[str, str] | None = None,
) -> Account:
    """An account for a deployment: the paper computes what has no profile from data sheets.

    Raises:
        ParameterError: for an unknown account or alternative, and where they contradict each other.
    """
    require_changes(changes)
    sets = AssumptionSets(catalogue)
    pick("account", account, sets.presets)
    if names.profile and account != PAPER:
        wanted = f"account {PAPER}, whose instances profiles are"
        raise ParameterError(f"profile: is {names.profile} on account {account}, wanted {wanted}.")
    program = PROGRAM if account == PAPER and not names.profile else {}
    found = sets.account(account, {**FEASIBLE, **program, **sets.switches(changes or {})})
    require_limited(found, [names])
    return found


def narrows(precision: Precision, experts: Dimensionless) -> bool:
    """Whether a precision is narrower for an LLM of so many experts; some narrow those alone."""
    others = min(map(float, (precision.attention, precision.feed_forward)))
    alone = float(precision.experts) < others >= float(precision.embedding)
    return bool(experts) or not alone


def require_limited(account: Account, each: Sequence[DeploymentNames]) -> None:
    """Refuse limits of boards where an account's law of power has none."""
    law = account.assumed.power
    if law != "utilization" and any(own.power_limit is not None for own in each):
        wanted = "power=utilization, whose boards slow down at their limit"
        raise ParameterError(f"power_limit: is beside power={law}, wanted {wanted}.")


def fleet_account(
    catalogue: Catalogue,
    account: str,
    names: DeploymentNames,
    requests: str | Trace,
    changes: Mapping[str, str] | None = None,
) -> Account:
    """An account for fleets, in which a trace's rows count in pairs."""
    if isinstance(requests, Trace):
        changes = {**conserving(account), **trace_changes(changes)}
    return account_of(catalogue, account, names, changes)


def trace_changes(changes: Mapping[str, str] | None) -> dict[str, str]:
    """Changes with which the rows of a trace count; other lengths than theirs are refused."""
    require_changes(changes)
    asked = {**PAIRED, **(changes or {})}
    if (lengths := asked["lengths"]) != PAIRED["lengths"]:
        found = f"lengths is {shown(lengths)} beside a trace"
        raise ParameterError(f"changes: {found}, wanted pairs, those of its rows.")
    return asked


def conserving(account: str) -> dict[str, str]:
    """What an account changes where each request has to be in just one pool."""
    return CONSERVING if account == PAPER else {}
