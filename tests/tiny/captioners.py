"""A captioning model in a few kilobytes."""

from pathlib import Path

import torch
from transformers import (
    BertTokenizerFast,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipProcessor,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]"]
WORDS = ["a", "woman", "with", "blue", "eyes", "in", "the", "park", "smiling", ","]


def write_tiny_blip(folder: Path) -> Path:
    """A random BLIP of one layer, as ``save_pretrained`` writes it."""
    vocabulary = {word: index for index, word in enumerate(SPECIAL + WORDS)}
    layers = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "projection_dim": 8,
    }
    text = {
        "vocab_size": len(vocabulary),
        "encoder_hidden_size": 16,
        "bos_token_id": 5,
        "pad_token_id": 0,
        "eos_token_id": 3,
        "sep_token_id": 3,
    }
    config = BlipConfig(
        text_config=layers | text,
        vision_config=layers | {"image_size": 32, "patch_size": 16},
        projection_dim=8,
        image_text_hidden_size=8,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        BlipForConditionalGeneration(config).save_pretrained(folder)
    BlipProcessor(
        image_processor=BlipImageProcessorPil(size={"height": 32, "width": 32}),
        tokenizer=BertTokenizerFast(vocab=vocabulary),
    ).save_pretrained(folder)
    return folder
