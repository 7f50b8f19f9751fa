//! The proxy: sockets, TLS and HTTP between device and server.
