//! Claims about the machine: about every turn of a small world.

mod walk;
mod world;
