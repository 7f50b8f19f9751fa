//! The plan of a reference server: packages of commands for a device.

use serde::Deserialize;
use strum::AsRefStr;

use super::compose::Composer;
use super::large::{Chunk, Sizes};

/// The packages of one session, in order: packages 2, 4, 6 and so on of the protocol.
///
/// Content that does not fit into one message is sent in several: values in chunks, commands in additional packages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// `MaxMsgSize` that the server announces and also obeys, in bytes.
    #[serde(rename = "max-msg-size")]
    pub max_msg_size: Option<u32>,
    /// `MaxObjSize` that the server announces, in bytes.
    #[serde(rename = "max-obj-size")]
    pub max_obj_size: Option<u32>,
    /// The packages.
    #[serde(rename = "package")]
    pub packages: Vec<Package>,
}

/// The commands of one turn of the server: one message, if they fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// The commands, in order.
    pub commands: Vec<PlannedCommand>,
}

/// One command to send.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, AsRefStr)]
#[serde(rename_all = "lowercase")]
pub enum PlannedCommand {
    /// Get a node.
    Get(String),
    /// Add a leaf: LocURI and text.
    Add(String, String),
    /// Replace a leaf: LocURI and text.
    Replace(String, String),
    /// Delete a node.
    Delete(String),
    /// Run a node: LocURI and argument.
    Exec(String, String),
    /// Run all commands or none.
    Atomic(Vec<Self>),
    /// Run the commands in this order.
    Sequence(Vec<Self>),
}

impl Plan {
    /// Returns the plan of the demo: each command once, for the tree of [`super::device::demo_tree`].
    pub fn demo() -> Self {
        use PlannedCommand::{Add, Atomic, Delete, Exec, Get, Replace, Sequence};
        let at = |leaf: &str| format!("./Device/Vendor/MSFT/DMTap/{leaf}");
        let first = vec![
            Get("./DevDetail/SwV".into()),
            Add(at("Greeting"), "Hello & welcome".into()),
            Replace(at("Colour"), "blue".into()),
            Exec(at("Restart"), "now".into()),
        ];
        let second = vec![
            Atomic(vec![
                Replace(at("Width"), "1920".into()),
                Replace(at("Height"), "1080".into()),
            ]),
            Sequence(vec![
                Get(at("Greeting")),
                Delete(at("Greeting")),
                Get(at("Greeting")),
            ]),
        ];
        Self::of([first, second])
    }

    /// Creates a plan with these packages of commands.
    pub fn of<const N: usize>(packages: [Vec<PlannedCommand>; N]) -> Self {
        Self {
            packages: packages.map(|commands| Package { commands }).into(),
            ..Self::default()
        }
    }

    /// Returns a plan whose values are longer than its messages, for the built-in rules about chunks.
    pub fn large() -> Self {
        use PlannedCommand::{Add, Delete, Get, Replace};
        let at = |leaf: &str| format!("./Device/Vendor/MSFT/DMTap/{leaf}");
        let line = |n: u32| format!("Line {n} of a notice for “all & sundry” <everywhere>.\n");
        let text = |lines| (1..=lines).map(line).collect::<String>();
        let first = vec![
            Replace(at("Colour"), "blue".into()),
            Add(at("Notice"), text(80)),
            Get("./DevDetail/SwV".into()),
        ];
        let second = vec![Get(at("Notice")), Replace(at("Width"), "1920".into())];
        let third = vec![Replace(at("Notice"), text(60)), Delete(at("Notice"))];
        Self {
            max_msg_size: Some(3000),
            ..Self::of([first, second, third])
        }
    }

    /// Returns the sizes that the server announces.
    pub(crate) fn sizes(&self) -> Sizes {
        Sizes {
            message: self.max_msg_size,
            object: self.max_obj_size,
        }
    }

    /// Returns the plan of the demo with one more package, so that each built-in rule has something to act on.
    pub fn for_builtin_rules() -> Self {
        use PlannedCommand::{Delete, Exec, Get, Replace};
        let at = |node: &str| format!("./Device/Vendor/MSFT/{node}");
        let third = vec![
            Replace(at("BitLocker/RequireDeviceEncryption"), "1".into()),
            Replace(at("DMTap/Missing"), "never there".into()),
            Get(at("DMTap")),
            Exec(at("RemoteWipe/doWipe"), String::new()),
            Delete(at("DMTap/Colour")),
        ];
        let mut plan = Self::demo();
        plan.packages.push(Package { commands: third });
        plan
    }
}

impl PlannedCommand {
    /// Returns the LocURI and the text of a command with a value, which may be sent in chunks.
    pub(crate) fn value(&self) -> Option<(&str, &str)> {
        match self {
            Self::Add(uri, text) | Self::Replace(uri, text) | Self::Exec(uri, text) => {
                Some((uri, text))
            }
            _ => None,
        }
    }

    /// Writes a chunk of the command's value, and returns the CmdID.
    pub(crate) fn write_chunk(&self, message: &mut Composer, chunk: &Chunk<'_>) -> u32 {
        let (uri, _) = self.value().unwrap_or_default();
        message.command(self.as_ref(), |m| item(m, uri, chunk))
    }

    /// Writes the command. Returns the commands that were sent, containers before their content: each with its CmdID, its
    /// name and its LocURI.
    pub(crate) fn write(&self, message: &mut Composer) -> Vec<(u32, String)> {
        let mut inner = Vec::new();
        let cmd_id = message.command(self.as_ref(), |m| match self {
            Self::Get(uri) | Self::Delete(uri) => m.within("Item", |m| target(m, uri)),
            Self::Add(uri, text) | Self::Replace(uri, text) | Self::Exec(uri, text) => {
                item(m, uri, &Chunk::whole(text));
            }
            Self::Atomic(orders) | Self::Sequence(orders) => {
                inner = orders.iter().flat_map(|order| order.write(m)).collect();
            }
        });
        let mut sent = vec![(cmd_id, self.to_string())];
        sent.append(&mut inner);
        sent
    }
}

impl std::fmt::Display for PlannedCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Get(uri)
            | Self::Delete(uri)
            | Self::Add(uri, _)
            | Self::Replace(uri, _)
            | Self::Exec(uri, _) => write!(f, "{} {uri}", self.as_ref()),
            Self::Atomic(_) | Self::Sequence(_) => f.write_str(self.as_ref()),
        }
    }
}

fn target(message: &mut Composer, uri: &str) {
    message.within("Target", |m| m.leaf("LocURI", uri));
}

fn item(message: &mut Composer, uri: &str, chunk: &Chunk<'_>) {
    message.within("Item", |m| {
        target(m, uri);
        m.value("chr", chunk);
    });
}
