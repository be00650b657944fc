//! Plugins as policy: manifests, discovery, digests, grants and host patterns.
