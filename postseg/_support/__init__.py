"""What every wing may use: threads, progress, atomic writing, checks, words for people."""
