//! The MeshInstallation: what it asks for, built, applied and kept so.

mod build;
mod valid;
