from .application import create_app as create_app
from .batching import Batcher as Batcher
from .server import serve as serve
from .service import Service as Service
from .settings import Limits as Limits
from .settings import Settings as Settings
