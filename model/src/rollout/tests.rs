//! Claims about the machine: in `walk`, about every turn of a small world; in `story`, about single
//! releases; in `chance`, about many.

mod chance;
mod story;
mod walk;
mod world;
