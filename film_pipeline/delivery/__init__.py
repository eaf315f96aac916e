"""Delivery: masters, loudness, quality control and hash lists."""
