//! Dates with times (XEP-0082, section 3.2), such as `2026-11-20T23:44:56Z`.

use omemo_sansio::Timestamp;

/// The seconds of a day.
const DAY: u64 = 86_400;

/// The last second that four digits of a year can express.
const LAST: u64 = 253_402_300_799;

/// Reads `CCYY-MM-DDThh:mm:ss[.sss]TZD`, strictly. Fractions of a second are cut; a moment before 1970 becomes the first
/// second of it.
///
/// ```
/// use omemo_xml::sce::datetime;
///
/// assert_eq!(datetime::parse("1969-07-20T21:56:15-05:00").map(|time| time.unix()), Some(0));
/// assert_eq!(datetime::parse("2004-01-25T06:05:00+01:00").map(|time| time.unix()), Some(1_075_007_100));
/// assert_eq!(datetime::parse("2004-02-30T00:00:00Z"), None);
/// ```
pub fn parse(text: &str) -> Option<Timestamp> {
    let rest = &mut &*text;
    let year = number(rest, 4)?;
    let month = literal(rest, '-').and_then(|()| number(rest, 2))?;
    let day = literal(rest, '-').and_then(|()| number(rest, 2))?;
    let hour = literal(rest, 'T').and_then(|()| number(rest, 2))?;
    let minute = literal(rest, ':').and_then(|()| number(rest, 2))?;
    let second = literal(rest, ':').and_then(|()| number(rest, 2))?;
    if literal(rest, '.').is_some() {
        let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        (after.len() < rest.len()).then(|| *rest = after)?;
    }
    let east = offset(rest)?;
    let date_is_good = (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
    if !rest.is_empty() || !date_is_good || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = days_until(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - east;
    Some(Timestamp::from_unix(u64::try_from(seconds).unwrap_or(0)))
}

/// How many seconds the zone is ahead of UTC: at most 14 hours (XML Schema 1.0, part 2, section 3.2.7.3).
fn offset(rest: &mut &str) -> Option<i64> {
    if literal(rest, 'Z').is_some() {
        return Some(0);
    }
    let sign = literal(rest, '+')
        .map(|()| 1)
        .or_else(|| literal(rest, '-').map(|()| -1))?;
    let hours = number(rest, 2)?;
    let minutes = literal(rest, ':').and_then(|()| number(rest, 2))?;
    let minutes = (minutes < 60).then_some(hours * 60 + minutes)?;
    (minutes <= 14 * 60).then_some(sign * minutes * 60)
}

fn literal(rest: &mut &str, character: char) -> Option<()> {
    *rest = rest.strip_prefix(character)?;
    Some(())
}

/// A number of exactly so many digits.
fn number(rest: &mut &str, digits: usize) -> Option<i64> {
    let (head, tail) = rest.split_at_checked(digits)?;
    *rest = tail;
    head.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| head.parse().ok())?
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The days from 1970-01-01 to a date of the Gregorian calendar. Years begin in March here, so that the leap day comes
/// last, and 719,468 days lie between 0000-03-01 and 1970-01-01.
fn days_until(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// Writes a moment in UTC. What lies after the year 9999 becomes the last second of it.
///
/// ```
/// use omemo_sansio::Timestamp;
/// use omemo_xml::sce::datetime;
///
/// assert_eq!(datetime::format(Timestamp::from_unix(1_795_218_296)), "2026-11-20T23:44:56Z");
/// ```
pub fn format(time: Timestamp) -> String {
    let seconds = time.unix().min(LAST);
    let (days, second) = (seconds / DAY + 719_468, seconds % DAY);
    let (era, day) = (days / 146_097, days % 146_097);
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day_of_month:02}T{:02}:{:02}:{:02}Z",
        second / 3_600,
        second / 60 % 60,
        second % 60,
    )
}
