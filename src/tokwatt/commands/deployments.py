"""The deployment that options of the command line name, and the records that it rests on."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from tokwatt.params.section import Section

if TYPE_CHECKING:
    from tokwatt.serving.account import Account
    from tokwatt.serving.catalogue import Catalogue
    from tokwatt.serving.deployment import Deployment

PROMPT_RATIO = 4.0
"""Prompt tokens for each output token, where prompts take time: the paper's fifth of output."""
PROGRAM = {"step": "program", "power": "activity"}
"""What the paper changes where it computes an instance from data sheets."""
PLAIN = {
    "lengths": "exact",
    "long_pool": "from_split",
    "oversized": "fitting_window",
    "output_rounding": "none",
    "batch_rounding": "none",
    "search_start": "fewest",
}
"""What makes the paper's fleets conserve requests and tokens."""


class DeploymentNames(NamedTuple):
    """A deployment by the options of a command.

    Attributes:
        profile: a hand-calibrated instance, or None.
        gpu: a GPU.
        llm: an LLM.
        tensor_parallel: GPUs that share it.
        precision: a precision.
    """

    profile: str | None
    gpu: str
    llm: str
    tensor_parallel: int
    precision: str

    def deployed(
        self, catalogue: "Catalogue", account: str, changes: Mapping[str, str] | None = None
    ) -> tuple["Account", "Deployment"]:
        """The account, and the deployment.

        Raises:
            ParameterError: for a name that the parameter folder lacks.
        """
        from tokwatt.accounts.assumptions import AssumptionSets

        sets, options = AssumptionSets(catalogue), self._options(catalogue)
        options.pick("--account", account, sets.presets)
        if self.profile:
            profile = options.choose("--profile", self.profile, "profiles")
            return sets.account(account, changes), catalogue.profiled(profile)
        program = PROGRAM if account == "paper" else {}
        deployment = catalogue.deployment(
            options.choose("--gpu", self.gpu, "boards"),
            options.choose("--llm", self.llm, "llms"),
            options.choose("--precision", self.precision, "precisions"),
            float(self.tensor_parallel),
            float(self.tensor_parallel),
        )
        return sets.account(account, {**program, **(changes or {})}), deployment

    def keys(self, catalogue: "Catalogue") -> list[str]:
        """Keys of the records that a point rests on."""
        if self.profile is None:
            return [self.gpu, self.llm, f"precisions.{self.precision}", "engine", "fractions"]
        raw = catalogue.section("profiles").raw
        if self.profile in raw["calibrated"]:
            return [
                f"calibrated.{self.profile}",
                f"curves.{raw['calibrated'][self.profile]['power']}",
            ]
        scaled = raw["scaled"][self.profile]
        base = self._replace(profile=scaled["base"]).keys(catalogue)
        described = self._replace(profile=None, gpu=scaled["board"]).keys(catalogue)
        return [*base, f"scaled.{self.profile}", *described]

    def _options(self, catalogue: "Catalogue") -> Section:
        return Section(catalogue.folder, {}, catalogue.catalogue)
