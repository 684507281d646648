from .corpora.build import build_corpus as build_corpus
from .corpora.manifests import load_manifest as load_manifest
from .corpora.parallel import ParallelCorpus as ParallelCorpus
from .distillation.front_door import distill as distill
from .distillation.run import Distilled as Distilled
from .encoders.contract import Encoder as Encoder
from .encoders.contract import PromptRole as PromptRole
from .encoders.distilbert import distilbert_student as distilbert_student
from .encoders.loading import as_encoder as as_encoder
from .encoders.loading import load as load
from .errors import MlingEmbedError as MlingEmbedError
from .evaluation.runner import evaluate as evaluate
from .indexing.index import Index as Index
from .indexing.results import Hit as Hit
from .mining.alignment.align import AlignOptions as AlignOptions
from .mining.alignment.align import align as align
from .mining.mine import mine_bitext as mine_bitext
from .mining.mine import mine_paraphrases as mine_paraphrases
from .mining.score import score_bitext as score_bitext
from .summarization.summarize import summarize as summarize

__version__: str
