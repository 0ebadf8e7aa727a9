"""GGUF, one file that holds a model's config, weights and vocabulary; llama.cpp's format.

https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

file           its metadata, and its tensors in float32, by the ``gguf`` package
architecture   what the file says as a published config and by a family's names of tensors
vocabulary     its vocabulary as the files of a tokenizer
read           all of it together
"""
