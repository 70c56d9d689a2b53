"""A calibration conducted: instruments opened, points walked, set-up measured, record made."""
