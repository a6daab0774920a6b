//! DateTime, Duration, Interval and the methods added to dates. The scope's time is
//! 2026-11-20T10:30:00.123Z (a Friday) in Europe/Berlin.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use expr::Template;
use expr::testing::scope;
use kernel::Value;
use serde_json::json;

fn check(cases: &[(&str, Value)]) {
    let scope = scope(json!([{}]));
    for (script, expected) in cases {
        let template = Template::parse(&format!("={{{{ {script} }}}}")).unwrap();
        let outcome = template.evaluate(&scope, 0);
        assert_eq!(outcome.as_ref(), Ok(expected), "{script}");
    }
}

#[test]
fn moments_are_made_of_texts_numbers_and_parts() {
    check(&[
        ("$now", json!("2026-11-20T11:30:00.123+01:00")),
        ("$today", json!("2026-11-20T00:00:00.000+01:00")),
        ("DateTime.now().toUTC()", json!("2026-11-20T10:30:00.123Z")),
        ("DateTime.fromISO('2026-03-01T12:00:00Z')", json!("2026-03-01T13:00:00.000+01:00")),
        (
            "DateTime.fromISO('2026-03-01T12:00:00+05:00', { setZone: true })",
            json!("2026-03-01T12:00:00.000+05:00"),
        ),
        (
            "DateTime.fromISO('2026-07-01T12:00', { zone: 'America/New_York' })",
            json!("2026-07-01T12:00:00.000-04:00"),
        ),
        ("DateTime.fromISO('2026-W10-3').toISODate()", json!("2026-03-04")),
        ("DateTime.fromISO('2026-060').toISODate()", json!("2026-03-01")),
        ("DateTime.fromISO('20260301T101112Z').toUTC().toISO()", json!("2026-03-01T10:11:12.000Z")),
        ("DateTime.fromISO('2026-02-30').isValid", json!(false)),
        ("DateTime.fromISO('nope').toISO()", json!(null)),
        ("String(DateTime.fromISO('nope'))", json!("Invalid DateTime")),
        ("DateTime.fromMillis(0, { zone: 'utc' })", json!("1970-01-01T00:00:00.000Z")),
        ("DateTime.fromSeconds(1.5).toUTC()", json!("1970-01-01T00:00:01.500Z")),
        ("DateTime.fromJSDate(new Date(0)).toUTC()", json!("1970-01-01T00:00:00.000Z")),
        (
            "DateTime.fromObject({ year: 2026, month: 5 }).toISO()",
            json!("2026-05-01T00:00:00.000+02:00"),
        ),
        (
            "DateTime.fromObject({ year: 2026, weekNumber: 10, weekday: 3 }).toISODate()",
            json!("2026-03-04"),
        ),
        ("DateTime.utc(2026, 5, 6, 7, 8)", json!("2026-05-06T07:08:00.000Z")),
        ("DateTime.local(2026, 5, 6)", json!("2026-05-06T00:00:00.000+02:00")),
        (
            "DateTime.fromFormat('06.05.2026 17:08', 'dd.MM.yyyy HH:mm')",
            json!("2026-05-06T17:08:00.000+02:00"),
        ),
        ("DateTime.fromFormat('May 6, 2026 5:08 PM', 'MMMM d, yyyy h:mm a').hour", json!(17)),
        (
            "DateTime.fromFormat('2026-05-06 12:00 +0530', 'yyyy-MM-dd HH:mm ZZZ').toUTC()",
            json!("2026-05-06T06:30:00.000Z"),
        ),
        ("DateTime.fromSQL('2026-05-06 07:08:09').toISO()", json!("2026-05-06T07:08:09.000+02:00")),
    ]);
}

#[test]
fn moments_are_printed_in_every_form() {
    check(&[
        (
            "$now.toISODate() + $now.toISOTime() + $now.toISOWeekDate()",
            json!("2026-11-2011:30:00.123+01:002026-W47-5"),
        ),
        (
            "$now.toISO({ suppressMilliseconds: true, includeOffset: false })",
            json!("2026-11-20T11:30:00.123"),
        ),
        ("$now.toISO({ format: 'basic' })", json!("20261120T113000.123+0100")),
        (
            "$now.toSQL() + '|' + $now.toSQLDate()",
            json!("2026-11-20 11:30:00.123 +01:00|2026-11-20"),
        ),
        ("$now.toHTTP()", json!("Fri, 20 Nov 2026 10:30:00 GMT")),
        (
            "[$now.toMillis(), $now.toSeconds(), $now.valueOf(), $now.toUnixInteger()]",
            json!([1795170600123_i64, 1795170600.123, 1795170600123_i64, 1795170600]),
        ),
        ("$now.toJSDate()", json!("2026-11-20T10:30:00.123Z")),
        (
            "$now.toFormat(\"yyyy-MM-dd'T'HH:mm:ss.SSS ZZ EEEE MMM d h a q W o z ZZZZ\")",
            json!("2026-11-20T11:30:00.123 +01:00 Friday Nov 20 11 AM 4 47 324 Europe/Berlin CET"),
        ),
        ("$now.toLocaleString()", json!("11/20/2026")),
        ("$now.toLocaleString(DateTime.DATETIME_MED)", json!("Nov 20, 2026, 11:30 AM")),
        (
            "$now.toLocaleString({ weekday: 'long', month: 'long', day: 'numeric', year: 'numeric' })",
            json!("Friday, November 20, 2026"),
        ),
        ("$now.minus({ days: 3 }).toRelative()", json!("3 days ago")),
        ("$now.plus({ hours: 1 }).toRelative()", json!("in 1 hour")),
    ]);
}

#[test]
fn an_unknown_time_zone_of_the_workflow_is_an_error() {
    let mut scope = scope(json!([{}]));
    let mut workflow = (*scope.workflow).clone();
    workflow.timezone = "Nowhere/Else".to_owned();
    scope.workflow = workflow.into();
    let problem = Template::parse("={{ $now.hour }}").unwrap().evaluate(&scope, 0).unwrap_err();
    assert!(problem.detail.contains("'Nowhere/Else' is not known"), "{problem}");
}

#[test]
fn parts_and_arithmetic_follow_the_calendar() {
    check(&[
        (
            "[$now.year, $now.quarter, $now.month, $now.day, $now.hour, $now.minute, $now.second, $now.millisecond]",
            json!([2026, 4, 11, 20, 11, 30, 0, 123]),
        ),
        (
            "[$now.weekday, $now.weekNumber, $now.weekYear, $now.ordinal, $now.daysInMonth, $now.isInLeapYear]",
            json!([5, 47, 2026, 324, 30, false]),
        ),
        (
            "[$now.zoneName, $now.offset, $now.isInDST, $now.monthLong, $now.weekdayShort]",
            json!(["Europe/Berlin", 60, false, "November", "Fri"]),
        ),
        ("$now.plus({ months: 3, days: 1 }).toISODate()", json!("2027-02-21")),
        ("$now.plus(2, 'weeks').toISODate()", json!("2026-12-04")),
        ("$now.minus({ years: 1, hours: 36 }).toISO()", json!("2025-11-18T23:30:00.123+01:00")),
        ("DateTime.fromISO('2026-01-31').plus({ months: 1 }).toISODate()", json!("2026-02-28")),
        ("DateTime.fromISO('2024-02-29').plus({ years: 1 }).toISODate()", json!("2025-02-28")),
        (
            "DateTime.fromISO('2026-03-28T12:00').plus({ days: 1 }).toISO()",
            json!("2026-03-29T12:00:00.000+02:00"),
        ),
        (
            "DateTime.fromISO('2026-03-28T12:00').plus({ hours: 24 }).toISO()",
            json!("2026-03-29T13:00:00.000+02:00"),
        ),
        ("DateTime.fromISO('2026-03-29T02:30').toISO()", json!("2026-03-29T03:30:00.000+02:00")),
        ("$now.startOf('month').toISO()", json!("2026-11-01T00:00:00.000+01:00")),
        (
            "['year', 'quarter', 'week', 'day', 'hour'].map(u => $now.startOf(u).toFormat('MM-dd HH:mm'))",
            json!(["01-01 00:00", "10-01 00:00", "11-16 00:00", "11-20 00:00", "11-20 11:00"]),
        ),
        ("$now.endOf('day').toISO()", json!("2026-11-20T23:59:59.999+01:00")),
        (
            "DateTime.fromISO('2026-02-03').endOf('month').toISO()",
            json!("2026-02-28T23:59:59.999+01:00"),
        ),
        ("$now.set({ month: 2, day: 3, hour: 4 }).toISO()", json!("2026-02-03T04:30:00.123+01:00")),
        ("$now.set({ weekday: 1 }).toISODate()", json!("2026-11-16")),
        ("$now.setZone('America/New_York').toISO()", json!("2026-11-20T05:30:00.123-05:00")),
        ("$now.setZone('UTC', { keepLocalTime: true }).toISO()", json!("2026-11-20T11:30:00.123Z")),
        ("$now.setZone('UTC+5:30').toISO()", json!("2026-11-20T16:00:00.123+05:30")),
        ("$now.setZone('Nowhere/Else').isValid", json!(false)),
        ("$now.setZone('UTC+€a').isValid", json!(false)),
        ("$now.setZone('UTC+99999999').isValid", json!(false)),
        ("$now.setZone('UTC-2147483647:59').isValid", json!(false)),
        ("$now.setZone('UTC+-1').isValid", json!(false)),
        ("$now.setZone('UTC-0230').toISO()", json!("2026-11-20T08:00:00.123-02:30")),
        (
            "[$now > DateTime.fromISO('2026-01-01'), $now.equals(DateTime.now()), $now.hasSame($now.plus(1, 'hour'), 'day')]",
            json!([true, true, true]),
        ),
        ("DateTime.max($now, $today) == $now.valueOf()", json!(true)),
    ]);
}

#[test]
fn differences_durations_and_intervals() {
    check(&[
        (
            "DateTime.fromISO('2026-03-15').diff(DateTime.fromISO('2026-01-01'), ['months', 'days']).toObject()",
            json!({ "months": 2, "days": 14 }),
        ),
        (
            "DateTime.fromISO('2026-01-01').diff(DateTime.fromISO('2026-03-15'), 'days').days",
            json!(-73),
        ),
        (
            "DateTime.fromISO('2026-03-29T12:00').diff(DateTime.fromISO('2026-03-28T12:00'), 'hours').hours",
            json!(23),
        ),
        (
            "DateTime.fromISO('2026-03-29T12:00').diff(DateTime.fromISO('2026-03-28T12:00'), 'days').days",
            json!(1),
        ),
        (
            "DateTime.fromISO('2026-01-16T12:00').diff(DateTime.fromISO('2026-01-01'), 'months').months",
            json!(0.5),
        ),
        ("$now.diff($today).milliseconds", json!(41400123)),
        ("$now.plus({ days: 2 }).diffNow('days').days", json!(2)),
        ("Duration.fromObject({ hours: 1, minutes: 90 }).as('hours')", json!(2.5)),
        (
            "Duration.fromObject({ minutes: 135 }).shiftTo('hours', 'minutes').toObject()",
            json!({ "hours": 2, "minutes": 15 }),
        ),
        ("Duration.fromISO('P1Y2M3DT4H5M6.5S').toISO()", json!("P1Y2M3DT4H5M6.5S")),
        ("Duration.fromMillis(90000).toFormat('mm:ss')", json!("01:30")),
        ("Duration.fromObject({ hours: 1, days: 2 }).toHuman()", json!("1 hour, 2 days")),
        (
            "Duration.fromObject({ hours: 1 }).plus({ hours: 2 }).minus({ minutes: 5 }).toObject()",
            json!({ "hours": 3, "minutes": -5 }),
        ),
        ("Interval.fromDateTimes($today, $now).length('hours')", json!(11.500034166666667)),
        ("Interval.fromDateTimes($today, $now).contains($today.plus(1, 'hour'))", json!(true)),
        (
            "Interval.after(DateTime.utc(2026, 1, 1), { days: 3 }).splitBy({ days: 2 }).length",
            json!(2),
        ),
        ("Interval.fromISO('2026-01-01/P1M').end.toISODate()", json!("2026-02-01")),
        ("Duration.fromObject({ days: 1 })", json!("P1D")),
    ]);
}

#[test]
fn the_added_methods_work_on_datetime_and_date() {
    check(&[
        (
            "$now.beginningOf('month').toISODate() + $now.beginningOf().toISODate()",
            json!("2026-11-012026-11-16"),
        ),
        ("$now.endOfMonth().toISODate()", json!("2026-11-30")),
        (
            "[$now.extract('year'), $now.extract('week'), $now.extract(), $now.extract('ordinal')]",
            json!([2026, 47, 47, 324]),
        ),
        (
            "[$now.isBetween($today, '2027-01-01'), $now.isBetween('2027-01-01', $today), $now.isBetween('2027-01-01', '2028-01-01')]",
            json!([true, true, false]),
        ),
        ("[$now.isDst(), DateTime.fromISO('2026-07-01').isDst()]", json!([false, true])),
        (
            "[$now.minus(2, 'hours').isInLast(3, 'hours'), $now.minus(4, 'hours').isInLast(3, 'hours')]",
            json!([true, false]),
        ),
        ("[$now.isWeekend(), $now.plus(1, 'day').isWeekend()]", json!([false, true])),
        ("[$now.format('dd.MM.yyyy'), $now.format()]", json!(["20.11.2026", "2026-11-20"])),
        ("$now.diffTo('2026-11-10T11:30:00.123', 'days')", json!(10)),
        (
            "$now.diffTo('2026-09-10T11:30:00.123', ['months', 'days'])",
            json!({ "months": 2, "days": 10 }),
        ),
        ("DateTime.fromISO('2026-11-18T11:30:00.123').diffToNow('days')", json!(2)),
        ("new Date(0).plus(1, 'day').toISOString()", json!("1970-01-02T00:00:00.000Z")),
        ("new Date(0).minus({ hours: 1 }).toISOString()", json!("1969-12-31T23:00:00.000Z")),
        ("new Date(0).format('yyyy')", json!("1970")),
        ("new Date(0).toDateTime().toUTC().toISO()", json!("1970-01-01T00:00:00.000Z")),
        ("new Date(2026, 0, 3).isWeekend()", json!(true)),
    ]);
}
