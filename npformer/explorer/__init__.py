"""The explorer: one HTML file to look inside a model while it reads one sentence pair."""

from npformer.explorer.page import build_page, page_data

__all__ = ["build_page", "page_data"]
