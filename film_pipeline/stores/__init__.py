"""What is kept: media, frames and their lineage, and the published warehouse."""
