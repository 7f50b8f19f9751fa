//! Telling: numbers events, masks secrets and fans them out to sinks.
