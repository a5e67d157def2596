"""Filter runs with transcripts, put in by hand: what shows them need not count any."""

import numpy as np


def counted(post, counts=None, n_transcripts=None):
    """Put counts of the input's regions in, by region, and filter again.

    By default one for ten pixels, more or less, and a twentieth of all in the background.
    """
    measured = post._measure_input()
    if counts is None:
        counts = np.random.default_rng(7).poisson(measured.table["area"] / 10)
    counts = np.asarray(counts, dtype=np.int64)
    if n_transcripts is None:
        n_transcripts = round(int(counts.sum()) / 0.95)
    table = measured.table.assign(transcript_counts=counts)
    post._hold(measured=measured._replace(table=table, n_transcripts=n_transcripts))
    post.refilter()
    return post
