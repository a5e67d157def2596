"""Lets ``python -m postseg`` do what ``postseg`` does."""

from postseg.cli.main import main

main()
