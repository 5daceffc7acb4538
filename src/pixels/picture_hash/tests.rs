//! Tests of picture hashes.
