"""A film pipeline for an AI-hybrid stop-motion short: ten stages from script to delivery."""

__version__ = "0.1.0"
