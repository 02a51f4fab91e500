"""Settings of a run with their defaults, bounds and descriptions, all defined in this package.

One module per section; `run` combines them, `parsing` reads them from YAML. The JSON schema
(``workflow/schemas/config.schema.json``) and the table of keys in ``config/README.md`` are
generated from here; a test fails if they differ. Unknown keys are refused.
"""

from latentcell.config.settings.annotate import AnnotateSettings, density_settings
from latentcell.config.settings.base import ProtocolName, Section, Seed, Size, SplitName
from latentcell.config.settings.choice import ChoiceSettings
from latentcell.config.settings.comparison import ComparisonSettings
from latentcell.config.settings.dataset import (
    BUILT_IN_DATASETS,
    RUN_FOLDERS,
    RUN_NAMES,
    DatasetSettings,
)
from latentcell.config.settings.deposited import DepositedSettings
from latentcell.config.settings.ffnn import FfnnSettings
from latentcell.config.settings.grid import GridPoint, GridSettings
from latentcell.config.settings.jobs import JobSettings
from latentcell.config.settings.labels import LabelSettings
from latentcell.config.settings.latents import LatentsSettings
from latentcell.config.settings.measures import MeasureSettings
from latentcell.config.settings.parsing import (
    load_settings,
    parse_section,
    parse_settings,
    refuse_renamed,
)
from latentcell.config.settings.pca import PcaSettings
from latentcell.config.settings.run import Settings
from latentcell.config.settings.split import SplitSettings
from latentcell.config.settings.subset import SubsetSettings
from latentcell.config.settings.tsne import TsneSettings
from latentcell.config.settings.vae import (
    PRESETS,
    DropoutSettings,
    VaeSettings,
)

__all__ = [
    "BUILT_IN_DATASETS",
    "PRESETS",
    "RUN_FOLDERS",
    "RUN_NAMES",
    "AnnotateSettings",
    "ChoiceSettings",
    "ComparisonSettings",
    "DatasetSettings",
    "DepositedSettings",
    "DropoutSettings",
    "FfnnSettings",
    "GridPoint",
    "GridSettings",
    "JobSettings",
    "LabelSettings",
    "LatentsSettings",
    "MeasureSettings",
    "PcaSettings",
    "ProtocolName",
    "Section",
    "Seed",
    "Settings",
    "Size",
    "SplitName",
    "SplitSettings",
    "SubsetSettings",
    "TsneSettings",
    "VaeSettings",
    "density_settings",
    "load_settings",
    "parse_section",
    "parse_settings",
    "refuse_renamed",
]
