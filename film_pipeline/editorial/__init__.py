"""Editorial: the timeline out, the edited timeline back in, and the soundtrack."""
