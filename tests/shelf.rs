//! The shelf: every story is in the program, says what it shows, and is played over the real proxy.

#[path = "shelf/agreeable.rs"]
mod agreeable;
#[path = "shelf/closing.rs"]
mod closing;
#[path = "shelf/demo.rs"]
mod demo;
#[path = "shelf/docs.rs"]
mod docs;
#[path = "shelf/files.rs"]
mod files;
#[path = "shelf/lines.rs"]
mod lines;
#[path = "shelf/played.rs"]
mod played;
#[path = "shelf/stage.rs"]
mod stage;
#[path = "shelf/tried.rs"]
mod tried;
