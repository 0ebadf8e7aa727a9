"""The words of the grammar, as tables; ``entries`` turns them into objects."""
