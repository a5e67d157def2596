"""What every wing may use: threads, progress, atomic writing, checks of arguments, words for people."""
