"""The Blender bridge: an MCP server in front of a long-lived bpy process."""
