//! Dates in front of messages, in the forms of .NET for the culture of a machine, and in those of logs.

use jiff::civil::DateTime;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::Offset;

/// The reading of the dates in a file that is not a record.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct DateReading {
    /// Order of day, month and year in the dates of a file that is not a record. By default the file shows it.
    #[arg(long, value_enum, value_name = "ORDER")]
    pub(super) date_order: Option<DateOrder>,
    /// Time zone of the dates in a file that is not a record, such as +01:00.
    #[arg(long, default_value = "+00:00", value_parser = offset, value_name = "OFFSET", allow_hyphen_values = true)]
    pub(super) zone: Offset,
}

impl Default for DateReading {
    fn default() -> Self {
        Self {
            date_order: None,
            zone: Offset::UTC,
        }
    }
}

fn offset(text: &str) -> Result<Offset, String> {
    let zone = DateTimeParser::new().parse_time_zone(text);
    let offset = zone.and_then(|zone| zone.to_fixed_offset());
    offset.map_err(|_| "an offset from UTC has the form +01:00 or -05:00".to_owned())
}

/// The order of day, month and year in a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum DateOrder {
    /// Day, month, year.
    Dmy,
    /// Month, day, year.
    Mdy,
    /// Year, month, day.
    Ymd,
}

impl DateOrder {
    /// Returns the order in words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Dmy => "day/month/year",
            Self::Mdy => "month/day/year",
            Self::Ymd => "year/month/day",
        }
    }
}

/// A date and a time whose order of day and month may not be known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WrittenDate {
    /// The three numbers of the date, as they are written.
    date: [i16; 3],
    /// The character between them.
    separator: u8,
    hour: i8,
    minute: i8,
    second: i8,
    /// The microseconds of the second.
    micros: i32,
    has_am_pm: bool,
    /// The zone, if it is written.
    zone: Option<Offset>,
}

impl WrittenDate {
    /// Returns the last date with a time in a text.
    pub(super) fn last_in(text: &str) -> Option<Self> {
        let mut starts = Self::starts(text).into_iter().rev().take(MOST_NUMBERS);
        starts.find_map(|at| Self::parse(&text[at..]))
    }

    /// Returns the first date with a time in a text, and its place.
    pub(super) fn first_in(text: &str) -> Option<(usize, Self)> {
        let mut starts = Self::starts(text).into_iter().take(MOST_NUMBERS);
        starts.find_map(|at| Some((at, Self::parse(&text[at..])?)))
    }

    /// Returns the places where a number begins.
    fn starts(text: &str) -> Vec<usize> {
        let digit = |(at, byte): &(usize, u8)| {
            let before = at.checked_sub(1).map(|before| text.as_bytes()[before]);
            byte.is_ascii_digit() && !before.is_some_and(|before| before.is_ascii_alphanumeric())
        };
        let digits = text.bytes().enumerate().filter(digit);
        digits.map(|(at, _)| at).collect()
    }

    /// Parses a date and a time at the beginning of a text: `1/17/2025 10:22:33 AM`, `17.01.2025 10:22:33`,
    /// `2025-01-17T10:22:33Z`.
    fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let first = number(&mut rest, 4)?;
        let separator = *rest.as_bytes().first()?;
        if !b"/.-".contains(&separator) {
            return None;
        }
        let mut next = || {
            rest = rest.strip_prefix(char::from(separator))?.trim_start();
            number(&mut rest, 4)
        };
        let date = [first, next()?, next()?];
        let behind = rest.trim_start_matches([',', 'T', ' ', '\u{a0}', '\u{202f}', '.']);
        if behind.len() == rest.len() {
            return None;
        }
        rest = behind;
        let hour = number(&mut rest, 2)?;
        rest = rest.strip_prefix([':', '.'])?;
        let minute = number(&mut rest, 2)?;
        let second = match rest.strip_prefix([':', '.']) {
            Some(behind) => {
                rest = behind;
                number(&mut rest, 2)?
            }
            None => 0,
        };
        let micros = fraction(&mut rest);
        let zone = zone_of(rest);
        let half = rest.trim_start_matches([' ', '\u{a0}', '\u{202f}']);
        let half = half.get(..2).map(str::to_ascii_uppercase);
        let (has_am_pm, hour) = match half.as_deref() {
            Some("AM") => (true, hour % 12),
            Some("PM") => (true, hour % 12 + 12),
            _ => (false, hour),
        };
        Some(Self {
            date,
            separator,
            hour: hour.try_into().ok()?,
            minute: minute.try_into().ok()?,
            second: second.try_into().ok()?,
            micros,
            has_am_pm,
            zone,
        })
    }

    /// Returns the zone, if it is written.
    pub(super) fn zone(&self) -> Option<Offset> {
        self.zone
    }

    /// Returns the order that this date alone shows.
    fn order(&self) -> Option<DateOrder> {
        match self.date {
            [year, _, _] if year > 31 => Some(DateOrder::Ymd),
            [day, _, _] if day > 12 => Some(DateOrder::Dmy),
            [_, day, _] if day > 12 => Some(DateOrder::Mdy),
            _ if self.separator != b'/' => Some(DateOrder::Dmy),
            _ => None,
        }
    }

    /// Returns the moment in a given order; `None` if there is no such day.
    pub(super) fn moment(&self, order: DateOrder) -> Option<DateTime> {
        let [a, b, c] = self.date;
        let (year, month, day) = match order {
            DateOrder::Ymd => (a, b, c),
            DateOrder::Dmy => (c, b, a),
            DateOrder::Mdy => (c, a, b),
        };
        let year = if year < 100 { year + 2000 } else { year };
        let (month, day) = (month.try_into().ok()?, day.try_into().ok()?);
        DateTime::new(
            year,
            month,
            day,
            self.hour,
            self.minute,
            self.second,
            self.micros * 1_000,
        )
        .ok()
    }
}

/// Returns the order of all dates of a file. If no date shows it, it is the one in which time does not run backwards,
/// else that of cultures with AM and PM.
pub(super) fn order_of(dates: &[WrittenDate]) -> DateOrder {
    if let Some(order) = dates.iter().find_map(WrittenDate::order) {
        return order;
    }
    let runs_forward = |order: DateOrder| {
        let moments: Option<Vec<_>> = dates.iter().map(|date| date.moment(order)).collect();
        moments.is_some_and(|moments| moments.is_sorted())
    };
    let (dmy, mdy) = (runs_forward(DateOrder::Dmy), runs_forward(DateOrder::Mdy));
    let has_am_pm = dates.iter().any(|date| date.has_am_pm);
    match (dmy, mdy) {
        (true, false) => DateOrder::Dmy,
        (false, true) => DateOrder::Mdy,
        _ if has_am_pm => DateOrder::Mdy,
        _ => DateOrder::Dmy,
    }
}

/// Takes the fraction of a second from a text, in microseconds: `.123`.
fn fraction(text: &mut &str) -> i32 {
    let Some(rest) = text.strip_prefix(['.', ',']) else {
        return 0;
    };
    let length = rest.bytes().take_while(u8::is_ascii_digit).count();
    if length == 0 {
        return 0;
    }
    let digits: String = rest[..length]
        .chars()
        .chain("000000".chars())
        .take(6)
        .collect();
    *text = &rest[length..];
    digits.parse().unwrap_or(0)
}

/// Parses the zone behind the seconds of RFC 3339 and ISO 8601: `Z`, `+01:00`, `-0530`.
fn zone_of(text: &str) -> Option<Offset> {
    let sign = match text.bytes().next()? {
        b'Z' => return Some(Offset::UTC),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = text[1..]
        .chars()
        .take(5)
        .filter(char::is_ascii_digit)
        .collect();
    let minutes: i32 = match digits.len() {
        2 => digits.parse::<i32>().ok()? * 60,
        4 => digits[..2].parse::<i32>().ok()? * 60 + digits[2..].parse::<i32>().ok()?,
        _ => return None,
    };
    Offset::from_seconds(sign * minutes * 60).ok()
}

/// Takes a number of at most this many digits from a text.
fn number(text: &mut &str, digits: usize) -> Option<i16> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(length);
    *text = rest;
    (length <= digits).then(|| number.parse().ok())?
}

/// The limit of numbers in front of a message that may begin its date, counted from the last one.
const MOST_NUMBERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_the_forms_of_many_cultures() {
        let check = |text: &str, expected: &str| {
            let date = WrittenDate::last_in(text).unwrap();
            let moment = date.moment(order_of(&[date])).unwrap();
            assert_eq!(moment.to_string(), expected, "{text}");
        };
        check("<!-- 1/17/2025 10:22:33 AM -->", "2025-01-17T10:22:33");
        check(
            "<!-- 1/17/2025 12:02:03\u{202f}AM -->",
            "2025-01-17T00:02:03",
        );
        check("<!-- 1/17/2025 1:02:03 PM -->", "2025-01-17T13:02:03");
        check("<!-- 17.01.2025 10:22:33 -->", "2025-01-17T10:22:33");
        check("<!-- 03.02.2025 10:22:33 -->", "2025-02-03T10:22:33");
        check("<!-- 17/01/2025 10:22:33 -->", "2025-01-17T10:22:33");
        check("<!-- 17-01-2025 10.22.33 -->", "2025-01-17T10:22:33");
        check("<!-- 17. 1. 2025 10:22:33 -->", "2025-01-17T10:22:33");
        check("<!-- 2025-01-17 10:22:33 -->", "2025-01-17T10:22:33");
        check(
            "2025-01-17T10:22:33.123Z device: ",
            "2025-01-17T10:22:33.123",
        );
        check("2025-01-17 10:22:33,5 device: ", "2025-01-17T10:22:33.5");
        check("2025/01/17 10:22 in 3 s ", "2025-01-17T10:22:00");
        check("<!-- 2/3/2025 1:02:03 PM -->", "2025-02-03T13:02:03");
    }

    #[test]
    fn the_zone_that_is_written_counts() {
        let check = |text: &str, hours: Option<i8>| {
            let date = WrittenDate::last_in(text).unwrap();
            assert_eq!(date.zone(), hours.map(jiff::tz::offset), "{text}");
        };
        check("2025-01-17T10:22:33.123Z device", Some(0));
        check("2025-01-17T10:22:33+01:00", Some(1));
        check("2025-01-17 10:22:33-0500", Some(-5));
        check("<!-- 17.01.2025 10:22:33 -->", None);
        check("1/17/2025 10:22:33 AM - any", None);
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "10:22:33",
            "version 1.2.3",
            "a1/2/2025 10:00",
            "99999/1/1 1:1",
        ] {
            assert_eq!(WrittenDate::last_in(text), None, "{text}");
        }
        let date = WrittenDate::last_in("31/31/2025 10:00").unwrap();
        assert_eq!(date.moment(order_of(&[date])), None);
    }

    #[test]
    fn the_dates_of_a_file_show_their_order_together() {
        let check = |texts: &[&str], expected: DateOrder| {
            let dates: Vec<_> = texts
                .iter()
                .filter_map(|t| WrittenDate::last_in(t))
                .collect();
            assert_eq!(dates.len(), texts.len());
            assert_eq!(order_of(&dates), expected, "{texts:?}");
        };
        check(&["1/2/2025 10:00", "1/13/2025 10:00"], DateOrder::Mdy);
        check(&["1/2/2025 10:00", "13/2/2025 10:00"], DateOrder::Dmy);
        check(
            &["3/2/2025 10:00", "4/2/2025 9:00", "1/3/2025 9:00"],
            DateOrder::Dmy,
        );
        check(
            &["2/3/2025 10:00", "2/4/2025 9:00", "3/1/2025 9:00"],
            DateOrder::Mdy,
        );
        check(&["2/2/2025 1:00 PM"], DateOrder::Mdy);
        check(&["2/2/2025 13:00"], DateOrder::Dmy);
    }
}
