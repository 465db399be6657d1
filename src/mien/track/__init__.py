"""Frames to people: who is the same face, and what all frames of it say together."""
