"""Readers of public data sets in their published layouts; the files come from their owners."""
