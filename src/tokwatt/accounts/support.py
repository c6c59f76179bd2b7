"""What supports an answer: measured runs behind it, and how wide its intervals are."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from tokwatt.accounts.deployments import DeploymentNames
from tokwatt.calibration import intervals
from tokwatt.calibration.domain import outside
from tokwatt.calibration.records import Calibrated
from tokwatt.serving.catalogue import Catalogue
from tokwatt.units import Dimensionless, Sequences, Tokens


@dataclass(frozen=True)
class Support:
    """Measured runs behind an answer.

    Attributes:
        catalogue: the parameter folder.
        names: the deployment.
        batch: running requests.
        prompt: prompt tokens of a request.
        output: output tokens of a request.
    """

    catalogue: Catalogue
    names: DeploymentNames
    batch: Sequences
    prompt: Tokens
    output: Tokens

    @cached_property
    def calibrated(self) -> Calibrated:
        """The calibration."""
        return Calibrated(self.catalogue)

    @cached_property
    def gpu(self) -> str:
        """The GPU whose runs count."""
        return self.catalogue.likeness[self.names.gpu]

    @property
    def calibrated_on(self) -> str:
        """The runs in words."""
        runs = self.calibrated.model.measured.runs
        runs = runs[runs.gpu == self.gpu]
        seen = "this LLM among them" if self.names.llm in set(runs.llm) else "not this LLM"
        return f"calibrated on {len(runs)} runs of {runs.llm.nunique()} LLMs on {self.gpu}, {seen}"

    @cached_property
    def extrapolated(self) -> tuple[str, ...]:
        """What lies outside the measured runs, a phrase for each."""
        own, like = self.names.gpu, self.gpu
        phrases = [f"{own} (measured: {like}, whose shares it takes)"] if own != like else []
        numbers = {"batch": self.batch, "prompt": self.prompt, "output": self.output}
        kind = intervals.kind_of(self.catalogue.llms[self.names.llm].published)
        return (*phrases, *outside(self.calibrated, like, kind, self.names.precision, numbers))

    @cached_property
    def half_widths(self) -> Mapping[str, Dimensionless]:
        """Half-widths of 90 % intervals of logarithms; where it extrapolates, the widest known."""
        table = self.calibrated.half_widths
        if self.extrapolated:
            return table.max().to_dict()
        kind = intervals.kind_of(self.catalogue.llms[self.names.llm].published)
        own = intervals.DENSE if kind == intervals.HYBRID else kind
        return table.loc[(self.gpu, own)].to_dict()
