//! Matchers: the conditions on messages, and on commands in them. A matcher holds the keys of the table `match`.
//!
//! ```text
//! Matcher ─┬─ keys about the message   address, head, session, document       message.rs
//!          ├─ keys about commands      kind, code, Items, answered command    command.rs
//!          ├─ filter                   from an option of the command line     filter.rs
//!          ├─ has, where               a place in the selected element        place.rs
//!          └─ not, any, all            matchers again
//! ```
//!
//! Cheap comparisons come first; a text inside a base64 document comes last.

mod client_cert;
mod command;
mod connection;
mod filter;
mod kinds;
mod message;
mod text;

pub use client_cert::ClientCertMatcher;
pub use command::AnswersMatcher;
pub use connection::ConnectionMatcher;
pub use kinds::Kinds;
pub use message::{Encoding, HeaderMatcher};
pub use text::{TextTest, ValueTest};

pub(super) use command::{HEADER, ReadCommand};
pub(super) use message::{any_code, is_action};

use self::message::any;

use schemars::JsonSchema;
use serde::Deserialize;

use super::RuleInput;
use super::answers::LinkedAnswers;
use super::glob::{Glob, UriGlob};
use super::items::Items;
use super::place::ElementPlace;
use super::value::{
    Alert, CmdId, CodeRange, HostName, Http, MediaType, Net, NumberRange, PathGlob, QueryGlob,
    SyncMl,
};
use crate::dm::{CommandKind, Dialect};
use crate::filter::Filter;
use crate::markup::{Document, Element};

/// The conditions under which the rule acts: all keys must match. Without a key that selects commands, the rule selects the whole message.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(
    rename = "`match`",
    rename_all = "kebab-case",
    deny_unknown_fields,
    default,
    expecting = "match = { command = \"Get\" }, and for several match = { any = [ … ] }"
)]
#[schemars(rename = "match")]
pub struct Matcher {
    /// Commands of this name, including nested ones.
    pub command: Vec<CommandKind>,
    /// The command with this CmdID.
    #[schemars(extend("examples" = [5]))]
    pub cmd_id: Vec<CmdId>,
    /// Commands about this node: the Target of an Item, otherwise its Source; a Status or Results that names no node is about the nodes of the command that it answers. `*` matches any characters in a segment, `**` any number of segments.
    #[schemars(extend("examples" = ["./Device/Vendor/MSFT/BitLocker/**"]))]
    pub loc_uri: Vec<UriGlob>,
    /// The Format in the Meta of an Item or of its command; `*` matches any characters.
    #[schemars(extend("examples" = ["int"]))]
    pub format: Vec<Glob>,
    /// The Type in the Meta of an Item or of its command; `*` matches any characters.
    #[schemars(extend("examples" = ["text/*"]))]
    pub r#type: Vec<Glob>,
    /// The Data of an Item: a text must be equal, a table compares in other ways.
    #[schemars(extend("examples" = ["1", {"contains": "x"}, {"regex": "^\\d+$"}]))]
    pub data: Vec<TextTest>,
    /// A Status with this code or class of codes.
    #[schemars(extend("examples" = [404, "2xx"]))]
    pub status: Vec<CodeRange<SyncMl>>,
    /// An Alert with this code or class of codes.
    #[schemars(extend("examples" = [1226]))]
    pub alert: Vec<CodeRange<Alert>>,
    /// An Alert with this Type in its Meta; `*` matches any characters.
    #[schemars(extend("examples" = ["com.microsoft:mdm.unenrollment*"]))]
    pub alert_type: Vec<Glob>,
    /// A Status or Results that answers a command of this name (`"SyncHdr"` for the header), or the command that the table describes.
    #[schemars(extend("examples" = ["SyncHdr", {"command": "Exec", "loc-uri": "./Vendor/**"}]))]
    pub answers: Vec<AnswersMatcher>,
    /// The selection contains this element or attribute.
    #[schemars(extend("examples" = ["Item/Meta/Mark"]))]
    pub has: Vec<ElementPlace>,
    /// Compares the text at a place in the selection.
    #[schemars(extend("examples" = [{"at": "Item/Data", "equals": "1"}]))]
    pub r#where: Vec<ValueTest>,
    /// The message with this MsgID, or within this range: `"2..4"` is 2, 3 and 4.
    #[schemars(extend("examples" = [2, "2.."]))]
    pub message: Vec<NumberRange<1>>,
    /// The package of the message: the device sends 1 (which opens the session) and 3, the server 2 and 4.
    #[schemars(extend("examples" = ["1..4"]))]
    pub package: Vec<NumberRange<0>>,
    /// The number of the exchange in its session, from 1.
    #[schemars(extend("examples" = [1, "..3"]))]
    pub exchange: Vec<NumberRange<1>>,
    /// The SessionID; `*` matches any characters.
    #[schemars(extend("examples" = ["1A"]))]
    pub session: Vec<Glob>,
    /// The number of the session among the sessions of its device since dmtap started, from 1; dmtap counts them for at most 10,000 devices.
    #[schemars(extend("examples" = [2, "2.."]))]
    pub device_session: Vec<NumberRange<1>>,
    /// The Source of the device's messages; `*` matches any characters.
    #[schemars(extend("examples" = ["urn:uuid:*"]))]
    pub device: Vec<Glob>,
    /// The user: the LocName of the device's Source, otherwise the user in Basic credentials, as last sent in the session.
    #[schemars(extend("examples" = ["*@contoso.com"]))]
    pub user: Vec<Glob>,
    /// The IP address of the device, or a network that contains it.
    #[schemars(extend("examples" = ["192.0.2.7", "10.0.0.0/8"]))]
    pub peer: Vec<Net>,
    /// The server name (SNI) in the device's TLS ClientHello; `*` matches any characters.
    #[schemars(extend("examples" = ["*.contoso.com"]))]
    pub sni: Vec<Glob>,
    /// The client certificate that the device presented.
    #[schemars(extend("examples" = [{"subject": "CN=*", "thumbprint": "5F3C*"}]))]
    pub client_cert: Vec<ClientCertMatcher>,
    /// The host that the device asked for (Host or :authority), without port; with `--mode reverse:` it is the name by which the device reaches dmtap. `*` matches any characters.
    #[schemars(extend("examples" = ["mdm.contoso.com"]))]
    pub host: Vec<HostName>,
    /// The path of the HTTP request, without the query; `*` matches any characters.
    #[schemars(extend("examples" = ["/ManagementServer/*"]))]
    pub path: Vec<PathGlob>,
    /// The query of the HTTP request, without its question mark; `*` matches any characters.
    #[schemars(extend("examples" = ["mode=Maintenance*"]))]
    pub query: Vec<QueryGlob>,
    /// The method of the HTTP request.
    #[schemars(extend("examples" = ["POST"]))]
    pub method: Vec<Glob>,
    /// A header field of this message.
    #[schemars(extend("examples" = [{"name": "Content-Type", "value": "application/*"}]))]
    pub header: Vec<HeaderMatcher>,
    /// A header field of the request, at both stages.
    #[schemars(extend("examples" = [{"name": "User-Agent", "value": "MSFT*"}]))]
    pub request_header: Vec<HeaderMatcher>,
    /// The Content-Type of this message, without parameters; `*` matches any characters.
    #[schemars(extend("examples" = ["application/vnd.syncml.dm+*"]))]
    pub media_type: Vec<MediaType>,
    /// The HTTP status of the response, or its class; only at the stage `response`.
    #[schemars(extend("examples" = [200, "5xx"]))]
    pub http_status: Vec<CodeRange<Http>>,
    /// The encoding of the document, detected from its bytes.
    pub encoding: Vec<Encoding>,
    /// The language of the document, detected from its root element.
    pub dialect: Vec<Dialect>,
    /// The Action of a SOAP message, or its short name: `Discover`, `GetPolicies` and `RST/wstep` of requests, `DiscoverResponse`, `GetPoliciesResponse` and `RSTRC/wstep` of responses; `*` matches any characters.
    #[schemars(extend("examples" = ["Discover", "*/RST/wstep"]))]
    pub soap_action: Vec<Glob>,
    /// A SOAP fault with this code, subcode or ErrorType, without a prefix; `*` matches any characters, so that `"*"` matches every fault. Only at the stage `response`.
    #[schemars(extend("examples" = ["Authorization", "DeviceCapReached"]))]
    pub soap_fault: Vec<Glob>,
    /// The length of the body in bytes, after its content codings were undone; if dmtap did not read the body, its Content-Length.
    #[schemars(extend("examples" = ["4096.."]))]
    pub body_size: Vec<NumberRange<0>>,
    /// Matches if at least one key of the table does not match.
    #[schemars(extend("minProperties" = 1, "examples" = [{"command": "Get"}]))]
    pub not: Option<Box<Self>>,
    /// Matches if at least one of the tables matches.
    #[schemars(extend("items" = {"$ref": "#/$defs/match", "minProperties": 1}, "examples" = [[{"command": "Get"}, {"alert": 1226}]]))]
    pub any: Vec<Self>,
    /// Matches if all of the tables match; two of them may have the same key.
    #[schemars(extend("items" = {"$ref": "#/$defs/match", "minProperties": 1}, "examples" = [[{"command": "Get"}, {"loc-uri": "./DevInfo/**"}]]))]
    pub all: Vec<Self>,
    /// The kinds of commands that the matcher's own keys select; `None` if no key selects commands. Validation sets it.
    /// In the outermost matcher it takes the inner ones into account.
    #[serde(skip)]
    pub kinds: Option<Kinds>,
    /// A filter that must be true of the message, too, from an option of the command line.
    #[serde(skip)]
    pub filter: Option<Filter>,
}

/// The most levels of `not`, `any` and `all` inside each other.
pub const MAX_NESTING: usize = 8;

#[derive(Clone, Copy)]
pub(super) struct MatchContext<'a> {
    pub(super) input: &'a RuleInput<'a>,
    /// The document as earlier rules left it.
    pub(super) document: Option<&'a Document>,
    pub(super) answers: &'a LinkedAnswers<'a>,
}

impl Matcher {
    /// Whether the matcher selects commands, not the whole message.
    pub fn selects_commands(&self) -> bool {
        self.kinds.is_some() || self.inner().any(Self::selects_commands)
    }

    /// Returns the kinds of commands that the matcher can select.
    pub fn selected_kinds(&self) -> Kinds {
        let all = self.all.iter().map(Self::selected_kinds);
        let mut kinds = all.fold(self.kinds.unwrap_or_default(), Kinds::and);
        if !self.any.is_empty() {
            let any = self.any.iter().map(Self::selected_kinds);
            kinds = kinds.and(any.fold(Kinds::NONE, Kinds::or));
        }
        match self.not.as_deref().and_then(Self::only_kinds) {
            Some(excluded) => kinds.without(excluded),
            None => kinds,
        }
    }

    /// Returns the kinds of a matcher that has no other condition.
    fn only_kinds(&self) -> Option<Kinds> {
        let only = Self {
            command: self.command.clone(),
            kinds: self.kinds,
            ..Self::default()
        };
        self.kinds.filter(|_| *self == only)
    }

    fn inner(&self) -> impl Iterator<Item = &Self> {
        let not = self.not.as_deref().into_iter();
        not.chain(&self.any).chain(&self.all)
    }

    /// Whether `holds` is true of the matcher, or of a matcher inside it at any depth.
    pub(super) fn any_level(&self, holds: &mut dyn FnMut(&Self) -> bool) -> bool {
        holds(self) || self.inner().any(|inner| inner.any_level(holds))
    }

    pub(super) fn reads_document(&self) -> bool {
        self.any_level(&mut |m| {
            m.kinds.is_some()
                || !m.has.is_empty()
                || !m.r#where.is_empty()
                || m.asks_of_document()
                || m.filter_reads_document()
        })
    }

    /// Whether the matcher needs the session of the message.
    pub(super) fn needs_session(&self) -> bool {
        self.any_level(&mut |m| m.own_keys_need_session() || m.filter_needs_session())
    }

    /// Whether the matcher compares LocURIs of commands.
    pub(super) fn compares_loc_uris(&self) -> bool {
        self.any_level(&mut |m| !m.loc_uri.is_empty())
    }

    /// Whether the matcher needs the command that an answer refers to.
    pub(super) fn needs_links(&self) -> bool {
        self.any_level(&mut |m| m.own_keys_need_links() || m.filter_needs_commands())
    }

    pub(super) fn holds(&self, context: &MatchContext<'_>) -> bool {
        let root = context.document.map(Document::root);
        self.items(context, root, None).is_some()
    }

    /// Returns the Items of a command that the matcher selects; `None` if it does not select the command.
    pub(super) fn items_of(
        &self,
        context: &MatchContext<'_>,
        seen: &ReadCommand<'_>,
    ) -> Option<Items> {
        self.items(context, Some(seen.command.element()), Some(seen))
    }

    fn items(
        &self,
        context: &MatchContext<'_>,
        element: Option<Element<'_>>,
        seen: Option<&ReadCommand<'_>>,
    ) -> Option<Items> {
        if !self.holds_of_message(context) || !self.passes_filter(context) {
            return None;
        }
        let mut items = match self.kinds {
            Some(_) => self.items_of_command(context, seen?)?,
            None => Items::All,
        };
        for inner in &self.all {
            items = items.and(inner.items(context, element, seen)?)?;
        }
        if !self.any.is_empty() {
            let found = self
                .any
                .iter()
                .filter_map(|m| m.items(context, element, seen));
            items = items.and(found.reduce(Items::or)?)?;
        }
        if let Some(not) = &self.not
            && let Some(excluded) = not.items(context, element, seen)
        {
            items = items.and(excluded.not(seen?.command)?)?;
        }
        self.places_hold(context, element, &items).then_some(items)
    }

    fn places_hold(
        &self,
        context: &MatchContext<'_>,
        element: Option<Element<'_>>,
        items: &Items,
    ) -> bool {
        let limits = context.input.limits;
        let has = |place: &ElementPlace, element: &Element<'_>| {
            place.any(*element, items, limits, &mut |_| true)
        };
        let meets = |test: &ValueTest, element: &Element<'_>| test.holds(*element, items, limits);
        any(&self.has, || element, has) && any(&self.r#where, || element, meets)
    }
}
