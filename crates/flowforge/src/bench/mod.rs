//! `flowforge bench`: what a workload costs, beside what raw PostgreSQL costs in the same run.

pub(crate) mod load;
