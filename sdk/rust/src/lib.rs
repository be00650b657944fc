//! What an author of a Cyrus executor depends on.
