"""The tokenizer of the small random pipelines: every word a token."""

from typing import Any

__all__ = ["TINY_WORDS", "tiny_tokenizer"]

_TEXT = """
a woman man person face of with short long black brown red hair glasses beard in the kitchen
street park close up medium wide shot happy sad turns her his head soft light and
"""
TINY_WORDS = tuple(_TEXT.split())


def tiny_tokenizer(length: int, padding_side: str = "right") -> Any:
    """Build it.

    Args:
        length: Longest prompt, in tokens.
        padding_side: Where shorter prompts are filled up: ``left`` or ``right``.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {"<pad>": 0, "</s>": 1, "<unk>": 2}
    vocabulary |= {word: index + 3 for index, word in enumerate(TINY_WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=length,
        padding_side=padding_side,
    )
