//! OMEMO state in PostgreSQL: many accounts, many writers.
