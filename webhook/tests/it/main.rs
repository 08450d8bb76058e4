//! The injection against a folder of pods as they are met in the field.

#[cfg(test)]
mod golden;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod rule;
#[cfg(test)]
mod shapes;
