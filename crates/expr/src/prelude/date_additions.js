// The methods that expressions add to dates, on DateTime and on Date alike.
(function (host, kit) {
  'use strict';
  const { RealDate, DateTime, durationOf, dateTimeOf } = kit;
  // A Date goes in, a Date comes out.
  const like = (original, result) => (original instanceof RealDate ? result.toJSDate() : result);
  const shared = {
    beginningOf(unit = 'week') {
      return like(this, dateTimeOf(this).startOf(unit));
    },
    endOfMonth() {
      return like(this, dateTimeOf(this).endOf('month'));
    },
    extract(unit = 'week') {
      const name = String(unit).replace(/s$/, '');
      const field = { week: 'weekNumber', yearDayNumber: 'ordinal', dayOfYear: 'ordinal' }[name] ?? name;
      const value = dateTimeOf(this).get(field);
      if (value === undefined) throw new Error(`There is no part '${unit}' of a date.`);
      return value;
    },
    format(format = 'yyyy-MM-dd') {
      return dateTimeOf(this).toFormat(format);
    },
    isBetween(one, other) {
      if (one === undefined || other === undefined) throw new Error('isBetween() takes two dates.');
      const [from, to] = [dateTimeOf(one), dateTimeOf(other)];
      const at = dateTimeOf(this);
      return from < to ? from < at && at < to : to < at && at < from;
    },
    isDst() {
      return dateTimeOf(this).isInDST;
    },
    isInLast(count = 0, unit = 'minutes') {
      const now = DateTime.now();
      const at = dateTimeOf(this);
      return now.minus(count, unit) <= at && at <= now;
    },
    isWeekend() {
      return dateTimeOf(this).weekday > 5;
    },
    diffTo(other, units = 'days') {
      return difference(dateTimeOf(this), dateTimeOf(other ?? DateTime.now()), units);
    },
    diffToNow(units = 'days') {
      return difference(DateTime.now(), dateTimeOf(this), units);
    },
    toDateTime() {
      return dateTimeOf(this);
    },
    toInt() {
      return dateTimeOf(this).toMillis();
    },
  };
  // One unit gives a number, several give an object of them.
  const difference = (later, earlier, units) => {
    const found = later.diff(earlier, units);
    const object = found.toObject();
    const [only, more] = Object.values(object);
    return more === undefined ? only : object;
  };
  kit.extend(DateTime.prototype, shared);
  kit.extend(RealDate.prototype, {
    ...shared,
    plus(amount, unit) {
      return like(this, dateTimeOf(this).plus(durationOf(amount, unit)));
    },
    minus(amount, unit) {
      return like(this, dateTimeOf(this).minus(durationOf(amount, unit)));
    },
  });
})
