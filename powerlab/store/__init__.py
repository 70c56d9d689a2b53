"""Run folders on disk: written as a measurement goes, read back exactly."""
