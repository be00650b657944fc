//! Wire-faithful stand-ins for the outside systems, with their failures.
