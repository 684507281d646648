from .config import DistillConfig as DistillConfig
from .config import read_config as read_config
from .front_door import distill as distill
from .run import Distilled as Distilled
