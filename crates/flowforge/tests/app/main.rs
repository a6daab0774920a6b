//! The whole program, through its front door: what callers, operators and workflows may rely on.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod walks;
