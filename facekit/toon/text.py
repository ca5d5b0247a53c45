"""The toon backbone's text side: a word-level tokenizer and a small UMT5 encoder."""

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from facekit.toon.captions import WORDS

__all__ = ["MAX_TOKENS", "TEXT_DIM", "new_text_encoder", "new_tokenizer"]

MAX_TOKENS = 48
"""Length that captions are padded or cut to."""

TEXT_DIM = 128


def new_tokenizer() -> PreTrainedTokenizerFast:
    """Make the tokenizer of lower-cased words and commas.

    Any other word, as a name, is the unknown word.
    """
    vocabulary = {word: index for index, word in enumerate(("<pad>", "</s>", "<unk>", ",", *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(",", "isolated")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=512,
    )


def new_text_encoder(vocabulary_size: int) -> UMT5EncoderModel:
    """Make the untrained text encoder: two layers of width 128."""
    config = UMT5Config(
        vocab_size=vocabulary_size,
        d_model=TEXT_DIM,
        d_kv=32,
        d_ff=256,
        num_layers=2,
        num_heads=4,
        dropout_rate=0.0,
        pad_token_id=0,
        eos_token_id=1,
    )
    return UMT5EncoderModel(config)
