//! A plain tree, drawn from a tape of bytes, and a writer that spells it in every legal way.

/// Decisions, read off one by one; at its end every decision is the first choice, so shorter is simpler.
pub(crate) struct Tape<'t> {
    bytes: std::slice::Iter<'t, u8>,
}

impl<'t> Tape<'t> {
    pub(crate) fn new(bytes: &'t [u8]) -> Self {
        Self {
            bytes: bytes.iter(),
        }
    }

    pub(crate) fn pick(&mut self, choices: usize) -> usize {
        usize::from(*self.bytes.next().unwrap_or(&0)) % choices
    }

    pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.pick(choices.len())]
    }
}

/// A node of the plain tree. In document order, its nodes are those of the decoded document.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Element {
        name: Name,
        attributes: Vec<(String, String)>,
        children: Vec<Self>,
    },
    Text(String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Name {
    Token {
        page: u8,
        token: u8,
        local: &'static str,
    },
    Literal(&'static str),
}

impl Name {
    pub(crate) fn local(self) -> &'static str {
        let (Self::Token { local, .. } | Self::Literal(local)) = self;
        local
    }
}

/// Which kind of document is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Family {
    SyncMl,
    Prov,
}

const fn token(page: u8, token: u8, local: &'static str) -> Name {
    Name::Token { page, token, local }
}

const SYNCML: [Name; 14] = [
    token(0, 0x0F, "Data"),
    token(0, 0x14, "Item"),
    token(1, 0x13, "Type"),
    token(0, 0x1A, "Meta"),
    token(1, 0x07, "Format"),
    token(2, 0x24, "Node"),
    token(2, 0x25, "node"),
    token(0, 0x05, "Add"),
    token(2, 0x07, "Add"),
    token(0, 0x12, "Final"),
    token(0, 0x3E, "unknown_00_3E"),
    token(7, 0x0A, "unknown_07_0A"),
    Name::Literal("lit"),
    Name::Literal("other"),
];

const PROV: [Name; 4] = [
    token(0, 0x06, "characteristic"),
    token(0, 0x07, "parm"),
    token(0, 0x05, "wap-provisioningdoc"),
    Name::Literal("lit"),
];

const SYNCML_ATTRIBUTES: [(&str, &str); 5] = [
    ("msft:originalerror", "0x86000002"),
    ("a", ""),
    ("b", "é"),
    ("unknown_01_2A", "t"),
    ("unknown_02_30", ""),
];

const PROV_ATTRIBUTES: [(&str, &str); 10] = [
    ("name", "APPID"),
    ("value", "w7"),
    ("type", "APPLICATION"),
    ("name", "NAME"),
    ("value", "IPV6"),
    ("value", "BASIC"),
    ("value", ""),
    ("version", "1.0"),
    ("type", "something"),
    ("extra", "IPV4"),
];

/// Attribute starts that the writer below knows: page, token, name, beginning of the value.
const STARTS: [(u8, u8, &str, &str); 12] = [
    (0, 0x05, "name", ""),
    (1, 0x05, "name", ""),
    (0, 0x06, "value", ""),
    (1, 0x06, "value", ""),
    (0, 0x07, "name", "NAME"),
    (1, 0x36, "name", "APPID"),
    (0, 0x50, "type", ""),
    (1, 0x50, "type", ""),
    (1, 0x55, "type", "APPLICATION"),
    (0, 0x45, "version", ""),
    (0, 0x46, "version", "1.0"),
    (1, 0x07, "name", "NAME"),
];

/// Attribute values that it knows: page, token, text.
const VALUES: [(u8, u8, &str); 4] = [
    (0, 0x85, "IPV4"),
    (0, 0x86, "IPV6"),
    (1, 0x86, "IPV6"),
    (1, 0x92, "BASIC"),
];

const TEXTS: [&str; 7] = [
    "",
    "x",
    "1.2",
    "a\r\nb \n",
    "é\u{20AC}",
    "]]>&<",
    "a long text, as texts go, of no meaning",
];

/// A random document of the family.
pub(crate) fn document(family: Family, tape: &mut Tape<'_>) -> Node {
    let mut root = element(family, tape, 0);
    if let Node::Element { name, .. } = &mut root {
        *name = match family {
            Family::SyncMl => token(0, 0x2D, "SyncML"),
            Family::Prov => token(0, 0x05, "wap-provisioningdoc"),
        };
    }
    root
}

fn element(family: Family, tape: &mut Tape<'_>, depth: usize) -> Node {
    let (name, attributes) = match family {
        Family::SyncMl => (tape.of(&SYNCML), &SYNCML_ATTRIBUTES[..]),
        Family::Prov => (tape.of(&PROV), &PROV_ATTRIBUTES[..]),
    };
    let mut own: Vec<(String, String)> = Vec::new();
    let most = if family == Family::Prov {
        4
    } else {
        tape.pick(6) / 4
    };
    for _ in 0..tape.pick(most + 1) {
        let (name, value) = tape.of(attributes);
        if own.iter().all(|(known, _)| known != name) {
            own.push((name.into(), value.into()));
        }
    }
    let most = if depth < 5 { 5 } else { 1 };
    let children = (0..tape.pick(most)).map(|_| match tape.pick(3) {
        0 => Node::Text(tape.of(&TEXTS).into()),
        _ => element(family, tape, depth + 1),
    });
    let children = children.collect();
    Node::Element {
        name,
        attributes: own,
        children,
    }
}

/// Writes the tree as WBXML; the tape decides on every liberty: header, forms of text, idle switches.
pub(crate) fn write(family: Family, root: &Node, tape: &mut Tape<'_>) -> Vec<u8> {
    let mut writer = Writer {
        out: Vec::new(),
        table: Vec::new(),
        page: 0,
        attribute_page: 0,
        idle: tape.pick(3) == 2,
    };
    if tape.pick(2) == 1 {
        writer.index("-//SYNCML//DTD SyncML 1.2//EN");
    }
    writer.node(root, tape);
    let mut out = vec![0x02];
    match (
        family,
        writer.table.starts_with(b"-//") && family == Family::SyncMl,
    ) {
        (Family::Prov, _) => out.push(0x0B),
        (_, true) => out.extend([0, 0]),
        (_, false) => out.extend([0xA4, 0x01]),
    }
    out.push(0x6A);
    number(&mut out, writer.table.len());
    out.extend(writer.table);
    out.extend(writer.out);
    out
}

struct Writer {
    out: Vec<u8>,
    table: Vec<u8>,
    page: u8,
    attribute_page: u8,
    /// Whether switches in front of no tag may be written.
    idle: bool,
}

impl Writer {
    fn index(&mut self, text: &str) -> usize {
        let whole = [text.as_bytes(), &[0]].concat();
        if let Some(at) = self
            .table
            .windows(whole.len())
            .position(|window| window == whole)
        {
            return at;
        }
        self.table.extend(&whole);
        self.table.len() - whole.len()
    }

    fn node(&mut self, node: &Node, tape: &mut Tape<'_>) {
        let Node::Element {
            name,
            attributes,
            children,
        } = node
        else {
            let Node::Text(text) = node else { return };
            return self.text(text, tape);
        };
        let mut bits = if attributes.is_empty() { 0 } else { 0x80 };
        if !children.is_empty() || tape.pick(4) == 1 {
            bits |= 0x40;
        }
        match *name {
            Name::Literal(local) => {
                let index = self.index(local);
                self.out.push(bits | 0x04);
                number(&mut self.out, index);
            }
            Name::Token { page, token, local } => {
                let twin = matches!(local, "characteristic" | "parm") && tape.pick(3) == 1;
                self.switch(if twin { 1 } else { page }, tape);
                self.out.push(bits | token);
            }
        }
        for (name, value) in attributes {
            self.attribute(name, value, tape);
        }
        if !attributes.is_empty() {
            self.out.push(0x01);
        }
        children.iter().for_each(|child| self.node(child, tape));
        if bits & 0x40 != 0 {
            self.idle_switch(tape);
            self.out.push(0x01);
        }
    }

    fn switch(&mut self, page: u8, tape: &mut Tape<'_>) {
        if page != self.page || tape.pick(8) == 1 {
            self.out.extend([0x00, page]);
            self.page = page;
        }
    }

    fn idle_switch(&mut self, tape: &mut Tape<'_>) {
        if self.idle && tape.pick(8) == 1 {
            self.page = tape.of(&[0, 1, 2]);
            self.out.extend([0x00, self.page]);
        }
    }

    fn switch_attributes(&mut self, page: u8) {
        if page != self.attribute_page {
            self.out.extend([0x00, page]);
            self.attribute_page = page;
        }
    }

    fn attribute(&mut self, name: &str, value: &str, tape: &mut Tape<'_>) {
        let fits: Vec<_> = STARTS
            .iter()
            .filter(|(.., own, prefix)| *own == name && value.starts_with(prefix))
            .collect();
        let mut rest = value;
        if let Some(token) = name.strip_prefix("unknown_") {
            self.switch_attributes(token[..2].parse().unwrap());
            self.out.push(u8::from_str_radix(&token[3..], 16).unwrap());
        } else if fits.is_empty() || name == "extra" {
            let index = self.index(name);
            self.out.push(0x04);
            number(&mut self.out, index);
        } else {
            let (page, token, _, prefix) = *tape.of(&fits);
            self.switch_attributes(page);
            self.out.push(token);
            rest = &value[prefix.len()..];
        }
        let words: Vec<_> = VALUES.iter().filter(|(.., word)| *word == rest).collect();
        if !words.is_empty() && tape.pick(3) > 0 {
            let (page, token, _) = *tape.of(&words);
            self.switch_attributes(page);
            self.out.push(token);
        } else if !rest.is_empty() {
            self.text(rest, tape);
        }
    }

    fn text(&mut self, text: &str, tape: &mut Tape<'_>) {
        let one = text
            .chars()
            .next()
            .filter(|first| text.len() == first.len_utf8());
        match (tape.pick(4), one) {
            (1, _) => {
                self.out.push(0xC3);
                number(&mut self.out, text.len());
                self.out.extend(text.as_bytes());
            }
            (2, _) => {
                let index = self.index(text);
                self.out.push(0x83);
                number(&mut self.out, index);
            }
            (3, Some(one)) => {
                self.out.push(0x02);
                number(&mut self.out, u32::from(one) as usize);
            }
            _ => {
                self.out.push(0x03);
                self.out.extend(text.as_bytes());
                self.out.push(0);
            }
        }
    }
}

fn number(out: &mut Vec<u8>, value: usize) {
    for group in (1..5).rev().filter(|group| value >> (7 * group) != 0) {
        out.push((value >> (7 * group)) as u8 | 0x80);
    }
    out.push(value as u8 & 0x7F);
}
