"""What a person sees: the same words, signs and columns everywhere."""
