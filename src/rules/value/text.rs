//! Values that are texts of many kinds.

use std::net::Ipv6Addr;

use http::header::{self, HeaderName, HeaderValue};
use regex::{Regex, RegexBuilder};
use strum::VariantNames;

use super::{Scalar, any_form, written, wrong};
use crate::dm::{Command, CommandKind};
use crate::filter::regex_reason;
use crate::markup::edit::Fragment;
use crate::markup::tag;
use crate::nearest::closest;
use crate::rules::glob::{Glob, UriGlob};
use crate::rules::mistake::{KEY, Mistake, list};
use crate::rules::place::ElementPlace;
use crate::rules::template::{BadTemplate, Escape, Name, Template};

/// A text; numbers, `true` and `false` are taken as their text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain(pub String);

any_form!(
    Plain,
    |value| value.text().map(Self),
    {"type": ["string", "integer", "boolean"]}
);

written!(Glob, |text| Ok(Self::new(text)), {"type": "string"});

written!(
    UriGlob,
    |text| Self::new(text).map_err(|bad| {
        wrong(format!("`{text}` is not a pattern for LocURIs"))
            .label(bad.what)
            .help(bad.remedy)
    }),
    {"type": "string"}
);

written!(
    ElementPlace,
    |text| {
        let place = Self::parse(text)
            .map_err(|bad| wrong(format!("`{text}` is not a place")).help(format!("write {bad}")))?;
        match place.root().and_then(|root| below_root(root, text)) {
            Some(right) => Err(wrong(format!("no message has the root of `{text}`")).help(format!("write {right}"))),
            None => Ok(place),
        }
    },
    {
        "description": "A place: `.` is the selected command, `Item/Data` names elements from there, `/SyncML/SyncBody/Final` is from the root, `Item/Data!/MgmtTree` goes into a document inside a text; `parm[@name='ADDR']` is an element with this attribute.",
        "type": "string",
        "minLength": 1
    }
);

/// Returns the right form of a place that begins at the root with a name that is never that of a root.
fn below_root(first: &str, text: &str) -> Option<String> {
    match first {
        "SyncHdr" | "SyncBody" => Some(format!("/SyncML{text}")),
        "Final" => Some(format!("/SyncML/SyncBody{text}")),
        "Item" | "Data" | "Meta" => Some(text.trim_start_matches('/').to_owned()),
        _ => {
            let mut commands = CommandKind::all().map(CommandKind::name);
            commands
                .any(|name| name == first)
                .then(|| format!("/SyncML/SyncBody{text}"))
        }
    }
}

written!(Template, template, {"type": "string"});

fn template(text: &str) -> Result<Template, Mistake> {
    let names = Name::VARIANTS;
    Template::parse(text).map_err(|bad| match bad {
        BadTemplate::Unknown(word) => wrong(format!("`{{{{{word}}}}}` stands for nothing"))
            .label(match closest(&word, names) {
                Some(near) => format!("did you mean `{{{{{near}}}}}`?"),
                None => "not known here".into(),
            })
            .help(format!("names are {}", list(names)))
            .help("two braces that mean themselves are written {{{{"),
        BadTemplate::Open => wrong("braces are opened and not closed")
            .help("write {{cmd-id}}; two braces that mean themselves are written {{{{"),
    })
}

/// An element in XML, with template names in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XmlTemplate(pub Template);

written!(
    XmlTemplate,
    |text| {
        let template = template(text)?;
        let filled = template.fill(Escape::Markup, |_| Ok::<_, ()>("0".into()));
        match Fragment::parse(&filled.unwrap_or_default()) {
            Ok(_) => Ok(Self(template)),
            Err(error) => Err(wrong(format!("`{KEY}` is not an element in XML"))
                .label(error.to_string())
                .help(format!("write one element with all that is in it: {KEY} = \"<Data>…</Data>\""))),
        }
    },
    {"type": "string", "pattern": "^\\s*<"}
);

/// A command in XML, with template names in it; its CmdID does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandXml(pub Template);

written!(
    CommandXml,
    |text| {
        let example = "<Get><Item><Target><LocURI>./DevDetail/SwV</LocURI></Target></Item></Get>";
        let template = template(text)?;
        let filled = template.fill(Escape::Markup, |_| Ok::<_, ()>("0".into()));
        let fragment = Fragment::parse(&filled.unwrap_or_default()).map_err(|error| {
            wrong(format!("`{KEY}` is not well-formed XML: {error}"))
                .help(format!("write one command, such as {KEY} = '{example}'"))
        })?;
        let root = fragment.document().root();
        let kind = Command::of(root).map(Command::kind);
        let answers = [CommandKind::Status, CommandKind::Results];
        // An element of another name counts as a command if it has a CmdID.
        let is_meant = |kind| kind != CommandKind::Unknown || root.child(tag::CMD_ID).is_some();
        if kind.is_some_and(|kind| is_meant(kind) && !answers.contains(&kind)) {
            return Ok(Self(template));
        }
        let names = CommandKind::all().filter(|kind| !answers.contains(kind));
        let names: Vec<&str> = names.map(CommandKind::name).collect();
        Err(wrong(format!("`{}` is not a command that gets a Status", root.local()))
            .help(format!("write one of {}", list(&names))))
    },
    {"type": "string", "pattern": "^\\s*<"}
);

/// The name of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeName(pub String);

written!(
    AttributeName,
    |name| {
        let fits = |c: char| c.is_alphanumeric() || "-_.:".contains(c);
        let begins = |c: char| c.is_alphabetic() || c == '_';
        match name.starts_with(begins) && name.chars().all(fits) {
            true => Ok(Self(name.to_owned())),
            false => Err(wrong(format!("`{name}` is not the name of an attribute"))
                .help(format!("write {KEY} = \"msft:originalerror\""))),
        }
    },
    {"type": "string", "minLength": 1}
);

/// The name of a header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnyFieldName(pub HeaderName);

written!(
    AnyFieldName,
    |written| match HeaderName::try_from(written) {
        Ok(name) => Ok(Self(name)),
        Err(_) => Err(wrong(format!("`{written}` is not the name of a header"))),
    },
    {"type": "string", "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"}
);

/// The name of a header field that a rule may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldName(pub HeaderName);

written!(
    FieldName,
    |written| {
        let name = HeaderName::try_from(written).map_err(|_| {
            wrong(format!("`{written}` is not the name of a header field")).help(match written.split_once(':') {
                Some((name, value)) => format!(
                    "write {KEY} = \"{name}\"; the value is a key of its own: value = \"{}\"",
                    value.trim()
                ),
                None => format!("write {KEY} = \"Retry-After\""),
            })
        })?;
        if FRAMING.contains(&name) {
            return Err(wrong(format!("`{written}` says where the body ends: dmtap writes it to fit"))
                .help("send a wrong length with the step `content-length`, less of the body with `truncate`"));
        }
        if ONE_HOP.contains(&name) {
            return Err(wrong(format!("`{written}` is about one connection: dmtap does not pass it on"))
                .help("connections are ended and held up by steps of their own, such as `reset`"));
        }
        Ok(Self(name))
    },
    {"type": "string", "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"}
);

/// The fields that say where a body ends. A rule that changed them would break the message unnoticed.
const FRAMING: [HeaderName; 2] = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING];

/// The fields of one connection, which dmtap does not pass on (RFC 9110 §7.6.1).
const ONE_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
];

/// The value of a header field, with template names in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderText(pub Template);

written!(
    HeaderText,
    |text| {
        let template = template(text)?;
        let filled = template.fill(Escape::Nothing, |_| Ok::<_, ()>(String::new()));
        match HeaderValue::from_str(&filled.unwrap_or_default()) {
            Ok(_) => Ok(Self(template)),
            Err(_) => Err(wrong("a header field cannot hold this value")
                .help("write one line of visible characters")),
        }
    },
    {"type": "string"}
);

/// A text without template names. Literal double braces are written as in templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainText(pub String);

written!(
    PlainText,
    |text| {
        let template = Template::parse(text).ok();
        let filled = template.and_then(|text| text.fill(Escape::Nothing, |_| Err(())).ok());
        filled.map(Self).ok_or_else(|| {
            wrong("`answer` fills no names in braces in")
                .label("two braces are opened here")
                .help("at stage = \"response\" write set-http-status and set-body, which may have them")
                .help("two braces that mean themselves are written {{{{")
        })
    },
    {"type": "string"}
);

/// A regular expression. Two of them are equal if their texts are equal.
#[derive(Clone, Debug)]
pub struct Pattern(pub Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

written!(
    Pattern,
    |text| Regex::new(text).map(Self).map_err(|error| {
        wrong(format!("`{KEY}` is not a regular expression"))
            .label(regex_reason(&error))
            .help("signs that mean themselves have a backslash in front, as in '\\./Vendor'")
    }),
    {"type": "string"}
);

/// A regular expression of bounded size, for values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextPattern(pub Pattern);

any_form!(
    TextPattern,
    |value| {
        let text = not_empty(value)?;
        if text.len() > MAX_REGEX_BYTES {
            return Err(wrong(format!("the expression is longer than {MAX_REGEX_BYTES} bytes")));
        }
        let built = RegexBuilder::new(&text)
            .size_limit(MAX_COMPILED_REGEX_BYTES)
            .dfa_size_limit(MAX_COMPILED_REGEX_BYTES)
            .build();
        built.map(|regex| Self(Pattern(regex))).map_err(|error| {
            wrong("this is not a regular expression")
                .label(regex_reason(&error))
                .help("write it in single quotes, so that backslashes are the expression's: '\\d+'")
        })
    },
    {"anyOf": [{"type": "string", "pattern": "."}, {"type": ["integer", "boolean"]}]}
);

/// A text to search for, which is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchText(pub String);

any_form!(
    SearchText,
    |value| not_empty(value).map(Self),
    {"anyOf": [{"type": "string", "pattern": "."}, {"type": ["integer", "boolean"]}]}
);

fn not_empty(value: Scalar) -> Result<String, Mistake> {
    let text = value.text()?;
    match text.is_empty() {
        true => Err(wrong(format!("`{KEY}` is empty")).label("every text has that")),
        false => Ok(text),
    }
}

/// The longest regular expression, in bytes.
const MAX_REGEX_BYTES: usize = 4096;
/// The most memory of one compiled expression, in bytes. A search takes time linear in the text.
const MAX_COMPILED_REGEX_BYTES: usize = 1 << 20;

/// Whether a pattern looks like a regular expression.
pub(in crate::rules) fn is_regex(pattern: &str) -> bool {
    pattern.starts_with('^') || pattern.starts_with(".*") || pattern.contains("\\.")
}

/// Converts a regular expression to the pattern that is most probably meant.
pub(in crate::rules) fn as_glob(regex: &str) -> String {
    let open = regex.trim_start_matches('^').trim_end_matches('$');
    open.replace(".*", "*").replace("\\.", ".")
}

/// Declares types for patterns with `*`, each with a check of the text.
macro_rules! globs {
    ($($(#[$doc:meta])* $type:ident: $check:expr, $schema:tt;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $type(pub Glob);

        written!(
            $type,
            |text| {
                let check: fn(&str) -> Result<(), Mistake> = $check;
                check(text)?;
                Ok(Self(Glob::new(text)))
            },
            $schema
        );

        impl AsRef<Glob> for $type {
            fn as_ref(&self) -> &Glob {
                &self.0
            }
        }
    )*};
}

globs! {
    /// A pattern for the host of a request.
    HostName: |text| {
        let brackets = text.starts_with('[') && text.ends_with(']');
        if !text.contains('/') && (!text.contains(':') || brackets) {
            return Ok(());
        }
        let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
        let bare = bare.split(['/', ':']).next().unwrap_or_default();
        Err(wrong(format!("`{text}` is not the name of a host"))
            .label("a host is matched without scheme, port and path")
            .help(format!("write host = \"{bare}\"; `path` matches the path")))
    }, {"type": "string", "pattern": "^(\\[[^/]*\\]|[^/:]*)$"};

    /// A pattern for the path of a request.
    PathGlob: |text| {
        if let Some((path, query)) = text.split_once('?') {
            return Err(wrong(format!("no path has a query: `{text}`"))
                .label("a path is matched without it")
                .help(format!("write path = \"{path}\", query = \"{query}\"")));
        }
        match text.starts_with(['/', '*']) {
            true => Ok(()),
            false if is_regex(text) => Err(wrong(format!("`{text}` looks like a regular expression"))
                .help(format!("`*` matches any characters here: write path = \"{}\"", as_glob(text)))),
            false => Err(wrong(format!("no path begins as `{text}` does"))
                .help(format!("write path = \"/{text}\" or \"*/{text}\""))),
        }
    }, {"type": "string", "pattern": "^[/*][^?]*$"};

    /// A pattern for the query of a request.
    QueryGlob: |text| match text.strip_prefix('?') {
        None => Ok(()),
        Some(rest) => Err(wrong("a query is matched without its question mark")
            .help(format!("write query = \"{rest}\""))),
    }, {"type": "string", "pattern": "^([^?].*)?$"};

    /// A pattern for a media type.
    MediaType: |text| match text.split_once(';') {
        None => Ok(()),
        Some((bare, _)) => Err(wrong("a media type is matched without parameters")
            .help(format!("write media-type = \"{}\"", bare.trim()))
            .help("or header = { name = \"Content-Type\", value = \"…\" }")),
    }, {"type": "string", "pattern": "^[^;]*$"};

    /// A pattern for the host of a connection, without scheme, port and path.
    ServerName: |text| {
        let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
        let bare = bare.split('/').next().unwrap_or_default();
        let bare = match bare.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None if bare.parse::<Ipv6Addr>().is_ok() => bare,
            None => bare.split(':').next().unwrap_or_default(),
        };
        if bare == text && !text.is_empty() {
            return Ok(());
        }
        let mistake = wrong(format!("`{text}` is not the name of a host"))
            .label("a name stands alone, without scheme, port, path and brackets");
        Err(match bare {
            "" => mistake.help(format!("write {KEY} = \"mdm.example.com\", or \"*.example.com\"")),
            bare => mistake.help(format!("write {KEY} = \"{bare}\"; `listener` tells the port that devices connect to")),
        })
    }, {"type": "string"};
}

/// A pattern for hexadecimal digits, in upper or lower case, with blanks or colons between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hexadecimal(pub Glob);

written!(
    Hexadecimal,
    |text| {
        let is_between = |c: char| c == ':' || c == ' ';
        let bare: String = text.chars().filter(|c| !is_between(*c)).collect();
        if bare.is_empty() || !bare.chars().all(|c| c.is_ascii_hexdigit() || c == '*') {
            return Err(wrong(format!("`{text}` is not hexadecimal"))
                .help(format!("write {KEY} = \"A1B2…\"; `*` stands for any digits")));
        }
        Ok(Self(Glob::new(&bare.to_ascii_uppercase())))
    },
    {"type": "string", "pattern": "^[ :]*[0-9A-Fa-f*][0-9A-Fa-f* :]*$"}
);

/// The CmdID of a command. No command has the CmdID 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CmdId(pub String);

any_form!(
    CmdId,
    |value| {
        let text = value.text()?.trim().to_owned();
        match &*text {
            "0" => Err(wrong("no command has the CmdID 0")
                .label("as a CmdRef it stands for the header")
                .help("to match the Status of the header: answers = \"SyncHdr\"")),
            _ => Ok(Self(text)),
        }
    },
    {"type": ["string", "integer", "boolean"]}
);
