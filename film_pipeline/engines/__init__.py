"""Clients of the engines, reached over MCP, behind the ports of core."""
