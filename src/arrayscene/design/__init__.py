"""Choosing an array: what its geometry can do, whatever is decoded with it later, and which of several suits a purpose."""
