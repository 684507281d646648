from .extension import changed_share as changed_share
from .extension import extended_vocabulary as extended_vocabulary
from .extension import new_pieces as new_pieces
from .token_bags import TokenBags as TokenBags
from .token_matching import same_tokens as same_tokens
from .trimming import trimmed_vocabulary as trimmed_vocabulary
from .vocabulary import train_unigram as train_unigram
from .vocabulary import vocabulary_size as vocabulary_size
