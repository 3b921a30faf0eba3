// A terminal in a pod, in the browser: docs/exec.md says what is spoken. Begins when asked to; a session that has begun
// is resumed after a reload, a broken connection or a restart of the server. What is needed for that is kept in this
// tab's session storage before the server is told that it was seen. Bundled with xterm.js by esbuild.
import {Terminal} from 'xterm/lib/public/Terminal';
import {fit} from 'xterm/lib/addons/fit/fit';

const words = {
  en: {
    language: '한국어', reader: 'Screen reader mode', title: (pod) => `Terminal: ${pod}`, start: 'Start terminal',
    about: 'A shell in the pod\'s main container, with the rights of its user. It ends with the pod, when you type exit, or five minutes after this page was closed.',
    connecting: 'Connecting…', live: '● Connected', lost: '○ Connection lost, trying again', ended: (code) => `■ Ended with exit code ${code}`,
    gone: 'The session is gone.', again: 'Start again', logged_out: 'Log in first: open the start page.',
    unreachable: 'The server does not answer.', paste_title: (lines) => `Paste ${lines} lines? Each is run as it is pasted.`, paste_yes: 'Paste', paste_no: 'Do not paste',
    screen: 'Terminal',
  },
  ko: {
    language: 'English', reader: '화면 낭독기 모드', title: (pod) => `터미널: ${pod}`, start: '터미널 시작',
    about: '파드의 주 컨테이너에서 그 사용자 권한으로 셸을 실행해요. 파드가 끝나거나, exit를 입력하거나, 이 페이지를 닫고 5분이 지나면 끝나요.',
    connecting: '연결하는 중…', live: '● 연결됨', lost: '○ 연결이 끊겨 다시 시도하는 중이에요', ended: (code) => `■ 종료 코드 ${code}(으)로 끝났어요`,
    gone: '세션이 끝났어요.', again: '다시 시작', logged_out: '먼저 시작 화면에서 로그인해 주세요.',
    unreachable: '서버가 응답하지 않아요.', paste_title: (lines) => `${lines}줄을 붙여 넣을까요? 붙여 넣는 대로 한 줄씩 실행돼요.`, paste_yes: '붙여 넣기', paste_no: '취소',
    screen: '터미널',
  },
};
const $ = (id) => document.getElementById(id);
const pod = decodeURIComponent(location.pathname.split('/')[2]);
const kept_as = `gyre-terminal-${pod}`;
const tail_max = 64 * 1024;              // of output that a reloaded page shows again
const seen_every = 32 * 1024;
const lives_on = 5 * 60 * 1000;
const input_window = 256 * 1024;

let language = localStorage.getItem('language') || (navigator.language.startsWith('ko') ? 'ko' : 'en');
let name = pod, term = null, socket = null, in_session = false, replaying = false, status = null;
let retry = 0, lost_at = 0, decoder = new TextDecoder();
// What a reload needs: the session, how much was received, the input that is not taken yet, the last of the output.
let state = null, seen = 0, seen_timer = 0;

const t = (key, ...values) => {
  const text = words[language][key];
  return typeof text === 'function' ? text(...values) : text;
};

function speak() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll('[data-text]')) element.textContent = t(element.dataset.text);
  $('title').textContent = t('title', name);
  document.title = `${name} · Gyre`;
  $('language').textContent = t('language');
  $('language').lang = language === 'ko' ? 'en' : 'ko';
  if (status) $('status').textContent = t(...status);
}
function say_status(...of) {
  status = of;
  $('status').textContent = t(...of);
}
function problem(text) {
  $('problem').textContent = text || '';
  $('problem').hidden = !text;
}

// ---- what is kept ----

function to_text(bytes) {
  let out = '';
  for (let at = 0; at < bytes.length; at += 8192) out += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(out);
}
const from_text = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
function joined(a, b) {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}
function keep() {
  if (!state) return sessionStorage.removeItem(kept_as);
  sessionStorage.setItem(kept_as, JSON.stringify({
    session: state.session, received: state.received, taken: state.taken, input: to_text(state.input), tail: to_text(state.tail),
  }));
}
function kept() {
  try {
    const read = JSON.parse(sessionStorage.getItem(kept_as));
    return read && read.session ? {...read, input: from_text(read.input), tail: from_text(read.tail)} : null;
  } catch {
    return null;
  }
}

// ---- the connection ----

function tell(message) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}
function send_input(bytes) {
  if (!socket || socket.readyState !== WebSocket.OPEN) return;
  for (let at = 0; at < bytes.length; at += seen_every) {
    const piece = bytes.subarray(at, at + seen_every);
    socket.send(joined(new Uint8Array([0]), piece));
  }
}
function say_seen() {
  clearTimeout(seen_timer);
  seen_timer = 0;
  if (!state || state.received === seen) return;
  keep();  // first: what was said to be seen is not sent again
  seen = state.received;
  tell({seen});
}

function connect() {
  const query = new URLSearchParams();
  if (state && state.session) {
    query.set('session', state.session);
    query.set('from', state.received);
  } else {
    for (const word of ['sh', '-c', 'exec "$(command -v bash || command -v sh)" -l']) query.append('command', word);
    query.set('tty', 'true');
    query.set('cols', term.cols);
    query.set('rows', term.rows);
  }
  in_session = false;
  const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
  const opened = new WebSocket(`${scheme}//${location.host}/v1/pods/${encodeURIComponent(pod)}/exec?${query}`, 'gyre.exec.v1');
  opened.binaryType = 'arraybuffer';
  opened.onmessage = (event) => (typeof event.data === 'string' ? said(JSON.parse(event.data)) : wrote(new Uint8Array(event.data)));
  opened.onclose = () => { if (socket === opened) closed(); };
  socket = opened;
}

function said(message) {
  if (message.session) {
    in_session = true;
    retry = 0;
    lost_at = 0;
    if (!state) state = {session: message.session.id, received: 0, taken: 0, input: new Uint8Array(), tail: new Uint8Array()};
    state.session = message.session.id;
    seen = state.received;
    taken(message.session.input);
    send_input(state.input);
    tell({resize: {cols: term.cols, rows: term.rows}});
    keep();
    say_status('live');
    problem('');
  } else if (message.input !== undefined) {
    taken(message.input);
  } else if (message.exit) {
    over();
    say_status('ended', message.exit.code);
  } else if (message.error) {
    over();
    say_status('gone');
    problem([message.error.message, message.error.fix].filter(Boolean).join(' · '));
  }
}
function taken(until) {
  if (until <= state.taken) return;
  state.input = state.input.subarray(until - state.taken);
  state.taken = until;
}
function wrote(bytes) {
  const data = bytes.subarray(1);
  state.received += data.length;
  state.tail = joined(state.tail, data);
  if (state.tail.length > tail_max) state.tail = state.tail.slice(-tail_max);
  term.write(decoder.decode(data, {stream: true}));
  if (state.received - seen >= seen_every) say_seen();
  else if (!seen_timer) seen_timer = setTimeout(say_seen, 200);
}

function over() {
  state = null;
  keep();
  const last = socket;
  socket = null;
  last?.close();
  $('start').textContent = t('again');
  $('start').dataset.text = 'again';
  $('begin').hidden = false;
}

async function closed() {
  socket = null;
  clearTimeout(seen_timer);
  seen_timer = 0;
  lost_at ||= Date.now();
  if (!(await allowed())) return;
  if (!state || Date.now() - lost_at > lives_on) {
    over();
    return say_status('gone');
  }
  say_status('lost');
  retry = Math.min(retry ? retry * 2 : 200, 3000);
  setTimeout(connect, retry);
}

// A WebSocket that is refused does not say why; the API does.
async function allowed() {
  try {
    const answer = await fetch(`/v1/pods/${encodeURIComponent(pod)}`, {credentials: 'same-origin', headers: {'Accept-Language': language}});
    const body = await answer.json().catch(() => null);
    if (answer.ok) {
      if (body && body.name) name = body.name;
      speak();
      if (body && !state && body.status !== 'running') problem([body.reason?.text, body.reason?.fix].filter(Boolean).join(' · '));
      return true;
    }
    if (answer.status >= 500) return true;
    problem(answer.status === 401 ? t('logged_out') : (body && body.detail) || `HTTP ${answer.status}`);
    say_status('gone');
    return false;
  } catch {
    return true;  // the server is away: that passes
  }
}

// ---- the terminal ----

function show() {
  $('begin').hidden = true;
  $('screen').hidden = false;
  if (term) {
    term.reset();
  } else {
    term = new Terminal({
      fontFamily: '"JetBrains Mono", "D2Coding", "Noto Sans Mono CJK KR", ui-monospace, monospace', fontSize: 14,
      cursorBlink: !matchMedia('(prefers-reduced-motion: reduce)').matches, screenReaderMode: $('reader').checked,
      theme: {background: '#0a101a', foreground: '#d5dee9', cursor: '#d5dee9', cursorAccent: '#0a101a', selection: '#45b0c866'},
    });
    term.open($('screen'));
    term.textarea.setAttribute('aria-label', t('screen'));
    term.on('data', (text) => {
      if (replaying || !state) return;
      const bytes = new TextEncoder().encode(text);
      if (state.input.length + bytes.length > input_window) return;
      state.input = joined(state.input, bytes);
      if (in_session) send_input(bytes);
    });
    term.on('resize', ({cols, rows}) => tell({resize: {cols, rows}}));
    $('screen').addEventListener('paste', guard_paste, true);
  }
  decoder = new TextDecoder();
  fit(term);
  term.focus();
}

let pasted = '';
function guard_paste(event) {
  const text = event.clipboardData?.getData('text/plain') || '';
  if (!/[\r\n]/.test(text.trimEnd())) return;
  event.preventDefault();
  event.stopPropagation();
  pasted = text;
  $('paste-title').textContent = t('paste_title', text.trimEnd().split(/\r\n|\r|\n/).length);
  $('paste-text').textContent = text;
  $('paste').showModal();
  $('paste-no').focus();
}
$('paste-yes').addEventListener('click', () => {
  $('paste').close();
  const text = pasted.replace(/\r?\n/g, '\r');
  term.emit('data', term._core?.bracketedPasteMode ? `\x1b[200~${text}\x1b[201~` : text);
});
$('paste-no').addEventListener('click', () => $('paste').close());
$('paste').addEventListener('close', () => {
  pasted = '';
  term?.focus();
});

$('start').addEventListener('click', async () => {
  problem('');
  if (!(await allowed())) return;
  state = null;
  lost_at = 0;
  show();
  say_status('connecting');
  connect();
});
$('reader').addEventListener('change', () => {
  localStorage.setItem('screen-reader', $('reader').checked ? '1' : '');
  term?.setOption('screenReaderMode', $('reader').checked);
});
$('language').addEventListener('click', () => {
  language = language === 'ko' ? 'en' : 'ko';
  localStorage.setItem('language', language);
  speak();
});
addEventListener('resize', () => { if (term) fit(term); });
addEventListener('pagehide', keep);

$('reader').checked = localStorage.getItem('screen-reader') === '1';
speak();
allowed().then((may) => {
  if (!may) return;
  const before = kept();
  if (!before) {
    $('begin').hidden = false;
    return;
  }
  state = before;
  show();
  say_status('connecting');
  replaying = true;  // what the program asked of the terminal has been answered
  term.write(decoder.decode(state.tail, {stream: true}));
  setTimeout(() => {
    replaying = false;
    connect();
  }, 50);
});
