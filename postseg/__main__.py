"""Lets ``python -m postseg`` do what ``postseg`` does."""

from postseg.cli import main

main()
