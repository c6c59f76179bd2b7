"""What a joule costs and emits."""

from tokwatt.params.folder import Folder
from tokwatt.params.specs import spec
from tokwatt.units import DollarsPerJoule, KilogramsPerJoule


@spec
class Energy:
    """What a joule costs and emits.

    Attributes:
        electricity_price: dollars of a joule.
        grid_intensity: carbon dioxide of a joule.
    """

    electricity_price: DollarsPerJoule
    grid_intensity: KilogramsPerJoule

    @classmethod
    def of(cls, folder: Folder) -> "Energy":
        """The record of `params/views.yaml`."""
        return folder.section("views").child("energy").spec(cls)
