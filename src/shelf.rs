//! The shelf: the stories of the folder `rules/`, in the program itself.

/// A rule file that is ready to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Story {
    /// Its folder: what it is about.
    pub theme: &'static str,
    /// Its file's name without `.toml`; no two stories have the same.
    pub name: &'static str,
    /// The file.
    pub text: &'static str,
}

impl Story {
    /// What it shows, in one line.
    pub fn shows(&self) -> &'static str {
        self.comment(0)
    }

    /// What a correct peer does, in one line.
    pub fn right(&self) -> &'static str {
        self.comment(1)
    }

    /// Its file in the repository, from the root.
    pub fn file(&self) -> String {
        format!("rules/{}/{}.toml", self.theme, self.name)
    }

    fn comment(&self, line: usize) -> &'static str {
        let line = self.text.lines().nth(line).unwrap_or_default();
        line.trim_start_matches('#').trim()
    }
}

/// The story of this name.
pub fn find(name: &str) -> Option<&'static Story> {
    STORIES.iter().find(|story| story.name == name)
}

/// Every story, by theme and name. A test holds it against the folder.
#[rustfmt::skip]
pub const STORIES: &[Story] = &[
    Story { theme: "command", name: "hide-command", text: include_str!("../rules/command/hide-command.toml") },
    Story { theme: "connection", name: "reset-once", text: include_str!("../rules/connection/reset-once.toml") },
    Story { theme: "data", name: "wrong-language", text: include_str!("../rules/data/wrong-language.toml") },
    Story { theme: "http", name: "busy", text: include_str!("../rules/http/busy.toml") },
    Story { theme: "http", name: "slow", text: include_str!("../rules/http/slow.toml") },
    Story { theme: "status", name: "accepted", text: include_str!("../rules/status/accepted.toml") },
    Story { theme: "status", name: "already-exists", text: include_str!("../rules/status/already-exists.toml") },
    Story { theme: "status", name: "authenticated", text: include_str!("../rules/status/authenticated.toml") },
    Story { theme: "status", name: "bad-request", text: include_str!("../rules/status/bad-request.toml") },
    Story { theme: "status", name: "cancelled", text: include_str!("../rules/status/cancelled.toml") },
    Story { theme: "status", name: "chunk-accepted", text: include_str!("../rules/status/chunk-accepted.toml") },
    Story { theme: "status", name: "command-fails", text: include_str!("../rules/status/command-fails.toml") },
    Story { theme: "status", name: "credentials-missing", text: include_str!("../rules/status/credentials-missing.toml") },
    Story { theme: "status", name: "device-full", text: include_str!("../rules/status/device-full.toml") },
    Story { theme: "status", name: "false-success", text: include_str!("../rules/status/false-success.toml") },
    Story { theme: "status", name: "forbidden", text: include_str!("../rules/status/forbidden.toml") },
    Story { theme: "status", name: "incomplete-command", text: include_str!("../rules/status/incomplete-command.toml") },
    Story { theme: "status", name: "login-refused", text: include_str!("../rules/status/login-refused.toml") },
    Story { theme: "status", name: "not-allowed", text: include_str!("../rules/status/not-allowed.toml") },
    Story { theme: "status", name: "not-found", text: include_str!("../rules/status/not-found.toml") },
    Story { theme: "status", name: "permission-denied", text: include_str!("../rules/status/permission-denied.toml") },
    Story { theme: "status", name: "request-timeout", text: include_str!("../rules/status/request-timeout.toml") },
    Story { theme: "status", name: "size-mismatch", text: include_str!("../rules/status/size-mismatch.toml") },
    Story { theme: "status", name: "too-large", text: include_str!("../rules/status/too-large.toml") },
    Story { theme: "status", name: "unsupported", text: include_str!("../rules/status/unsupported.toml") },
    Story { theme: "status", name: "unsupported-format", text: include_str!("../rules/status/unsupported-format.toml") },
    Story { theme: "status", name: "uri-too-long", text: include_str!("../rules/status/uri-too-long.toml") },
    Story { theme: "status", name: "user-cancelled", text: include_str!("../rules/status/user-cancelled.toml") },
];
