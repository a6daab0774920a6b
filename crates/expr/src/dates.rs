//! Time zones for the prelude's `DateTime`: pure look-ups in the time zone database, by jiff.
//!
//! A zone is an IANA name, `UTC` or a fixed offset such as `UTC+2` or `UTC-03:30`. Instants are
//! milliseconds since 1970 in UTC; local times are the milliseconds the same calendar fields would
//! have in UTC.

use std::cell::RefCell;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// Zones kept by name.
const ZONES_MAX: usize = 32;

/// The zones used lately.
#[derive(Default)]
pub(crate) struct Zones {
    known: RefCell<Vec<(String, TimeZone)>>,
}

impl Zones {
    /// The zone's name in its usual spelling; `None` when there is no such zone.
    pub(crate) fn canonical(&self, name: &str) -> Option<String> {
        let zone = self.zone(name).ok()?;
        Some(zone.iana_name().map_or_else(|| fixed_name(&zone), str::to_owned))
    }

    /// Offset from UTC in minutes at an instant.
    pub(crate) fn offset_minutes(&self, zone: &str, millis: f64) -> Result<f64, String> {
        let offset = self.zone(zone)?.to_offset(timestamp(millis)?);
        Ok(f64::from(offset.seconds()) / 60.0)
    }

    /// The instant of a local time. In a gap the time moves on by the gap, of two the earlier
    /// is taken.
    pub(crate) fn instant(&self, zone: &str, local_millis: f64) -> Result<f64, String> {
        let civil = timestamp(local_millis)?.to_zoned(TimeZone::UTC).datetime();
        let instant = self.zone(zone)?.to_timestamp(civil).map_err(|error| error.to_string())?;
        Ok(instant.as_millisecond() as f64)
    }

    /// The zone's abbreviation at an instant, such as `CEST`.
    pub(crate) fn abbreviation(&self, zone: &str, millis: f64) -> Result<String, String> {
        let zone = self.zone(zone)?;
        Ok(zone.to_offset_info(timestamp(millis)?).abbreviation().to_owned())
    }

    /// Whether daylight saving time is in force at an instant.
    pub(crate) fn is_dst(&self, zone: &str, millis: f64) -> Result<bool, String> {
        Ok(self.zone(zone)?.to_offset_info(timestamp(millis)?).dst().is_dst())
    }

    fn zone(&self, name: &str) -> Result<TimeZone, String> {
        if let Some((_, zone)) = self.known.borrow().iter().find(|(known, _)| known == name) {
            return Ok(zone.clone());
        }
        let zone = find_zone(name).ok_or_else(|| {
            format!("There is no time zone '{name}'. Use a name like Europe/Berlin.")
        })?;
        let mut known = self.known.borrow_mut();
        if known.len() >= ZONES_MAX {
            known.remove(0);
        }
        known.push((name.to_owned(), zone.clone()));
        Ok(zone)
    }
}

fn timestamp(millis: f64) -> Result<Timestamp, String> {
    Timestamp::from_millisecond(millis as i64)
        .map_err(|_| "The date is outside the years -9999 to 9999.".to_owned())
}

fn find_zone(name: &str) -> Option<TimeZone> {
    let upper = name.to_ascii_uppercase();
    if matches!(upper.as_str(), "UTC" | "Z" | "GMT" | "ETC/UTC") {
        return Some(TimeZone::UTC);
    }
    let rest = upper.strip_prefix("UTC").or_else(|| upper.strip_prefix("GMT")).unwrap_or(&upper);
    match rest.chars().next() {
        Some(sign @ ('+' | '-')) => fixed_zone(sign, &rest[1..]),
        _ => TimeZone::get(name).ok(),
    }
}

/// `2`, `02`, `0230` or `02:30` after a sign.
fn fixed_zone(sign: char, digits: &str) -> Option<TimeZone> {
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let number = |digits: &str| {
        let plain = digits.len() <= 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<i32>().ok().filter(|_| plain)
    };
    let minutes = number(hours)? * 60 + number(minutes)?;
    let seconds = if sign == '-' { -60 * minutes } else { 60 * minutes };
    let offset = Offset::from_seconds(seconds).ok()?;
    Some(if seconds == 0 { TimeZone::UTC } else { TimeZone::fixed(offset) })
}

fn fixed_name(zone: &TimeZone) -> String {
    let minutes = zone.to_offset(Timestamp::UNIX_EPOCH).seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
    if rest == 0 { format!("UTC{sign}{hours}") } else { format!("UTC{sign}{hours}:{rest:02}") }
}
