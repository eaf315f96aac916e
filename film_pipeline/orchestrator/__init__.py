"""The orchestrator: fans the frames of many shots over the backends that were signed for, and brings them home."""
