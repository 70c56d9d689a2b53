"""Calibration of a meter set-up: fits, checks, corrections at work, drift and control.

Pure functions over ``powerlab.records.calibration``; formulas as method section 4 gives them.
"""
