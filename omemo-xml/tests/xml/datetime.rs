//! Dates and times (XEP-0082).

use omemo_sansio::Timestamp;
use omemo_xml::sce::datetime::{format, parse};
use proptest::prelude::*;

fn unix(text: &str) -> Option<u64> {
    parse(text).map(Timestamp::unix)
}

#[test]
fn known_moments() {
    for (text, seconds) in [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01Z", 1),
        ("1970-03-01T00:00:00Z", 5_097_600),
        ("1972-02-29T12:00:00Z", 68_212_800),
        ("2000-02-29T23:59:59Z", 951_868_799),
        ("2000-03-01T00:00:00Z", 951_868_800),
        ("2001-09-09T01:46:40Z", 1_000_000_000),
        ("2038-01-19T03:14:08Z", 2_147_483_648),
        ("2100-02-28T00:00:00Z", 4_107_456_000),
        ("2100-03-01T00:00:00Z", 4_107_542_400),
        ("9999-12-31T23:59:59Z", 253_402_300_799),
    ] {
        assert_eq!(unix(text), Some(seconds), "{text}");
        assert_eq!(format(Timestamp::from_unix(seconds)), text);
    }
    assert_eq!(format(Timestamp::from_unix(u64::MAX)), "9999-12-31T23:59:59Z");
}

#[test]
fn fractions_and_zones() {
    for text in [
        "2004-01-25T05:05:00Z",
        "2004-01-25T05:05:00.0Z",
        "2004-01-25T05:05:00.999999999999999999999Z",
        "2004-01-25T06:05:00+01:00",
        "2004-01-24T19:35:00-09:30",
        "2004-01-25T19:05:00+14:00",
        "2004-01-25T05:05:00-00:00",
    ] {
        assert_eq!(unix(text), Some(1_075_007_100), "{text}");
    }
    assert_eq!(unix("1969-12-31T23:59:59Z"), Some(0));
    assert_eq!(unix("1970-01-01T00:30:00+01:00"), Some(0));
    assert_eq!(unix("0000-01-01T00:00:00Z"), Some(0));
}

#[test]
fn what_is_no_moment_is_refused() {
    for text in [
        "",
        "2004-01-25",
        "2004-01-25T05:05:00",
        "2004-01-25t05:05:00z",
        "2004-01-25 05:05:00Z",
        " 2004-01-25T05:05:00Z",
        "2004-01-25T05:05:00Z ",
        "2004-01-25T05:05:00.Z",
        "2004-01-25T05:05Z",
        "20040125T05:05:00",
        "2004-1-25T05:05:00Z",
        "+004-01-25T05:05:00Z",
        "12004-01-25T05:05:00Z",
        "2004-00-25T05:05:00Z",
        "2004-13-25T05:05:00Z",
        "2004-01-00T05:05:00Z",
        "2004-01-32T05:05:00Z",
        "2004-04-31T05:05:00Z",
        "2003-02-29T05:05:00Z",
        "2100-02-29T05:05:00Z",
        "2004-01-25T24:00:00Z",
        "2004-01-25T05:60:00Z",
        "2004-01-25T05:05:60Z",
        "2004-01-25T05:05:00+0100",
        "2004-01-25T05:05:00+01",
        "2004-01-25T05:05:00+14:01",
        "2004-01-25T05:05:00+01:60",
        "2004-01-25T05:05:00+00:\u{665}\u{665}",
        "2004-01-2\u{665}T05:05:00Z",
    ] {
        assert_eq!(parse(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(seconds in 0..=253_402_300_799_u64) {
        prop_assert_eq!(unix(&format(Timestamp::from_unix(seconds))), Some(seconds));
    }

    #[test]
    fn texts_sort_like_moments(a in 0..=253_402_300_799_u64, b in 0..=253_402_300_799_u64) {
        let text = |seconds| format(Timestamp::from_unix(seconds));
        prop_assert_eq!(a.cmp(&b), text(a).cmp(&text(b)));
    }

    #[test]
    fn anything_is_read_or_refused(text in "[0-9TZ:.+\\-é]{0,30}|.*") {
        let _ = parse(&text);
    }
}

#[test]
fn days_follow_each_other() {
    let mut previous = String::new();
    for day in 0..200_000 {
        let text = format(Timestamp::from_unix(day * 86_400));
        assert!(text > previous && text.ends_with("T00:00:00Z"), "{text}");
        assert_eq!(unix(&text), Some(day * 86_400));
        previous = text;
    }
    assert_eq!(previous, "2517-07-31T00:00:00Z");
}
