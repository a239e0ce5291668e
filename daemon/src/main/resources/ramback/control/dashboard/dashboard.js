// The page of a device. Nothing is loaded from elsewhere; all that is shown comes with the server-sent events of /events.

const $ = (id) => document.getElementById(id);

// ---------------------------------------------------------------------------------------------------------- words

const KIB = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

function scaled(value, step, units) {
  let at = 0;
  let rest = value;
  while (Math.abs(rest) >= step * 0.9995 && at < units.length - 1) {
    rest /= step;
    at++;
  }
  const digits = rest === Math.round(rest) && at === 0 ? 0 : Math.abs(rest) >= 99.95 ? 0 : Math.abs(rest) >= 9.995 ? 1 : 2;
  return `${rest.toFixed(digits).replace(/\.0+$/, '')} ${units[at]}`.trim();
}

const bytes = (value) => scaled(value, 1024, KIB);
const rate = (value) => `${bytes(value)}/s`;
const perSecond = (value) => `${scaled(value < 10 ? Math.round(value * 10) / 10 : Math.round(value), 1000, ['', 'k', 'M', 'G']).replace(' ', '')}/s`;
const count = (value) => Math.round(value).toLocaleString('en-US');

function seconds(value) {
  if (value === 0) return '0 s';
  if (value < 1e-3) return `${scaledTo3(value * 1e6)} µs`;
  if (value < 1) return `${scaledTo3(value * 1e3)} ms`;
  if (value < 120) return `${value.toFixed(value < 10 ? 1 : 0)} s`;
  if (value < 7200) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  if (value < 172800) return `${Math.floor(value / 3600)} h ${Math.round((value % 3600) / 60)} min`;
  return `${Math.floor(value / 86400)} days`;
}

function scaledTo3(value) {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** A share in percent: 0 and 100 only for nothing and for all. */
function percent(part, whole) {
  if (whole <= 0 || part >= whole) return '100 %';
  if (part <= 0) return '0 %';
  const value = (100 * part) / whole;
  return value < 1 ? '< 1 %' : value > 99 ? '> 99 %' : `${Math.floor(value)} %`;
}

function setText(id, text) {
  const element = $(id);
  if (element.textContent !== text) element.textContent = text;
}

function setFigure(id, text, level = '') {
  setText(id, text);
  $(id).className = `figure ${level}`;
}

function setBar(id, part, whole, high = 0.8) {
  const share = whole > 0 ? Math.min(1, part / whole) : 0;
  $(id).style.width = `${100 * share}%`;
  $(id).classList.toggle('high', share >= high);
}

// ---------------------------------------------------------------------------------------------------------- status

let status = null;
let lightSaid = '';

const GLYPHS = { green: '✓', amber: '!', red: '✕', none: '?' };

function showLight(word, why) {
  $('lamp').dataset.light = word;
  setText('glyph', GLYPHS[word]);
  setText('light-word', word === 'none' ? 'unknown' : word);
  setText('light-why', why);
  const name = status ? status.name : 'Ramback';
  document.title = `${word === 'none' ? '?' : word} – ${name} – Ramback`;
  // Said aloud when it changes, not at every percent of loading.
  const said = `${word}: ${why.replace(/[\d.]+/g, '')}`;
  if (said !== lightSaid) {
    lightSaid = said;
    setText('announce', `Light: ${word === 'none' ? 'unknown' : word}. ${why}`);
  }
}

function showStatus(event) {
  if (!status) performance.mark('live');
  status = event.status;
  setText('name', status.name);
  setText(
    'subtitle',
    `${bytes(status.sizeBytes)} · ${status.state}${status.readOnly ? ' · read-only' : ''} · ${status.clients} ${status.clients === 1 ? 'client' : 'clients'}${status.attached ? ` · attached: ${attachedAs(status.attached)}` : ''}`,
  );
  showLight(status.light, event.why);
  showLoss();
  showMode();
  const all = status.loadedChunks >= status.chunks;
  setFigure('loaded', percent(status.loadedChunks, status.chunks));
  setBar('loaded-bar', status.loadedChunks, status.chunks, 2);
  setText('loaded-note', all ? 'all of it' : `${bytes(status.loadRemainingBytes)} to go${eta(status.loadRemainingBytes, status.loadBytesPerSecond)}`);
  setFigure('dirty', bytes(status.dirtyBytes), status.throttling ? 'warn' : '');
  setBar('dirty-bar', status.dirtyBytes, status.dirtyMaxBytes, 0.6);
  setText('dirty-note', status.throttling ? 'writers are slowed down' : `of at most ${bytes(status.dirtyMaxBytes)}`);
  showJournal();
  showPower();
  showDetails();
}

/** By what, as what, and where it is mounted as far as the daemon sees. */
function attachedAs(attached) {
  const mounts = attached.mounts.length ? ` on ${attached.mounts.join(', ')}` : '';
  return `${attached.via} ${attached.device}${mounts}${attached.left ? ', left by a daemon that is gone' : ''}`;
}

function eta(left, speed) {
  return speed >= 1 ? `, ${seconds(left / speed)}` : '';
}

function showLoss() {
  const loss = status.lossIfPowerFailedNow;
  if (loss.bytes === 0) {
    setFigure('loss', 'nothing', 'good');
    setText('loss-note', 'if the power failed');
  } else if (status.mode === 'unsafe') {
    setFigure('loss', 'all of it', 'bad');
    setText('loss-note', `unsafe; last whole ${seconds(loss.seconds)} ago`);
  } else {
    const isLate = status.mode === 'checkpoint' && loss.seconds > status.intervalSeconds;
    setFigure('loss', `${bytes(loss.bytes)}`, isLate ? 'warn' : '');
    const limit = status.mode === 'checkpoint' ? ` of at most ${seconds(status.intervalSeconds)}` : '';
    const kind = status.mode === 'writeback' ? ', not flushed' : '';
    setText('loss-note', `of the last ${seconds(loss.seconds)}${limit}${kind}`);
  }
}

const MODE_NOTES = {
  writethrough: 'writes wait for the journal',
  writeback: 'flushes wait for the journal',
  checkpoint: 'nothing waits; the loss is bounded',
  unsafe: 'nothing waits, nothing is promised',
};

function showMode() {
  setFigure('mode', status.mode, status.mode === 'unsafe' ? 'bad' : status.mode !== status.configuredMode ? 'warn' : '');
  setText(
    'mode-note',
    status.mode === status.configuredMode ? MODE_NOTES[status.mode] : `configured: ${status.configuredMode}${status.modeByHand ? ', set by hand' : ''}`,
  );
  for (const button of document.querySelectorAll('[data-mode]')) {
    button.setAttribute('aria-pressed', String(button.dataset.mode === status.mode));
  }
}

function showJournal() {
  const journal = status.journal;
  $('journal-bar').parentElement.hidden = !journal;
  if (!journal) {
    setFigure('journal', 'none');
    setText('journal-note', 'an ordinary disk: what was flushed is safe');
    return;
  }
  setFigure('journal', percent(journal.usedBytes, journal.sizeBytes));
  setBar('journal-bar', journal.usedBytes, journal.sizeBytes, 0.6);
  setText('journal-note', `${bytes(journal.usedBytes)} of ${bytes(journal.sizeBytes)}`);
}

const POWER_WORDS = {
  none: ['–', ''],
  online: ['line power', 'good'],
  'on-battery': ['on battery', 'warn'],
  'low-battery': ['battery low', 'bad'],
  unknown: ['not heard', 'warn'],
};

function showPower() {
  const power = status.power;
  const [word, level] = POWER_WORDS[power.state] || [power.state, ''];
  setFigure('power', word, level);
  const notes = [];
  if (power.batteryChargePercent != null) notes.push(`${Math.round(power.batteryChargePercent)} %`);
  if (power.batteryRuntimeSeconds != null) notes.push(`${seconds(power.batteryRuntimeSeconds)} of battery`);
  if (power.drainSeconds != null) notes.push(`${bytes(power.toSaveBytes)} to save in ${seconds(power.drainSeconds)}`);
  if (power.detail) notes.push(power.detail);
  setText('power-note', power.state === 'none' ? 'nobody reports on it' : notes.join(', '));
}

function showDetails() {
  const rows = [
    ['image', status.backing.uri],
    ['errors', status.backing.errors ? `${count(status.backing.errors)}, the last: ${status.backing.lastError}` : 'none'],
    ['journal', status.journal ? status.journal.path : 'none'],
    ['committed', status.lastCommit.time ? `epoch ${count(status.lastCommit.epoch)} at ${status.lastCommit.time}` : 'nothing since the start'],
    ['NBD', [status.uri, status.tcpUri].filter(Boolean).join('\n')],
    ['attached', status.attached ? attachedAs(status.attached) : 'not to this machine'],
    ['chunks', `${count(status.chunks)} of ${bytes(status.chunkBytes)}`],
    ['requests', `${count(status.requests.reads)} reads, ${count(status.requests.writes)} writes, ${count(status.requests.flushes)} flushes, ${count(status.requests.failed)} failed`],
    ['daemon', `pid ${status.pid}, up ${seconds(status.uptimeSeconds)}`],
    ...status.process.warnings.map((warning) => ['warning', warning]),
  ];
  if (status.snapshot) rows.push(['snapshot', `${percent(status.snapshot.doneBytes, status.sizeBytes)} of ${status.snapshot.path}`]);
  if (status.verify) rows.push(['verify', `${percent(status.verify.doneBytes, status.sizeBytes)}, ${bytes(status.verify.differingBytes)} differ`]);
  const list = $('details');
  while (list.children.length > 2 * rows.length) list.lastChild.remove();
  rows.forEach(([label, text], i) => {
    if (!list.children[2 * i]) list.append(document.createElement('dt'), document.createElement('dd'));
    const term = list.children[2 * i];
    const value = list.children[2 * i + 1];
    if (term.textContent !== label) term.textContent = label;
    if (value.textContent !== text) value.textContent = text;
  });
}

// ---------------------------------------------------------------------------------------------------------- colours

let colours = {};

function readColours() {
  const style = getComputedStyle(document.documentElement);
  colours = {};
  for (const name of ['none', 'zero', 'clean', 'dirty', 'flight', 'first', 'second', 'third', 'fourth', 'grid', 'muted', 'text', 'card', 'line', 'accent', 'glow-warn', 'glow-bad']) {
    colours[name] = style.getPropertyValue(`--${name}`).trim();
  }
}

const THEMES = ['auto', 'light', 'dark'];

function setTheme(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  setText('theme', theme[0].toUpperCase() + theme.slice(1));
  $('theme').setAttribute('aria-label', `Colours: ${theme === 'auto' ? 'as the system' : theme}`);
  readColours();
  paintMap();
  paintCharts();
}

function remember(store, key, value) {
  try {
    if (value == null) store.removeItem(key);
    else store.setItem(key, value);
  } catch {
    // A browser that keeps nothing: it is asked again.
  }
}

function recall(store, key) {
  try {
    return store.getItem(key);
  } catch {
    return null;
  }
}

// ---------------------------------------------------------------------------------------------------------- the map

// Two bytes a cell, as MapCode in the daemon draws them.
const map = { cells: 0, chunks: 0, perCell: 1, bytes: new Uint8Array(0), columns: 1, size: 6, cursor: -1 };

function fromBase64(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

function takeMap(event) {
  if (event.all !== undefined) {
    const isNew = map.cells !== event.cells;
    Object.assign(map, { cells: event.cells, chunks: event.chunks, perCell: event.chunksPerCell, bytes: fromBase64(event.all) });
    if (isNew) layMap();
    paintMap();
  } else {
    const changes = fromBase64(event.changes);
    const context = $('map').getContext('2d');
    for (let at = 0; at + 3 < changes.length; at += 4) {
      const cell = (changes[at] << 8) | changes[at + 1];
      map.bytes[2 * cell] = changes[at + 2];
      map.bytes[2 * cell + 1] = changes[at + 3];
      paintCell(context, cell);
    }
    if (map.cursor >= 0) paintCursor(context);
  }
  document.documentElement.dataset.maps = String(Number(document.documentElement.dataset.maps || 0) + 1);
  describeMap();
  describeCell();
}

/** The largest squares with which all cells fit a box as wide as the card, and not too high. */
function layMap() {
  const canvas = $('map');
  const width = canvas.parentElement.clientWidth - 32;
  if (map.cells === 0 || width <= 0) return;
  const heightMax = width < 600 ? 460 : 300;
  let size = 24;
  while (size > 4 && Math.ceil(map.cells / Math.floor(width / size)) * size > heightMax) size--;
  map.size = size;
  map.columns = Math.max(1, Math.floor(width / size));
  const rows = Math.ceil(map.cells / map.columns);
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(rows * size * ratio);
  canvas.style.height = `${rows * size}px`;
  canvas.getContext('2d').setTransform(ratio, 0, 0, ratio, 0, 0);
}

function paintMap() {
  const canvas = $('map');
  const context = canvas.getContext('2d');
  context.clearRect(0, 0, canvas.width, canvas.height);
  for (let cell = 0; cell < map.cells; cell++) paintCell(context, cell);
  if (map.cursor >= 0) paintCursor(context);
}

/** States differ in how light they are and in their shape as well: hollow, filled, filled from below, with a dot. */
function paintCell(context, cell) {
  const size = map.size;
  const side = size - (size > 7 ? 1.5 : 1);
  const x = (cell % map.columns) * size;
  const y = Math.floor(cell / map.columns) * size;
  const first = map.bytes[2 * cell];
  const loaded = (first >> 4) / 15;
  const zero = ((first >> 1) & 7) / 7;
  const dirty = map.bytes[2 * cell + 1] / 255;
  context.clearRect(x, y, size, size);
  if (loaded < 1) {
    context.strokeStyle = colours.none;
    context.lineWidth = 1;
    context.strokeRect(x + 0.5, y + 0.5, side - 1, side - 1);
  }
  if (loaded > 0) {
    const height = loaded < 1 ? Math.max(1, (side - 1) * loaded) : side;
    context.fillStyle = colours.clean;
    context.fillRect(x, y + side - height, side, height);
    if (zero > 0) {
      // From above: what holds data lies at the bottom.
      const empty = zero < 1 ? Math.min(height - 1, Math.max(1, height * zero)) : height;
      context.fillStyle = colours.zero;
      context.fillRect(x, y + side - height, side, empty);
    }
  }
  if (dirty > 0) {
    const height = dirty < 1 ? Math.min(side - 1, Math.max(2, side * Math.sqrt(dirty))) : side;
    context.fillStyle = colours.dirty;
    context.fillRect(x, y + side - height, side, height);
  }
  if (first & 1) {
    context.fillStyle = colours.card;
    context.beginPath();
    context.arc(x + side / 2, y + side / 2, side * 0.42, 0, 2 * Math.PI);
    context.fill();
    context.fillStyle = colours.flight;
    context.beginPath();
    context.arc(x + side / 2, y + side / 2, side * 0.27, 0, 2 * Math.PI);
    context.fill();
  }
}

function paintCursor(context) {
  const x = (map.cursor % map.columns) * map.size;
  const y = Math.floor(map.cursor / map.columns) * map.size;
  context.strokeStyle = colours.text;
  context.lineWidth = 2;
  context.strokeRect(x + 1, y + 1, map.size - 3, map.size - 3);
}

function moveCursor(cell) {
  if (map.cells === 0) return;
  const before = map.cursor;
  map.cursor = Math.min(Math.max(cell, -1), map.cells - 1);
  if (before === map.cursor) return;
  paintMap();
  describeCell();
}

function describeMap() {
  let dirty = 0;
  let flight = 0;
  for (let cell = 0; cell < map.cells; cell++) {
    if (map.bytes[2 * cell + 1] > 0) dirty++;
    if (map.bytes[2 * cell] & 1) flight++;
  }
  const each = map.perCell === 1 ? 'one chunk' : `${count(map.perCell)} chunks`;
  const size = status ? ` (${bytes(map.perCell * status.chunkBytes)})` : '';
  const loaded = status ? `${percent(status.loadedChunks, status.chunks)} is in memory, ` : '';
  setText(
    'map-text',
    `A square is ${each}${size}; ${count(map.cells)} of them. ${loaded}${count(dirty)} ${dirty === 1 ? 'square has' : 'squares have'} something that the image lacks, ${count(flight)} in flight.`,
  );
}

const CELL_HINT = 'Point at a square, or move with the arrow keys, to see what it stands for.';

function describeCell() {
  const cell = map.cursor;
  if (cell < 0 || !status) {
    setText('map-cell', CELL_HINT);
    return;
  }
  const first = map.bytes[2 * cell];
  const from = cell * map.perCell * status.chunkBytes;
  const to = Math.min((cell + 1) * map.perCell * status.chunkBytes, status.sizeBytes);
  const share = (value, most) => (value === most ? 'all' : value === 0 ? 'nothing' : `about ${Math.max(1, Math.min(99, Math.round((100 * value) / most)))} %`);
  const parts = [`${share(first >> 4, 15)} in memory`];
  if (first >> 4 > 0) parts.push(`${share((first >> 1) & 7, 7)} of that zeroes`);
  parts.push(`${share(map.bytes[2 * cell + 1], 255)} newer than the image`);
  if (first & 1) parts.push('in flight now');
  setText('map-cell', `Bytes ${bytes(from)} to ${bytes(to)}: ${parts.join(', ')}.`);
}

function onMapKey(event) {
  const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -map.columns, ArrowDown: map.columns };
  let to;
  if (event.key in moves) to = map.cursor < 0 ? 0 : map.cursor + moves[event.key];
  else if (event.key === 'Home') to = 0;
  else if (event.key === 'End') to = map.cells - 1;
  else if (event.key === 'Escape') to = -1;
  else return;
  event.preventDefault();
  if (event.key === 'Escape' || (to >= 0 && to < map.cells)) moveCursor(to);
}

// ---------------------------------------------------------------------------------------------------------- charts

const SAMPLES_MAX = 600;
const past = { t: [], v: {} };
let minutes = 2;
let pointed = null; // the time under the pointer

const LINES = { first: [], second: [6, 3], third: [2, 3], fourth: [8, 3, 2, 3] };

const CHARTS = [
  { title: 'Throughput', format: rate, step: 1024, least: 1 << 20,
    series: [['reads', 'readBytes', 'first'], ['writes', 'writeBytes', 'second'], ['to the image', 'imageBytes', 'third']] },
  { title: 'Requests', format: perSecond, least: 100,
    series: [['reads', 'reads', 'first'], ['writes', 'writes', 'second'], ['flushes', 'flushes', 'third'], ['others', 'others', 'fourth']] },
  { title: 'Latency, median and 99 %', format: seconds, log: true, empty: 'no requests were measured',
    series: [['reads', 'readP99', 'first', 'readP50'], ['writes', 'writeP99', 'second', 'writeP50'], ['flushes', 'flushP99', 'third', 'flushP50']] },
  { title: 'At risk', format: bytes, step: 1024, least: 1 << 20, fill: true,
    series: [['lost by a power failure', 'lossBytes', 'second'], ['age', 'lossSeconds', 'first', null, seconds]] },
  { title: 'Not yet in the image', format: bytes, step: 1024, least: 1 << 20,
    series: [['dirty', 'dirtyBytes', 'second'], ['in the journal', 'journalBytes', 'first']] },
  { title: 'Power', format: (value) => `${Math.round(value)} %`, most: 100, strip: 'power', empty: 'nobody reports on the power',
    series: [['battery', 'batteryPercent', 'first'], ['runtime', 'batterySeconds', 'second', null, seconds]] },
];

function makeCharts() {
  for (const chart of CHARTS) {
    const figure = document.createElement('section');
    figure.className = 'chart';
    const title = document.createElement('h3');
    title.textContent = chart.title;
    title.className = 'chart-title';
    const canvas = document.createElement('canvas');
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', chart.title);
    const legend = document.createElement('ul');
    chart.values = chart.series.map(([label, , line]) => {
      const item = document.createElement('li');
      item.append(sampleOf(line), `${label} `);
      const value = document.createElement('b');
      item.append(value);
      legend.append(item);
      return value;
    });
    canvas.addEventListener('pointermove', (event) => pointAt(chart, event));
    canvas.addEventListener('pointerleave', () => pointAt(null));
    figure.append(title, canvas, legend);
    $('charts').append(figure);
    chart.canvas = canvas;
  }
}

/** A piece of the line, in the legend. */
function sampleOf(line) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('width', '22');
  svg.setAttribute('height', '8');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', 'M0 4h22');
  path.setAttribute('stroke-width', '2');
  path.setAttribute('stroke-dasharray', LINES[line].join(' '));
  path.style.stroke = `var(--${line})`;
  svg.append(path);
  return svg;
}

function takeHistory(event) {
  past.t = event.t;
  past.v = event.v;
  paintCharts();
}

function takeSample(event) {
  past.t.push(...event.t);
  for (const name of Object.keys(event.v)) (past.v[name] ||= []).push(...event.v[name]);
  if (past.t.length > SAMPLES_MAX) {
    const over = past.t.length - SAMPLES_MAX;
    past.t.splice(0, over);
    for (const name of Object.keys(past.v)) past.v[name].splice(0, over);
  }
  paintCharts();
}

function pointAt(chart, event) {
  pointed = chart === null ? null : chart.from + (event.offsetX / chart.canvas.clientWidth) * (chart.to - chart.from);
  paintCharts();
}

/** 1, 2 or 5 times a power of the step's base, and not less than the greatest value. */
function niceLimit(value, step) {
  if (step === 1024) {
    let limit = 1;
    while (limit < value) limit *= 2;
    return limit;
  }
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((limit) => limit >= value * 0.9999);
}

function paintCharts() {
  if (document.hidden) return;
  for (const chart of CHARTS) paintChart(chart);
}

function paintChart(chart) {
  const { canvas } = chart;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (width === 0) return;
  const ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const times = past.t;
  const to = times.length ? times[times.length - 1] : Date.now();
  const from = to - minutes * 60_000;
  Object.assign(chart, { from, to });
  const start = times.findIndex((t) => t >= from);
  const range = start < 0 ? [] : times.slice(start).map((_, i) => start + i);
  const drawn = chart.series.filter(([, , , , own]) => !own);
  const numbers = drawn.flatMap(([, name, , lower]) =>
    range.flatMap((i) => [past.v[name]?.[i], lower ? past.v[lower]?.[i] : null]).filter((v) => v != null && (!chart.log || v > 0)));
  showLegend(chart, range);
  const strip = chart.strip ? range.some((i) => past.v[chart.strip]?.[i] > 0) : false;
  const bottom = height - (strip ? 12 : 4);
  const top = 16;
  paintFrame(context, width, numbers.length ? [top, (top + bottom) / 2, bottom] : [bottom]);
  if (numbers.length === 0 && !strip) {
    if (chart.empty) paintWord(context, chart.empty, width / 2, (top + bottom) / 2 + 4, 'center');
    return;
  }
  const x = (i) => ((times[i] - from) / (to - from)) * width;
  const y = scaleOf(chart, numbers, context, width, top, bottom);
  for (const [, name, line, lower] of drawn) {
    if (lower) paintLine(context, past.v[lower], range, x, y, line, { alpha: 0.55, thickness: 1 });
    paintLine(context, past.v[name], range, x, y, line, { fill: chart.fill ? bottom : null });
  }
  if (strip) paintStrip(context, past.v[chart.strip], range, x, height);
  if (pointed !== null) {
    context.fillStyle = colours.muted;
    context.fillRect(((pointed - from) / (to - from)) * width, top, 1, bottom - top);
  }
}

function paintFrame(context, width, lines) {
  context.strokeStyle = colours.grid;
  context.lineWidth = 1;
  for (const at of lines) {
    context.beginPath();
    context.moveTo(0, Math.round(at) + 0.5);
    context.lineTo(width, Math.round(at) + 0.5);
    context.stroke();
  }
}

function paintWord(context, word, x, y, align) {
  context.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  context.fillStyle = colours.muted;
  context.textAlign = align;
  context.fillText(word, x, y);
}

/** Where a value lies; writes what the top stands for, and of a logarithmic scale the bottom. */
function scaleOf(chart, numbers, context, width, top, bottom) {
  const greatest = Math.max(...numbers, 0);
  if (!chart.log) {
    const limit = chart.most || niceLimit(Math.max(greatest, chart.least || 1), chart.step);
    if (numbers.length) paintWord(context, chart.format(limit), width, top - 4, 'right');
    return (value) => bottom - (value / limit) * (bottom - top);
  }
  const low = Math.floor(Math.log10(Math.min(...numbers)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(greatest)));
  paintWord(context, chart.format(10 ** high), width, top - 4, 'right');
  paintWord(context, chart.format(10 ** low), width, bottom - 4, 'right');
  return (value) => bottom - ((Math.log10(value) - low) / (high - low)) * (bottom - top);
}

function paintLine(context, values, range, x, y, line, { alpha = 1, thickness = 1.8, fill = null }) {
  if (!values) return;
  context.save();
  context.globalAlpha = alpha;
  context.strokeStyle = colours[line];
  context.lineWidth = thickness;
  context.lineJoin = 'round';
  context.setLineDash(LINES[line]);
  for (const piece of piecesOf(values, range)) {
    context.beginPath();
    piece.forEach((i, n) => (n === 0 ? context.moveTo(x(i), y(values[i])) : context.lineTo(x(i), y(values[i]))));
    if (piece.length === 1) context.lineTo(x(piece[0]) + 1, y(values[piece[0]]));
    context.stroke();
    if (fill !== null) {
      context.lineTo(x(piece[piece.length - 1]), fill);
      context.lineTo(x(piece[0]), fill);
      context.closePath();
      context.globalAlpha = 0.16;
      context.fillStyle = colours[line];
      context.fill();
      context.globalAlpha = alpha;
    }
  }
  context.restore();
}

/** Runs of samples that follow each other: a line says nothing of a time when nobody looked. */
function piecesOf(values, range) {
  const pieces = [];
  let piece = null;
  for (const i of range) {
    if (values[i] == null) {
      piece = null;
    } else if (piece && past.t[i] - past.t[i - 1] < 4000) {
      piece.push(i);
    } else {
      piece = [i];
      pieces.push(piece);
    }
  }
  return pieces;
}

/** The power's state along the bottom: the worse, the higher. */
function paintStrip(context, values, range, x, height) {
  const looks = [null, ['line', 3], ['glow-warn', 6], ['glow-bad', 9], ['muted', 6]];
  for (const i of range) {
    const look = looks[values[i]];
    if (!look) continue;
    context.fillStyle = colours[look[0]];
    const left = x(i);
    const right = i + 1 < past.t.length ? x(i + 1) : left + 2;
    context.fillRect(left, height - look[1], Math.max(1, right - left + 0.5), look[1]);
  }
}

function showLegend(chart, range) {
  let at = range.length ? range[range.length - 1] : -1;
  if (pointed !== null && range.length) {
    at = range.reduce((best, i) => (Math.abs(past.t[i] - pointed) < Math.abs(past.t[best] - pointed) ? i : best));
  }
  const said = [];
  chart.series.forEach(([label, name, , lower, own], n) => {
    const value = at < 0 ? null : past.v[name]?.[at];
    const low = at < 0 || !lower ? null : past.v[lower]?.[at];
    const format = own || chart.format;
    const text = value == null ? '–' : low == null ? format(value) : `${format(low)}, ${format(value)}`;
    if (chart.values[n].textContent !== text) chart.values[n].textContent = text;
    said.push(`${label} ${text}`);
  });
  chart.canvas.setAttribute('aria-label', `${chart.title}, ${pointed === null ? 'now' : 'then'}: ${said.join('; ')}`);
}

// ---------------------------------------------------------------------------------------------------------- events

const MARKS = { info: '·', good: '✓', warning: '!', bad: '✕' };
const LOG_MAX = 256;

function takeLog(entries, isAll) {
  const list = $('log');
  if (isAll) list.replaceChildren();
  for (const entry of entries) {
    // The same line once more: it has a number of its own for as long as it is the same.
    list.querySelector(`[data-n="${entry.n}"]`)?.remove();
    const item = document.createElement('li');
    item.className = entry.level;
    item.dataset.n = entry.n;
    const time = document.createElement('time');
    time.dateTime = entry.time;
    const when = new Date(entry.time);
    time.textContent = when.toLocaleTimeString('en-GB');
    time.title = when.toLocaleString();
    const mark = document.createElement('span');
    mark.className = 'mark';
    mark.textContent = MARKS[entry.level];
    mark.setAttribute('role', 'img');
    mark.setAttribute('aria-label', entry.level);
    const what = document.createElement('span');
    what.className = 'what';
    const subject = document.createElement('b');
    subject.textContent = entry.subject;
    const text = entry.text.startsWith(`${entry.subject} `) ? entry.text.slice(entry.subject.length + 1) : entry.text;
    what.append(subject, ` ${text}${entry.count > 1 ? ` (${entry.count} times)` : ''}`);
    item.append(time, mark, what);
    list.prepend(item);
  }
  while (list.children.length > LOG_MAX) list.lastChild.remove();
}

// ---------------------------------------------------------------------------------------------------------- control

const TOKEN_KEY = `ramback-token-${location.host}`;
let asksForToken = true;
let token = null;

function takeToken() {
  const given = /^#token=([A-Za-z0-9_-]+)$/.exec(location.hash);
  if (given) {
    remember(sessionStorage, TOKEN_KEY, given[1]);
    // It is not to stay where it is seen, copied and kept.
    history.replaceState(null, '', location.pathname + location.search);
    token = given[1];
  } else {
    token = recall(sessionStorage, TOKEN_KEY);
  }
}

function showControls() {
  const isAllowed = !asksForToken || token !== null;
  $('controls').disabled = !isAllowed;
  $('token-form').hidden = isAllowed;
}

function say(text, level = '') {
  $('said').className = level;
  setText('said', text);
}

async function ask(path, body, busy, done) {
  say(busy);
  try {
    const reply = await fetch(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...(token === null ? {} : { Authorization: `Bearer ${token}` }) },
      body: JSON.stringify(body),
    });
    const text = await reply.text();
    let answer = {};
    try {
      answer = JSON.parse(text);
    } catch {
      // Not the daemon's own words.
    }
    if (reply.status === 401) {
      remember(sessionStorage, TOKEN_KEY, null);
      token = null;
      showControls();
    }
    if (!reply.ok) throw new Error(answer.error?.message || `HTTP status ${reply.status}`);
    say(done(answer), 'good');
  } catch (error) {
    say(error.message, 'bad');
  }
}

const switchMode = (mode) => ask('mode', { mode }, `switching to ${mode} …`, () => (mode === 'auto' ? 'back to what up was given' : `in ${mode}`));

function confirmUnsafe() {
  $('confirm').showModal();
  $('confirm-no').focus();
}

function wireControls() {
  $('modes').addEventListener('click', (event) => {
    const mode = event.target.closest('button')?.dataset.mode;
    if (mode === 'unsafe' && status?.mode !== 'unsafe') confirmUnsafe();
    else if (mode) switchMode(mode);
  });
  $('confirm-no').addEventListener('click', () => $('confirm').close());
  $('confirm-yes').addEventListener('click', () => {
    $('confirm').close();
    switchMode('unsafe');
  });
  $('flush').addEventListener('click', () => ask('flush', {}, 'flushing …', () => 'everything that was dirty is in the image'));
  $('snapshot-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const file = $('file').value.trim();
    if (!file.startsWith('/')) {
      say('write the whole path, from the first slash on', 'bad');
      $('file').focus();
      return;
    }
    ask('snapshot', { file }, `taking a snapshot to ${file} …`, (answer) => `snapshot in ${file}, ${bytes(answer.writtenBytes)} written`);
  });
  $('token-form').addEventListener('submit', (event) => {
    event.preventDefault();
    token = $('token').value.trim() || null;
    remember(sessionStorage, TOKEN_KEY, token);
    $('token').value = '';
    showControls();
    say(token === null ? '' : 'the token is kept until this tab is closed');
  });
  for (const button of document.querySelectorAll('[data-minutes]')) {
    button.addEventListener('click', () => {
      minutes = Number(button.dataset.minutes);
      for (const other of document.querySelectorAll('[data-minutes]')) other.setAttribute('aria-pressed', String(other === button));
      paintCharts();
    });
  }
  $('theme').addEventListener('click', () => {
    const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme || 'auto') + 1) % THEMES.length];
    remember(localStorage, 'ramback-theme', next);
    setTheme(next);
  });
}

// ---------------------------------------------------------------------------------------------------------- the stream

const RETRY_MILLIS = 3000;
const SILENCE_MILLIS = 5000;
// A browser makes six connections to a server at most, for all of its tabs: one that nobody sees must not keep one of them.
const HIDDEN_MILLIS = 5000;
let source = null;
let heardAt = 0;
let hiding = null;
let isResting = false;

function listen() {
  if (isResting) return;
  source?.close();
  const own = new EventSource('events');
  source = own;
  let isFirstLog = true;
  const on = (name, take) =>
    own.addEventListener(name, (event) => {
      heardAt = Date.now();
      found();
      take(JSON.parse(event.data));
    });
  on('hello', (hello) => {
    isFirstLog = true;
    asksForToken = hello.asksForToken;
    showControls();
  });
  on('status', showStatus);
  on('history', takeHistory);
  on('sample', takeSample);
  on('map', takeMap);
  on('log', (entries) => {
    takeLog(entries, isFirstLog);
    isFirstLog = false;
  });
  own.onerror = () => {
    if (own !== source) return;
    lose('The daemon does not answer. It may have stopped, or be followed by as many pages as it lets; trying again …');
    if (own.readyState === EventSource.CLOSED) setTimeout(listen, RETRY_MILLIS);
  };
}

function rest() {
  isResting = true;
  source?.close();
  source = null;
  heardAt = 0;
}

function onVisibility() {
  clearTimeout(hiding);
  if (document.hidden) {
    hiding = setTimeout(rest, HIDDEN_MILLIS);
  } else if (isResting) {
    isResting = false;
    listen();
  }
  paintAll();
}

function lose(why) {
  if ($('lost').hidden) {
    $('lost').textContent = why;
    $('lost').hidden = false;
    showLight('none', 'not connected; the figures are the last ones heard');
  }
}

function found() {
  $('lost').hidden = true;
}

// A stream may fall silent without an end: a suspended daemon, a cable.
setInterval(() => {
  if (heardAt && Date.now() - heardAt > SILENCE_MILLIS) lose('Nothing has been heard from the daemon for some seconds.');
}, 1000);

function paintAll() {
  layMap();
  paintMap();
  paintCharts();
}

takeToken();
makeCharts();
wireControls();
setTheme(THEMES.includes(recall(localStorage, 'ramback-theme')) ? recall(localStorage, 'ramback-theme') : 'auto');
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  readColours();
  paintAll();
});
$('map').addEventListener('keydown', onMapKey);
$('map').addEventListener('blur', () => moveCursor(-1));
$('map').addEventListener('pointermove', (event) => {
  const column = Math.floor(event.offsetX / map.size);
  const cell = Math.floor(event.offsetY / map.size) * map.columns + column;
  moveCursor(column < map.columns && cell < map.cells ? cell : -1);
});
$('map').addEventListener('pointerleave', () => moveCursor(-1));
addEventListener('resize', paintAll);
document.addEventListener('visibilitychange', onVisibility);
addEventListener('hashchange', () => {
  takeToken();
  showControls();
});
listen();
