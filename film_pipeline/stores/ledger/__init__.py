"""The ledger: what was signed, what is spent, and what became of every job. SQLite or Postgres, beside the frame store.

It has a database of its own, because the frame store can be thrown away and made again, and money can't.
"""

from film_pipeline.stores.ledger.ledger import Ledger

__all__ = ["Ledger"]
