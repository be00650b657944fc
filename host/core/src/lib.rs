//! The domain of Cyrus: issues, sessions, reports, and the ports between its parts.
