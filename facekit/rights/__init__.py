"""Who agreed to what: records of consent, what they allow, and the ledger of use."""
