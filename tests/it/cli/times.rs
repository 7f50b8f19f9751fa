//! The times of the messages of a file: in front of them, behind them, for some of them; and answers in front of requests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::log::shown;
use super::saved_traffic::printed;
use super::traffic_files::session;

const FAILED: &str = "✖ Replace ./Vendor/MSFT/Node: 405";

/// The session of a file in which one command failed, and nothing else is wrong.
fn is_whole(what: &str, text: &str) {
    let (code, why) = printed("why", text);
    assert!(
        code == Some(1) && why.contains(FAILED),
        "{what}: {why}\n{text}"
    );
    let marks = why.matches('✖').count() + why.matches('·').count();
    assert_eq!(marks, 1, "{what}: {why}\n{text}");
    assert!(why.contains("session 1 ━━ finished"), "{what}: {why}");
    let (_, lint) = printed("lint", text);
    assert!(lint.contains("in 4 messages"), "{what}: {lint}");
}

/// Seconds of the times of the messages, behind 2026-11-30 10:00.
fn seconds(text: &str) -> Vec<u64> {
    let events = shown(text, &[]);
    let at = events.iter().map(|it| it.at_us / 1_000_000 % 3600);
    at.collect()
}

#[test]
fn a_message_without_a_time_is_not_of_1970() {
    let [one, two, three, four] = session();
    let at = |second: u32| format!("2026-11-30 10:00:0{second} ");
    for text in [
        format!("{one}\n{}{two}\n{}{three}\n{}{four}\n", at(1), at(2), at(3)),
        format!("{one}\n{two}\n{}{three}\n{}{four}\n", at(2), at(3)),
        format!("{one}\n{two}\n{three}\n{}{four}\n", at(3)),
        // The newest first.
        format!("{}{four}\n{}{three}\n{}{two}\n{one}\n", at(3), at(2), at(1)),
    ] {
        is_whole("no time", &text);
        assert!(seconds(&text).iter().all(|at| *at < 4), "{text}");
    }
}

#[test]
fn a_device_that_slept_for_hours_goes_on_with_its_session() {
    let [one, two, three, four] = session();
    let text = format!(
        "2026-11-30 10:00:00 {one}\n2026-11-30 10:00:01 {two}\n\
         2026-11-30 12:30:00 {three}\n2026-11-30 12:30:01 {four}\n"
    );
    let (_, why) = printed("why", &text);
    assert!(why.contains(FAILED), "{why}");
    assert!(why.contains("The device took 8999.0 s"), "{why}");
    assert!(!why.contains("SessionID"), "{why}");
    // Behind sessions of others it is a session of its own, and not another SessionID.
    let other = one.replace("PHONE-7", "PHONE-8");
    let behind = format!("\n2026-11-30 12:00:00 {other}\n2026-11-30 12:30:00");
    let (_, why) = printed("why", &text.replace("\n2026-11-30 12:30:00", &behind));
    assert!(!why.contains("SessionID"), "{why}");
}

#[test]
fn times_behind_messages_are_those_of_the_messages() {
    let messages = session();
    let numbered = || messages.iter().enumerate();
    let rows = numbered().map(|(at, it)| format!("({at},'{it}','2026-11-30 10:00:0{at}')"));
    let dump = rows.collect::<Vec<_>>().join(",");
    let csv = numbered()
        .map(|(at, it)| {
            let it = it.replace('"', "\"\"");
            format!("{at},\"{it}\",2026-11-30 10:00:0{at}\n")
        })
        .collect::<String>();
    let lines = numbered()
        .map(|(at, it)| format!("body: {it}\ncreated_at: 2026-11-30 10:00:0{at}\n"))
        .collect::<String>();
    let splunk = numbered()
        .map(|(at, it)| {
            let it = it.replace('"', "\"\"");
            format!("\"2026-11-30T10:00:0{at}.000+0000\",\"{it}\"\n")
        })
        .collect::<String>();
    for (what, text) in [
        ("SQL", format!("INSERT INTO x VALUES {dump};\n")),
        ("CSV", format!("id,body,created_at\n{csv}")),
        ("lines", lines),
        ("Splunk", format!("\"_time\",\"_raw\"\n{splunk}")),
    ] {
        is_whole(what, &text);
        assert_eq!(seconds(&text), [0, 1, 2, 3], "{what}: {text}");
    }
    // In front of a log line stands its own time.
    let [one, two, three, four] = &messages;
    let log = format!(
        "{one}\n2026-11-30 10:00:01 {two}\n2026-11-30 10:00:02 {three}\n\
         2026-11-30 10:00:03 {four}\n2026-11-30 10:00:09 end\n"
    );
    assert_eq!(seconds(&log), [1, 1, 2, 3]);
}

#[test]
fn each_record_of_a_list_in_json_has_its_own_time() {
    let messages = session();
    let hits = messages.iter().enumerate().map(|(at, it)| {
        json!({"_id": at, "_source": {"@timestamp": format!("2026-11-30T10:00:0{at}Z"), "message": it}})
    });
    let hits: Vec<Value> = hits.collect();
    let raw = |first: &str, body: &str| STANDARD.encode(format!("{first}\r\n\r\n{body}"));
    let requests = messages.chunks(2).enumerate().map(|(at, pair)| {
        json!({
            "start": format!("2026-11-30T10:00:0{at}Z"),
            "request": {"raw": raw("POST /dm HTTP/1.1", &pair[0])},
            "response": {"raw": raw("HTTP/1.1 200 OK", &pair[1])},
        })
    });
    let requests: Vec<Value> = requests.collect();
    let newest_first: Vec<_> = requests.iter().rev().collect();
    for (what, value, times) in [
        ("hits", json!({"hits": {"hits": hits}}), [0, 1, 2, 3]),
        ("ngrok", json!({"requests": requests}), [0, 0, 1, 1]),
        ("newest", json!({"requests": newest_first}), [0, 0, 1, 1]),
    ] {
        for text in [value.to_string(), format!("{value:#}")] {
            is_whole(what, &text);
            assert_eq!(seconds(&text), times, "{what}");
        }
    }
}

#[test]
fn an_answer_in_front_of_its_request_answers_it() {
    let [one, two, three, four] = session();
    let at = ["", "2026-11-30 10:00:00 "];
    for at in at {
        let text = [&two, &one, &four, &three].map(|it| format!("{at}{it}\n"));
        is_whole("answers first", &text.concat());
    }
    let sample = |asked: &str, answer: &str| {
        format!(
            "<sample><responseData>{}</responseData><queryString>{}</queryString></sample>\n",
            answer.replace('<', "&lt;"),
            asked.replace('<', "&lt;")
        )
    };
    is_whole("JMeter", &(sample(&one, &two) + &sample(&three, &four)));
}

/// WireMock's journal has the newest first, and each body as text and in base64.
#[test]
fn a_body_that_a_record_has_twice_came_once() {
    let [one, two, three, four] = session();
    let half =
        |body: &str| json!({"status": 200, "body": body, "bodyAsBase64": STANDARD.encode(body)});
    let entry = |asked: &str, answer: &str| json!({"request": half(asked), "responseDefinition": {"body": answer}, "response": half(answer)});
    let journal = json!({"requests": [entry(&three, &four), entry(&one, &two)]});
    is_whole("journal", &journal.to_string());
}
