//! Policies over HTTP (spec 04): which call each route needs, and the bounds that a policy sets.

mod attempts;
mod bounds;
mod matrix;
mod uploads;
