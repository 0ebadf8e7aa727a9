"""The museum of wrong gradients: those of the cards that were seen in public, with their sources.

small      small cases, and the smallest shapes at which a specimen is caught
ordinary   whether the ordinary test that a specimen's card names does miss it
"""
