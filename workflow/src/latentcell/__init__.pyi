from latentcell.api import datasets as datasets
from latentcell.api import pl as pl
from latentcell.api import tl as tl
from latentcell.api.model import GMVAE as GMVAE

__version__: str
