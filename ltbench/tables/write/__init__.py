"""Tables and ledger as files."""
