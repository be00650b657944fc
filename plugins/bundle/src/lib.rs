//! Builds the first-party components and carries them in the binary.
