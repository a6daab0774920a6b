//! The engine as a whole on a real database: runs that call runs, fail, and outlive their process.

mod calls;
mod effects;
mod endings;
mod nodes;
mod world;
