// The packed data, unpacked: columns as typed arrays, times as nanoseconds (exact up to 104 days), texts by number.

async function inflate(base64) {
  const packedBytes = Uint8Array.from(atob(base64.replace(/\s/g, "")), (each) => each.charCodeAt(0));
  const stream = new Blob([packedBytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

function sums(differences) {
  const out = new Float64Array(differences.length);
  let sum = 0;
  for (let i = 0; i < differences.length; i++) out[i] = sum += differences[i];
  return out;
}

function added(one, other) {
  const out = new Float64Array(one.length);
  for (let i = 0; i < out.length; i++) out[i] = one[i] + other[i];
  return out;
}

// The first place in a sorted list whose value is not below (or, `after`, is above) the given one.
function lowerBound(list, value, count = list.length) {
  let low = 0, high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle] < value) low = middle + 1; else high = middle;
  }
  return low;
}

function upperBound(list, value, count = list.length) {
  let low = 0, high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle] <= value) low = middle + 1; else high = middle;
  }
  return low;
}

function readSpans(raw) {
  const begin = sums(raw.begin);
  const open = new Uint8Array(begin.length);
  for (const i of raw.open) open[i] = 1;
  return {
    count: begin.length, begin, end: added(begin, raw.length), open,
    lane: Int32Array.from(raw.lane), kind: Uint8Array.from(raw.kind), detail: Int32Array.from(raw.detail),
    label: Int32Array.from(raw.label), who: Int32Array.from(raw.who), about: Int32Array.from(raw.about),
  };
}

function readMarks(raw) {
  const time = sums(raw.time);
  return {
    count: time.length, time,
    lane: Int32Array.from(raw.lane), kind: Uint8Array.from(raw.kind), detail: Int32Array.from(raw.detail),
    label: Int32Array.from(raw.label), who: Int32Array.from(raw.who), about: Int32Array.from(raw.about),
  };
}

function readArrows(raw) {
  const from = sums(raw.time);
  return {
    count: from.length, from, to: added(from, raw.length),
    fromLane: Int32Array.from(raw.from), toLane: Int32Array.from(raw.to), kind: Uint8Array.from(raw.kind),
    label: Int32Array.from(raw.label), about: Int32Array.from(raw.about),
  };
}

function readLives(raw) {
  const time = sums(raw.time);
  return {
    count: time.length, time, serial: sums(raw.serial),
    address: Int32Array.from(raw.address), stage: Uint8Array.from(raw.stage),
    lane: Int32Array.from(raw.lane), where: Int32Array.from(raw.where),
  };
}

function readCurves(counters, raw, data) {
  const time = sums(raw.time);
  const points = new Map(counters.map((each) => [each[0], { times: [], values: [] }]));
  for (let i = 0; i < time.length; i++) {
    const into = points.get(raw.counter[i]);
    if (into === undefined) continue;
    into.times.push(time[i]);
    into.values.push(raw.value[i]);
  }
  return counters.filter((each) => points.get(each[0]).times.length > 0).map(([number, kind, name, unit, cpu]) => ({
    number, cpu, kind: data.kinds.counter[kind], name: data.texts[name], unit: data.texts[unit],
    times: Float64Array.from(points.get(number).times), values: Float64Array.from(points.get(number).values),
  }));
}

// What each CPU's krcp holds: for each name, when it changed and to what (a text's number; -1: it is not there).
function readKrcps(raw) {
  const time = sums(raw.time);
  const cpus = new Map();
  for (let i = 0; i < time.length; i++) {
    if (!cpus.has(raw.cpu[i])) cpus.set(raw.cpu[i], new Map());
    const fields = cpus.get(raw.cpu[i]);
    const change = raw.change[i];
    for (let j = 0; j < change.length; j += 2) {
      if (!fields.has(change[j])) fields.set(change[j], { times: [], values: [] });
      fields.get(change[j]).times.push(time[i]);
      fields.get(change[j]).values.push(change[j + 1]);
    }
  }
  return new Map([...cpus].sort((a, b) => a[0] - b[0]));
}

function readPanel(raw, data, number) {
  const lanes = raw.lanes.map(([lane, group, name, kind, cpu]) => ({
    number: lane, group: data.texts[group], name: data.texts[name], kind: data.kinds.lane[kind], cpu,
  }));
  return {
    number, title: raw.title, notes: raw.notes, end: raw.end, lanes,
    laneOf: new Map(lanes.map((lane) => [lane.number, lane])),
    spans: readSpans(raw.spans), marks: readMarks(raw.marks), arrows: readArrows(raw.arrows),
    lives: readLives(raw.lives), curves: readCurves(raw.counters, raw.samples, data), krcps: readKrcps(raw.krcps),
    krcpTimes: sums(raw.krcps.time), reports: [...raw.reports].sort((a, b) => a.time_ns - b.time_ns),
  };
}

async function readData() {
  const data = JSON.parse(await inflate(document.getElementById("data").textContent));
  return { ...data, panels: data.panels.map((panel, number) => readPanel(panel, data, number)) };
}
