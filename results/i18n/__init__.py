"""Sentences, numbers and dates in English and Russian. Knows no record."""
