//! The cache, as its callers see it.

mod bounds;
mod flights;
mod freshness;
mod model;
mod purges;
mod restarts;
mod support;
