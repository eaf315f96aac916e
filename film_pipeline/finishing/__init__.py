"""Finishing on the CPU: compositing over the passes, grade, grain, vignette and the panel border."""
