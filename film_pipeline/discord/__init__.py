"""The review on Discord: what was generated is posted, and what people say of it goes into the ledger."""
