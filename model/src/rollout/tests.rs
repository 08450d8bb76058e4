//! Claims about the machine: in `walk`, about every turn of a small world; in `story`, about single releases.

mod story;
mod walk;
mod world;
