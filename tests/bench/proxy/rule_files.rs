//! Rule files for the contenders with rules.

use std::path::Path;

/// Writes `few.toml` and `thousand.toml` into the folder.
pub(crate) fn write(directory: &Path) {
    std::fs::write(directory.join("few.toml"), FEW).unwrap();
    std::fs::write(directory.join("thousand.toml"), thousand_rules()).unwrap();
}

/// Rules that look at every command and change one Status of each request.
const FEW: &str = r#"
[[rule]]
name = "fail"
stage = "request"
match = { command = "Status", answers = "Get", loc-uri = "./Vendor/MSFT/**/Setting2" }
[[rule.step]]
set-status = 404

[[rule]]
name = "elsewhere"
stage = "response"
match = { command = "Exec", loc-uri = "./Device/**" }
[[rule.step]]
remove = true
"#;

/// A thousand rules of every common kind, at both stages, none of which matches what the bench sends.
fn thousand_rules() -> String {
    const MATCHERS: [&str; 10] = [
        "command = 'Status', loc-uri = './Device/Vendor/MSFT/Other{n}/**'",
        "command = 'Status', loc-uri = './Vendor/MSFT/Policy/Config/Area{n}/*'",
        "command = 'Results', loc-uri = './DevDetail/Ext/Node{n}'",
        "command = ['Add', 'Replace'], loc-uri = './User/Vendor/MSFT/**/Setting{n}'",
        "command = 'Exec', loc-uri = './Vendor/MSFT/RemoteWipe/{n}'",
        "loc-uri = './Vendor/MSFT/Reboot/{n}/**'",
        "command = 'Status', status = '5xx', answers = 'Exec'",
        "device = 'urn:uuid:other-{n}'",
        "session = 'other-{n}', command = 'Status'",
        "host = 'server{n}.example.com', path = '/omadm'",
    ];
    (0..1000)
        .map(|n| {
            let matcher = MATCHERS[n % MATCHERS.len()].replace("{n}", &n.to_string());
            let stage = ["request", "response"][n / MATCHERS.len() % 2];
            format!(
                "[[rule]]\nname = 'r{n}'\nstage = '{stage}'\nmatch = {{ {matcher} }}\nstep = {{ delay = '1s' }}\n"
            )
        })
        .collect()
}
