//! Bad input, through the front door.
