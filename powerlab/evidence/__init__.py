"""Evidence that other tools left behind: read, recomputed, judged, and made into runs.

``contract`` says what a reader yields, one module per format reads it, ``reckoning`` applies
powerlab's method to it, ``checks`` looks for what is wrong with it, ``importing`` makes runs.
"""
