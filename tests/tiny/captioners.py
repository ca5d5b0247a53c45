"""Captioning models in a few kilobytes."""

from pathlib import Path

import torch
from transformers import (
    BertTokenizerFast,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipProcessor,
    Florence2Config,
    Florence2ForConditionalGeneration,
    Florence2Processor,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

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


def write_tiny_florence(folder: Path) -> Path:
    """A random Florence-2 of one layer a stage, as ``save_pretrained`` writes it."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<s>", "</s>", "<image>"]
    tokenizer = BertTokenizerFast(
        vocab={word: index for index, word in enumerate(special + WORDS)},
        model_input_names=["input_ids", "attention_mask"],
        bos_token="<s>",
        eos_token="</s>",
        pad_token="[PAD]",
        extra_special_tokens={"image_token": "<image>"},
    )
    text = {
        "model_type": "bart",
        "vocab_size": len(tokenizer),
        "d_model": 16,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 16,
        "decoder_ffn_dim": 16,
        "max_position_embeddings": 256,
        "pad_token_id": 0,
        "bos_token_id": 5,
        "eos_token_id": 6,
        "decoder_start_token_id": 6,
    }
    vision = {
        "depths": [1, 1, 1, 1],
        "embed_dim": [8, 8, 8, 16],
        "num_heads": [2, 2, 2, 2],
        "num_groups": [2, 2, 2, 2],
        "window_size": 2,
        "projection_dim": 16,
    }
    config = Florence2Config(text_config=text, vision_config=vision, image_token_id=7)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        Florence2ForConditionalGeneration(config).save_pretrained(folder)
    pictures = CLIPImageProcessorPil(size={"height": 64, "width": 64}, do_center_crop=False)
    pictures.image_seq_length = 5
    Florence2Processor(image_processor=pictures, tokenizer=tokenizer).save_pretrained(folder)
    return folder
