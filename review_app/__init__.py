"""The scene-review web app."""
