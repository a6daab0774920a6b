//! An engine for the tests of the gateway.
