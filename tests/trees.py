"""What is on disk, to be compared before and after."""


def snapshot(folder):
    """Contents of all files, and None for folders, by relative path."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }
