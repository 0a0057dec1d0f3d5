//! The catalogue through its public methods, on real database files.

mod apps;
mod durability;
mod files;
mod garbage;
mod migrations;
mod moves;
mod opening;
mod support;
mod uploads;
