"""What a check says: the number, the smallest input, code that shows it, a page."""
