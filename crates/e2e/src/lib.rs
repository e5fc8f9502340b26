//! Tests of the whole: real executables, real processes. They live in `tests/`; there is nothing here.
