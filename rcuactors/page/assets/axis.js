// The axis of time. Places on it are in units `u`: nanoseconds, but for stretches in which nothing happens, which can be
// drawn shorter. Between two breaks the axis is true; what a break stands for is written on it.

const LONGER = 0.25; // ten times as long is drawn so much longer
const BREAKS_SHARE = 0.4; // of the axis is given to shortened stretches at most, where that can be
const IDLE = 20; // times the median is long
const NICE = [1, 2, 5];

function momentsOf(panels) {
  const parts = panels.flatMap((panel) => [
    panel.spans.begin, panel.spans.end, panel.marks.time, panel.arrows.from, panel.arrows.to, panel.lives.time,
    ...panel.curves.map((curve) => curve.times), panel.krcpTimes, panel.reports.map((each) => each.time_ns), [panel.end],
  ]);
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) { all.set(part, at); at += part.length; }
  all.sort();
  return all.filter((time, i) => i === 0 || time !== all[i - 1]);
}

// The longest stretch that is drawn as it is: the largest of 1, 2, 5, 10 ... with which those that are long, many times
// as long as half of all are, do not take too much of the axis. Infinity if they take little as they are.
function longestTrue(gaps) {
  const sorted = Float64Array.from(gaps).sort();
  const least = (sorted[sorted.length >> 1] ?? 1) * 2;
  const long = sorted.subarray(upperBound(sorted, least * IDLE / 2));
  const rest = sorted.subarray(0, sorted.length - long.length).reduce((sum, gap) => sum + gap, 0);
  const isLittle = (taken) => taken <= BREAKS_SHARE * (taken + rest);
  if (isLittle(long.reduce((sum, gap) => sum + gap, 0))) return Infinity;
  for (let power = 12; power >= 0; power--) {
    for (const nice of [5, 2, 1]) {
      const cap = nice * 10 ** power;
      if (cap <= least || isLittle(long.reduce((sum, gap) => sum + shortened(gap, cap), 0))) return Math.max(cap, least);
    }
  }
  return least;
}

function shortened(gap, cap) {
  return gap <= cap ? gap : cap * (1 + LONGER * Math.log10(gap / cap));
}

class Axis {
  constructor(moments, isShortened) {
    this.moments = moments;
    this.begin = moments.length ? moments[0] : 0;
    this.end = Math.max(moments.length ? moments[moments.length - 1] : 0, this.begin + 1);
    this.isShortened = isShortened;
    this.times = [this.begin];
    this.places = [0];
    this.breaks = [];
    if (isShortened) this.shorten();
    this.extend(this.end, this.end - this.times.at(-1));
    this.length = this.places.at(-1);
    this.breakEnds = this.breaks.map((each) => each.toPlace);
  }

  extend(time, units) {
    if (time <= this.times.at(-1)) return;
    this.places.push(this.places.at(-1) + units);
    this.times.push(time);
  }

  shorten() {
    const gaps = [];
    for (let i = 1; i < this.moments.length; i++) gaps.push(this.moments[i] - this.moments[i - 1]);
    this.cap = longestTrue(gaps);
    for (let i = 0; i < gaps.length; i++) {
      if (gaps[i] <= this.cap) continue;
      const [from, to] = [this.moments[i], this.moments[i + 1]];
      this.extend(from, from - this.times.at(-1));
      const place = this.places.at(-1);
      this.extend(to, shortened(gaps[i], this.cap));
      this.breaks.push({ from, to, fromPlace: place, toPlace: this.places.at(-1) });
    }
  }

  between(from, to, value) {
    const i = Math.min(Math.max(upperBound(from, value), 1), from.length - 1);
    const part = (value - from[i - 1]) / (from[i] - from[i - 1] || 1);
    return to[i - 1] + part * (to[i] - to[i - 1]);
  }

  placeOf(time) { return this.between(this.times, this.places, time); }

  timeAt(place) { return Math.round(this.between(this.places, this.times, place)); }

  placesOf(times) {
    const out = new Float64Array(times.length);
    for (let i = 0; i < out.length; i++) out[i] = this.placeOf(times[i]);
    return out;
  }

  // The moment before or after a time, for a cursor that goes from one to the next.
  nextMoment(time, direction) {
    const i = direction > 0 ? upperBound(this.moments, time) : lowerBound(this.moments, time) - 1;
    return this.moments[Math.min(Math.max(i, 0), this.moments.length - 1)] ?? time;
  }

  // Where the ruler has its figures: [place, time], at least so many units apart.
  ticks(from, to, apart) {
    return this.breaks.length ? this.roundTicks(from, to, apart) : this.evenTicks(from, to, apart);
  }

  evenTicks(from, to, apart) {
    const step = niceStep(Math.max(apart, 1));
    const out = [];
    const first = Math.ceil(Math.max(this.timeAt(from), this.begin) / step) * step;
    for (let time = first; time <= Math.min(this.timeAt(to), this.end) && out.length < 200; time += step) {
      out.push([this.placeOf(time), time]);
    }
    return out;
  }

  // About so far apart, and not within what is shortened: there a figure would say where something is that is not.
  roundTicks(from, to, apart) {
    const out = [];
    for (let place = Math.max(from, 0) + apart / 2; place < Math.min(to, this.length); place += apart) {
      const [low, high] = this.longestTrue(Math.max(place - apart / 3, 0), Math.min(place + apart / 3, this.length));
      if (low >= high) continue;
      const time = roundest(this.timeAt(low), this.timeAt(high));
      out.push([this.placeOf(time), time]);
    }
    return out;
  }

  // The longest part between two places in which nothing is shortened.
  longestTrue(from, to) {
    let best = [from, from], begin = from;
    const end = (place) => { if (place - begin > best[1] - best[0]) best = [begin, place]; };
    for (let i = lowerBound(this.breakEnds, from); i < this.breaks.length && this.breaks[i].fromPlace < to; i++) {
      end(this.breaks[i].fromPlace);
      begin = this.breaks[i].toPlace;
    }
    end(to);
    return best;
  }
}

function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return (NICE.find((each) => each * power >= least) ?? 10) * power;
}

// The number with the fewest figures between two.
function roundest(low, high) {
  for (let power = 10 ** 12; power >= 1; power /= 10) {
    for (const nice of [5, 2, 1]) {
      const step = nice * power;
      const number = Math.ceil(low / step) * step;
      if (number <= high) return number;
    }
  }
  return low;
}

const UNITS = [[1e9, "s", 9], [1e6, "ms", 6], [1e3, "µs", 3], [1, "ns", 0]];

// A time to the nanosecond, in the largest unit of which it has one, without zeros at the end.
function exactTime(ns) {
  const [unit, name, places] = UNITS.find(([each]) => Math.abs(ns) >= each) ?? UNITS[3];
  const text = (ns / unit).toFixed(places);
  return `${places ? text.replace(/\.?0+$/, "") : text} ${name}`;
}

// A length of time in three figures.
function shortTime(ns) {
  const [unit, name] = UNITS.find(([each]) => Math.abs(ns) >= each) ?? UNITS[3];
  const value = ns / unit;
  const places = name === "ns" || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(places).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "")} ${name}`;
}
