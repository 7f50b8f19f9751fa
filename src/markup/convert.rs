//! Conversion: a document written anew in the other encoding, or the same one.
