"""Our own MCP servers, one folder an engine."""
