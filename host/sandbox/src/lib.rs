//! Launches a native program confined, and kills all of it.
