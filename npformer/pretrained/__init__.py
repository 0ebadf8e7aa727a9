"""Models that others have trained, read from their files into NumPy, and written back.

A source is a directory or a file as it is published. Its ``config.json`` names a family, one file
in ``families``, which says what each field and each tensor is here; a field or a tensor that it
does not know is refused by name, for what is passed over in silence makes a model that runs and is
wrong.

source      where config, tensors and tokenizer come from; a reader a format beside it
fields      the fields of a config, each read or deliberately ignored
tensors     tensors as parameters and back, by a table that is read in both directions
family      what a family says
load        all of it together
"""

from npformer.pretrained.load import Pretrained, from_pretrained

__all__ = ["Pretrained", "from_pretrained"]
