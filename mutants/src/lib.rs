//! Whether the tests notice faults in the core: see `README.md`.
