//! Records: what is written, what is masked, and what happens when writing fails.

#[path = "record/answers.rs"]
mod answers;
#[path = "record/effects.rs"]
mod effects;
#[path = "record/enrolled.rs"]
mod enrolled;
#[path = "record/enrollment.rs"]
mod enrollment;
#[path = "record/file.rs"]
mod file;
#[path = "record/journal.rs"]
mod journal;
#[path = "record/listed.rs"]
mod listed;
#[path = "support/literals.rs"]
mod literals;
#[path = "record/masking.rs"]
mod masking;
#[path = "record/message.rs"]
mod message;
#[path = "record/pcapng.rs"]
mod pcapng;
#[path = "record/planted.rs"]
mod planted;
#[path = "record/stage.rs"]
mod stage;
#[path = "record/transcript.rs"]
mod transcript;
