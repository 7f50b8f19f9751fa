//! The built-in rules: the files of the folder `rules/`, as text in the program.

/// A built-in rule file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltinRule {
    /// Its folder, which names its subject.
    pub theme: &'static str,
    /// The name of its file without `.toml`; unique.
    pub name: &'static str,
    /// The content of the file.
    pub text: &'static str,
}

impl BuiltinRule {
    /// A description of the fault, in one line.
    pub fn shows(&self) -> &'static str {
        self.comment(0)
    }

    /// What a correct peer does, in one line.
    pub fn right(&self) -> &'static str {
        self.comment(1)
    }

    /// The file name in errors and records; no such file exists where dmtap runs.
    pub fn file(&self) -> String {
        format!("built-in:{}/{}.toml", self.theme, self.name)
    }

    /// Whether it acts only on values that travel in chunks.
    pub fn is_about_chunks(&self) -> bool {
        self.theme == "chunks"
    }

    fn comment(&self, line: usize) -> &'static str {
        let line = self.text.lines().nth(line).unwrap_or_default();
        line.trim_start_matches('#').trim()
    }
}

/// The built-in rule of this name.
pub fn find(name: &str) -> Option<&'static BuiltinRule> {
    BUILTIN_RULES.iter().find(|rule| rule.name == name)
}

/// Every built-in rule, by theme and name. A test compares the list with the folder.
#[rustfmt::skip]
pub const BUILTIN_RULES: &[BuiltinRule] = &[
    BuiltinRule { theme: "atomic", name: "add-then-replace", text: include_str!("../rules/atomic/add-then-replace.toml") },
    BuiltinRule { theme: "atomic", name: "atomic-fails", text: include_str!("../rules/atomic/atomic-fails.toml") },
    BuiltinRule { theme: "atomic", name: "atomic-refused", text: include_str!("../rules/atomic/atomic-refused.toml") },
    BuiltinRule { theme: "atomic", name: "atomic-too-large", text: include_str!("../rules/atomic/atomic-too-large.toml") },
    BuiltinRule { theme: "atomic", name: "get-in-atomic", text: include_str!("../rules/atomic/get-in-atomic.toml") },
    BuiltinRule { theme: "atomic", name: "meta-in-atomic", text: include_str!("../rules/atomic/meta-in-atomic.toml") },
    BuiltinRule { theme: "atomic", name: "nested-atomic", text: include_str!("../rules/atomic/nested-atomic.toml") },
    BuiltinRule { theme: "atomic", name: "rollback-fails", text: include_str!("../rules/atomic/rollback-fails.toml") },
    BuiltinRule { theme: "atomic", name: "rolled-back", text: include_str!("../rules/atomic/rolled-back.toml") },
    BuiltinRule { theme: "atomic", name: "unknown-in-atomic", text: include_str!("../rules/atomic/unknown-in-atomic.toml") },
    BuiltinRule { theme: "attestation", name: "enrollment-version-4", text: include_str!("../rules/attestation/enrollment-version-4.toml") },
    BuiltinRule { theme: "attestation", name: "software-keys", text: include_str!("../rules/attestation/software-keys.toml") },
    BuiltinRule { theme: "auth", name: "challenge", text: include_str!("../rules/auth/challenge.toml") },
    BuiltinRule { theme: "auth", name: "challenge-basic", text: include_str!("../rules/auth/challenge-basic.toml") },
    BuiltinRule { theme: "auth", name: "challenge-given-nonce", text: include_str!("../rules/auth/challenge-given-nonce.toml") },
    BuiltinRule { theme: "auth", name: "challenge-late", text: include_str!("../rules/auth/challenge-late.toml") },
    BuiltinRule { theme: "chunks", name: "chunk-refused", text: include_str!("../rules/chunks/chunk-refused.toml") },
    BuiltinRule { theme: "chunks", name: "last-chunk-lost", text: include_str!("../rules/chunks/last-chunk-lost.toml") },
    BuiltinRule { theme: "chunks", name: "never-completed", text: include_str!("../rules/chunks/never-completed.toml") },
    BuiltinRule { theme: "chunks", name: "no-size", text: include_str!("../rules/chunks/no-size.toml") },
    BuiltinRule { theme: "chunks", name: "object-abandoned", text: include_str!("../rules/chunks/object-abandoned.toml") },
    BuiltinRule { theme: "chunks", name: "object-interrupted", text: include_str!("../rules/chunks/object-interrupted.toml") },
    BuiltinRule { theme: "chunks", name: "size-too-small", text: include_str!("../rules/chunks/size-too-small.toml") },
    BuiltinRule { theme: "chunks", name: "small-messages", text: include_str!("../rules/chunks/small-messages.toml") },
    BuiltinRule { theme: "chunks", name: "small-objects", text: include_str!("../rules/chunks/small-objects.toml") },
    BuiltinRule { theme: "chunks", name: "upload-refused", text: include_str!("../rules/chunks/upload-refused.toml") },
    BuiltinRule { theme: "chunks", name: "upload-wrong-size", text: include_str!("../rules/chunks/upload-wrong-size.toml") },
    BuiltinRule { theme: "chunks", name: "wrong-size", text: include_str!("../rules/chunks/wrong-size.toml") },
    BuiltinRule { theme: "connection", name: "broken-chunk", text: include_str!("../rules/connection/broken-chunk.toml") },
    BuiltinRule { theme: "connection", name: "cut-short", text: include_str!("../rules/connection/cut-short.toml") },
    BuiltinRule { theme: "connection", name: "empty-response", text: include_str!("../rules/connection/empty-response.toml") },
    BuiltinRule { theme: "connection", name: "jitter", text: include_str!("../rules/connection/jitter.toml") },
    BuiltinRule { theme: "connection", name: "late-close", text: include_str!("../rules/connection/late-close.toml") },
    BuiltinRule { theme: "connection", name: "left-alone", text: include_str!("../rules/connection/left-alone.toml") },
    BuiltinRule { theme: "connection", name: "length-too-large", text: include_str!("../rules/connection/length-too-large.toml") },
    BuiltinRule { theme: "connection", name: "length-too-small", text: include_str!("../rules/connection/length-too-small.toml") },
    BuiltinRule { theme: "connection", name: "noise", text: include_str!("../rules/connection/noise.toml") },
    BuiltinRule { theme: "connection", name: "refused-connection", text: include_str!("../rules/connection/refused-connection.toml") },
    BuiltinRule { theme: "connection", name: "reset-in-the-middle", text: include_str!("../rules/connection/reset-in-the-middle.toml") },
    BuiltinRule { theme: "connection", name: "reset-once", text: include_str!("../rules/connection/reset-once.toml") },
    BuiltinRule { theme: "connection", name: "silence", text: include_str!("../rules/connection/silence.toml") },
    BuiltinRule { theme: "connection", name: "slow-line", text: include_str!("../rules/connection/slow-line.toml") },
    BuiltinRule { theme: "connection", name: "small-pieces", text: include_str!("../rules/connection/small-pieces.toml") },
    BuiltinRule { theme: "data", name: "empty-value", text: include_str!("../rules/data/empty-value.toml") },
    BuiltinRule { theme: "data", name: "no-format", text: include_str!("../rules/data/no-format.toml") },
    BuiltinRule { theme: "data", name: "odd-characters", text: include_str!("../rules/data/odd-characters.toml") },
    BuiltinRule { theme: "data", name: "results-lost", text: include_str!("../rules/data/results-lost.toml") },
    BuiltinRule { theme: "data", name: "value-changed", text: include_str!("../rules/data/value-changed.toml") },
    BuiltinRule { theme: "data", name: "wrong-format", text: include_str!("../rules/data/wrong-format.toml") },
    BuiltinRule { theme: "data", name: "wrong-language", text: include_str!("../rules/data/wrong-language.toml") },
    BuiltinRule { theme: "enrollment", name: "authentication", text: include_str!("../rules/enrollment/authentication.toml") },
    BuiltinRule { theme: "enrollment", name: "authorization", text: include_str!("../rules/enrollment/authorization.toml") },
    BuiltinRule { theme: "enrollment", name: "certificate-request", text: include_str!("../rules/enrollment/certificate-request.toml") },
    BuiltinRule { theme: "enrollment", name: "custom-error", text: include_str!("../rules/enrollment/custom-error.toml") },
    BuiltinRule { theme: "enrollment", name: "device-cap", text: include_str!("../rules/enrollment/device-cap.toml") },
    BuiltinRule { theme: "enrollment", name: "device-not-supported", text: include_str!("../rules/enrollment/device-not-supported.toml") },
    BuiltinRule { theme: "enrollment", name: "enrollment-server", text: include_str!("../rules/enrollment/enrollment-server.toml") },
    BuiltinRule { theme: "enrollment", name: "in-maintenance", text: include_str!("../rules/enrollment/in-maintenance.toml") },
    BuiltinRule { theme: "enrollment", name: "internal-fault", text: include_str!("../rules/enrollment/internal-fault.toml") },
    BuiltinRule { theme: "enrollment", name: "invalid-enrollment-data", text: include_str!("../rules/enrollment/invalid-enrollment-data.toml") },
    BuiltinRule { theme: "enrollment", name: "invalid-security", text: include_str!("../rules/enrollment/invalid-security.toml") },
    BuiltinRule { theme: "enrollment", name: "message-format", text: include_str!("../rules/enrollment/message-format.toml") },
    BuiltinRule { theme: "enrollment", name: "not-eligible-to-renew", text: include_str!("../rules/enrollment/not-eligible-to-renew.toml") },
    BuiltinRule { theme: "enrollment", name: "not-supported", text: include_str!("../rules/enrollment/not-supported.toml") },
    BuiltinRule { theme: "enrollment", name: "user-license", text: include_str!("../rules/enrollment/user-license.toml") },
    BuiltinRule { theme: "http", name: "answer-lost", text: include_str!("../rules/http/answer-lost.toml") },
    BuiltinRule { theme: "http", name: "busy", text: include_str!("../rules/http/busy.toml") },
    BuiltinRule { theme: "http", name: "early-end", text: include_str!("../rules/http/early-end.toml") },
    BuiltinRule { theme: "http", name: "flipped-bits", text: include_str!("../rules/http/flipped-bits.toml") },
    BuiltinRule { theme: "http", name: "half-a-message", text: include_str!("../rules/http/half-a-message.toml") },
    BuiltinRule { theme: "http", name: "not-found-page", text: include_str!("../rules/http/not-found-page.toml") },
    BuiltinRule { theme: "http", name: "retry-later", text: include_str!("../rules/http/retry-later.toml") },
    BuiltinRule { theme: "http", name: "server-error", text: include_str!("../rules/http/server-error.toml") },
    BuiltinRule { theme: "http", name: "slow", text: include_str!("../rules/http/slow.toml") },
    BuiltinRule { theme: "http", name: "too-many-requests", text: include_str!("../rules/http/too-many-requests.toml") },
    BuiltinRule { theme: "http", name: "unauthorized", text: include_str!("../rules/http/unauthorized.toml") },
    BuiltinRule { theme: "http", name: "wrong-media-type", text: include_str!("../rules/http/wrong-media-type.toml") },
    BuiltinRule { theme: "session", name: "aborted", text: include_str!("../rules/session/aborted.toml") },
    BuiltinRule { theme: "session", name: "aborted-by-device", text: include_str!("../rules/session/aborted-by-device.toml") },
    BuiltinRule { theme: "session", name: "answer-twice", text: include_str!("../rules/session/answer-twice.toml") },
    BuiltinRule { theme: "session", name: "answers-reversed", text: include_str!("../rules/session/answers-reversed.toml") },
    BuiltinRule { theme: "session", name: "busy-in-session", text: include_str!("../rules/session/busy-in-session.toml") },
    BuiltinRule { theme: "session", name: "command-injected", text: include_str!("../rules/session/command-injected.toml") },
    BuiltinRule { theme: "session", name: "elsewhere", text: include_str!("../rules/session/elsewhere.toml") },
    BuiltinRule { theme: "session", name: "hide-command", text: include_str!("../rules/session/hide-command.toml") },
    BuiltinRule { theme: "session", name: "message-number-repeated", text: include_str!("../rules/session/message-number-repeated.toml") },
    BuiltinRule { theme: "session", name: "message-skipped", text: include_str!("../rules/session/message-skipped.toml") },
    BuiltinRule { theme: "session", name: "message-twice", text: include_str!("../rules/session/message-twice.toml") },
    BuiltinRule { theme: "session", name: "meta-in-header", text: include_str!("../rules/session/meta-in-header.toml") },
    BuiltinRule { theme: "session", name: "next-message", text: include_str!("../rules/session/next-message.toml") },
    BuiltinRule { theme: "session", name: "no-answer", text: include_str!("../rules/session/no-answer.toml") },
    BuiltinRule { theme: "session", name: "no-cmdid", text: include_str!("../rules/session/no-cmdid.toml") },
    BuiltinRule { theme: "session", name: "no-final", text: include_str!("../rules/session/no-final.toml") },
    BuiltinRule { theme: "session", name: "old-version", text: include_str!("../rules/session/old-version.toml") },
    BuiltinRule { theme: "session", name: "other-session", text: include_str!("../rules/session/other-session.toml") },
    BuiltinRule { theme: "session", name: "refused", text: include_str!("../rules/session/refused.toml") },
    BuiltinRule { theme: "session", name: "slash-uri", text: include_str!("../rules/session/slash-uri.toml") },
    BuiltinRule { theme: "session", name: "unknown-command", text: include_str!("../rules/session/unknown-command.toml") },
    BuiltinRule { theme: "session", name: "unknown-in-sequence", text: include_str!("../rules/session/unknown-in-sequence.toml") },
    BuiltinRule { theme: "session", name: "unknown-reference", text: include_str!("../rules/session/unknown-reference.toml") },
    BuiltinRule { theme: "session", name: "unknown-version", text: include_str!("../rules/session/unknown-version.toml") },
    BuiltinRule { theme: "session", name: "wrong-namespace", text: include_str!("../rules/session/wrong-namespace.toml") },
    BuiltinRule { theme: "status", name: "accepted", text: include_str!("../rules/status/accepted.toml") },
    BuiltinRule { theme: "status", name: "already-exists", text: include_str!("../rules/status/already-exists.toml") },
    BuiltinRule { theme: "status", name: "authenticated", text: include_str!("../rules/status/authenticated.toml") },
    BuiltinRule { theme: "status", name: "bad-request", text: include_str!("../rules/status/bad-request.toml") },
    BuiltinRule { theme: "status", name: "cancelled", text: include_str!("../rules/status/cancelled.toml") },
    BuiltinRule { theme: "status", name: "chunk-accepted", text: include_str!("../rules/status/chunk-accepted.toml") },
    BuiltinRule { theme: "status", name: "command-fails", text: include_str!("../rules/status/command-fails.toml") },
    BuiltinRule { theme: "status", name: "credentials-missing", text: include_str!("../rules/status/credentials-missing.toml") },
    BuiltinRule { theme: "status", name: "device-full", text: include_str!("../rules/status/device-full.toml") },
    BuiltinRule { theme: "status", name: "done-later", text: include_str!("../rules/status/done-later.toml") },
    BuiltinRule { theme: "status", name: "fails-twice", text: include_str!("../rules/status/fails-twice.toml") },
    BuiltinRule { theme: "status", name: "false-success", text: include_str!("../rules/status/false-success.toml") },
    BuiltinRule { theme: "status", name: "flaky-node", text: include_str!("../rules/status/flaky-node.toml") },
    BuiltinRule { theme: "status", name: "forbidden", text: include_str!("../rules/status/forbidden.toml") },
    BuiltinRule { theme: "status", name: "incomplete-command", text: include_str!("../rules/status/incomplete-command.toml") },
    BuiltinRule { theme: "status", name: "login-refused", text: include_str!("../rules/status/login-refused.toml") },
    BuiltinRule { theme: "status", name: "not-allowed", text: include_str!("../rules/status/not-allowed.toml") },
    BuiltinRule { theme: "status", name: "not-found", text: include_str!("../rules/status/not-found.toml") },
    BuiltinRule { theme: "status", name: "original-error", text: include_str!("../rules/status/original-error.toml") },
    BuiltinRule { theme: "status", name: "permission-denied", text: include_str!("../rules/status/permission-denied.toml") },
    BuiltinRule { theme: "status", name: "request-timeout", text: include_str!("../rules/status/request-timeout.toml") },
    BuiltinRule { theme: "status", name: "size-mismatch", text: include_str!("../rules/status/size-mismatch.toml") },
    BuiltinRule { theme: "status", name: "too-large", text: include_str!("../rules/status/too-large.toml") },
    BuiltinRule { theme: "status", name: "unsupported", text: include_str!("../rules/status/unsupported.toml") },
    BuiltinRule { theme: "status", name: "unsupported-format", text: include_str!("../rules/status/unsupported-format.toml") },
    BuiltinRule { theme: "status", name: "uri-too-long", text: include_str!("../rules/status/uri-too-long.toml") },
    BuiltinRule { theme: "status", name: "user-cancelled", text: include_str!("../rules/status/user-cancelled.toml") },
    BuiltinRule { theme: "tls", name: "expired", text: include_str!("../rules/tls/expired.toml") },
    BuiltinRule { theme: "tls", name: "handshake-alert", text: include_str!("../rules/tls/handshake-alert.toml") },
    BuiltinRule { theme: "tls", name: "handshake-close", text: include_str!("../rules/tls/handshake-close.toml") },
    BuiltinRule { theme: "tls", name: "handshake-stall", text: include_str!("../rules/tls/handshake-stall.toml") },
    BuiltinRule { theme: "tls", name: "not-yet-valid", text: include_str!("../rules/tls/not-yet-valid.toml") },
    BuiltinRule { theme: "tls", name: "only-new-tls", text: include_str!("../rules/tls/only-new-tls.toml") },
    BuiltinRule { theme: "tls", name: "only-old-tls", text: include_str!("../rules/tls/only-old-tls.toml") },
    BuiltinRule { theme: "tls", name: "self-signed", text: include_str!("../rules/tls/self-signed.toml") },
    BuiltinRule { theme: "tls", name: "untrusted", text: include_str!("../rules/tls/untrusted.toml") },
    BuiltinRule { theme: "tls", name: "weak", text: include_str!("../rules/tls/weak.toml") },
    BuiltinRule { theme: "tls", name: "wrong-host", text: include_str!("../rules/tls/wrong-host.toml") },
    BuiltinRule { theme: "tls", name: "wrong-purpose", text: include_str!("../rules/tls/wrong-purpose.toml") },
];
