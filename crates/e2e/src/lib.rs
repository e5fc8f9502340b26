//! Tests of the whole: real executables, real processes.
