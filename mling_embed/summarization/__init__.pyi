from .centrality import lexrank as lexrank
from .selection import choose as choose
from .summarize import Summary as Summary
from .summarize import SummarySentence as SummarySentence
from .summarize import summarize as summarize
