"""Vocabularies in other forms than ``tokenizer.json``, as tokenizers of the library that reads it.

byte_pairs       byte-level pairs with a list of merges (GPT-2, Llama 3, SmolLM, Qwen)
sentence_pieces  SentencePiece's pairs, whose scores say the order (Llama 2, Mistral, Gemma)
word_pieces      words by their longest pieces (BERT)
added            special tokens, and those around a text
"""
