"""The explorer: one HTML file to look inside a model while it reads one sentence pair."""

from npformer.explorer.choice import Choice, chosen
from npformer.explorer.page import build_page, page_data

__all__ = ["Choice", "build_page", "chosen", "page_data"]
