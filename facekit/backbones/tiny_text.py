"""The tokenizer of the tiny random pipelines: a word is a token, and it knows few."""

from typing import Any

__all__ = ["tiny_tokenizer", "tiny_vocabulary_size"]

_TEXT = """
a woman man person face of with short long black brown red hair glasses beard in the kitchen
street park close up medium wide shot happy sad turns her his head soft light and
"""
_SPECIAL = ("<pad>", "</s>", "<unk>")
_VOCABULARY = {word: index for index, word in enumerate((*_SPECIAL, *_TEXT.split()))}


def tiny_vocabulary_size() -> int:
    """How many tokens there are."""
    return len(_VOCABULARY)


def tiny_tokenizer(length: int) -> Any:
    """Build it: lower case, words and punctuation apart, an end mark at the end.

    Args:
        length: Most tokens of a text.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel(dict(_VOCABULARY), unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", _VOCABULARY["</s>"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=length,
    )
