"""The film itself: nouns and arithmetic of film-making, with no orchestrator, network, clock or environment."""
