"""What is kept: media, frames and their lineage, the published warehouse, and the ledger."""
