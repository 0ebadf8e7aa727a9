"""Files, whatever they hold: the ground floor, which knows nothing of models, text or training.

atomic        files and directories that are on disk whole or not at all
array_file    arrays in a safetensors file, written and read one at a time
manifest      the files of a checkpoint, and the manifest that vouches for them
lock          one process at a time
lines         lines of text from plain, .gz and .xz files
"""
