//! The flows that mitmproxy saves (`mitmdump -w FILE`): dictionaries of tnetstrings, converted to a HAR.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::app::trial::header_map;
use crate::markup::Limits;
use crate::proxy::without_codings;

/// Returns the exchanges of a file of flows as a HAR; `None` for any other file. An incomplete flow ends it.
pub(super) fn as_har(mut file: &[u8], limits: &Limits) -> Option<Value> {
    let mut entries = Vec::new();
    while let Some((flow, rest)) = value(file, DEPTH) {
        file = rest;
        if flow["type"] == "http" {
            entries.push(entry(&flow, limits));
        } else if !flow["type"].is_string() {
            break;
        }
    }
    (!entries.is_empty()).then(|| json!({"log": {"entries": entries}}))
}

fn entry(flow: &Value, limits: &Limits) -> Value {
    let (request, response) = (&flow["request"], &flow["response"]);
    let begun = request["timestamp_start"].as_f64();
    let ended = response["timestamp_end"].as_f64();
    let text = |name: &str| request[name].as_str().unwrap_or_default();
    let url = format!(
        "{}://{}:{}{}",
        text("scheme"),
        text("host"),
        request["port"],
        text("path")
    );
    let begun_at = begun.and_then(|seconds| {
        let at = jiff::Timestamp::from_microsecond((seconds * 1e6) as i64);
        Some(at.ok()?.to_string())
    });
    let mut entry = json!({
        "startedDateTime": begun_at,
        "time": begun.zip(ended).map(|(begun, ended)| (ended - begun) * 1e3),
        "request": {
            "method": text("method"),
            "url": url,
            "httpVersion": request["http_version"],
            "headers": fields(request),
            "postData": content(request, limits),
        },
    });
    if response.is_object() {
        entry["response"] = json!({
            "status": response["status_code"],
            "httpVersion": response["http_version"],
            "headers": fields(response),
            "content": content(response, limits),
        });
    } else if let Some(why) = flow["error"]["msg"].as_str() {
        entry["response"] = json!({"status": 0, "_error": why});
    }
    entry
}

fn fields(message: &Value) -> Value {
    let fields = message["headers"].as_array().into_iter().flatten();
    let field = |field: &Value| json!({"name": field[0], "value": field[1]});
    fields.map(field).collect()
}

/// Returns the body without its codings; as it is if they cannot be undone.
fn content(message: &Value, limits: &Limits) -> Value {
    let Some(text) = message["content"].as_str() else {
        return Value::Null;
    };
    let coded: Bytes = text.chars().map(|c| c as u8).collect();
    let fields = message["headers"].as_array().into_iter().flatten();
    let headers = header_map(fields.filter_map(|it| Some((it[0].as_str()?, it[1].as_str()?))));
    let plain = without_codings(&coded, &headers, limits.bytes).unwrap_or(coded);
    json!({"size": plain.len(), "encoding": "base64", "text": STANDARD.encode(plain)})
}

/// Returns the tnetstring at the beginning of a text (<https://tnetstrings.info>, with mitmproxy's `;` for text), and the
/// rest. Bytes become text, one character each.
fn value(text: &[u8], depth: usize) -> Option<(Value, &[u8])> {
    let colon = memchr::memchr(b':', &text[..text.len().min(LONGEST_LENGTH)])?;
    let length: usize = str::from_utf8(&text[..colon]).ok()?.parse().ok()?;
    let behind = &text[colon + 1..];
    let (mut content, rest) = (behind.get(..length)?, behind.get(length..)?);
    let (kind, rest) = rest.split_first()?;
    let number = || str::from_utf8(content).ok()?.parse::<f64>().ok();
    let value = match kind {
        b',' => Value::String(content.iter().map(|byte| char::from(*byte)).collect()),
        b';' => Value::String(String::from_utf8_lossy(content).into_owned()),
        b'#' => str::from_utf8(content).ok()?.parse::<i64>().ok()?.into(),
        b'^' => number()?.into(),
        b'!' => Value::Bool(content == b"true"),
        b'~' => Value::Null,
        b']' | b'}' => {
            let depth = depth.checked_sub(1)?;
            let mut values = Vec::new();
            while !content.is_empty() {
                let (value, more) = self::value(content, depth)?;
                values.push(value);
                content = more;
            }
            match kind {
                b']' => Value::Array(values),
                _ => Value::Object(pairs(values)?),
            }
        }
        _ => return None,
    };
    Some((value, rest))
}

fn pairs(values: Vec<Value>) -> Option<Map<String, Value>> {
    let mut values = values.into_iter();
    let mut map = Map::new();
    while let Some(name) = values.next() {
        map.insert(name.as_str()?.to_owned(), values.next()?);
    }
    Some(map)
}

/// The limit of nested dictionaries and lists; flows have five.
const DEPTH: usize = 16;
/// The limit of a length with its colon, in bytes.
const LONGEST_LENGTH: usize = 12;
