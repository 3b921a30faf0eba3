// The page at / and /login: log in, then the pods, live. The whole console comes with a later release; this page is small
// on purpose and uses the public API only. Nothing from the server is ever put in as HTML.
import {$, badge, call, language, on_language, one_at_a_time, problem, say, show_words, t} from '/assets/page.js';

say({
  en: {
    language: '한국어', logout: 'Log out', welcome: 'A GPU cloud of your own',
    what: 'This server runs containers with GPUs on your machines. Log in to see what runs, or use the command line on the machine where it was started.',
    login: 'Log in', email: 'E-mail', password: 'Password', new_password: 'New password (may stay empty)',
    login_once: 'This link lets you in once. Give an e-mail and a password now to log in with them later, or leave both empty.',
    login_password: 'With your e-mail and password. Without one yet: restart the server, which shows a link that works once.',
    pods: 'Pods', pods_caption: 'All pods of your workspace', col_status: 'Status', col_name: 'Name', col_gpu: 'GPU', col_host: 'Host',
    col_image: 'Image', col_since: 'Created', empty: 'No pods yet. Start the first one from the command line:',
    later: 'This page shows the state; a full console comes with a later release. Until then the command line does everything: gyre --help',
    api: 'Description of the API', help: 'Help', terminal: 'Terminal', sync: 'Cloud sync', live: 'live', stale: 'connection lost, trying again', simulated: 'simulated', cpu: 'CPU',
    position: (n) => `position ${n} in the queue`,
    pulling: (p, done, total, rate) => `pulling the image: ${p}% (${done} of ${total}, ${rate}/s)`,
    registered: 'Registered', queued: 'Queued', provisioning: 'Starting', running: 'Running', interrupting: 'Interrupting',
    host_lost: 'Host offline', stopping: 'Stopping', stopped: 'Stopped', failed: 'Failed', deleting: 'Deleting', deleted: 'Deleted',
    unreachable: 'The server does not answer. Check that it runs, then reload this page.',
  },
  ko: {
    language: 'English', logout: '로그아웃', welcome: '직접 운영하는 GPU 클라우드',
    what: '이 서버는 여러분의 기기에서 GPU 컨테이너를 실행해요. 로그인하면 실행 중인 파드를 볼 수 있고, 서버를 시작한 기기에서는 명령줄로도 쓸 수 있어요.',
    login: '로그인', email: '이메일', password: '비밀번호', new_password: '새 비밀번호 (비워 두어도 돼요)',
    login_once: '이 링크로 한 번 로그인할 수 있어요. 다음에도 로그인하려면 이메일과 비밀번호를 정하고, 아니면 둘 다 비워 두세요.',
    login_password: '이메일과 비밀번호로 로그인하세요. 아직 없다면 서버를 다시 시작하세요. 한 번 쓸 수 있는 링크를 보여 줘요.',
    pods: '파드', pods_caption: '워크스페이스의 모든 파드', col_status: '상태', col_name: '이름', col_gpu: 'GPU', col_host: '호스트',
    col_image: '이미지', col_since: '만든 때', empty: '파드가 아직 없어요. 명령줄에서 첫 파드를 시작해 보세요.',
    later: '이 화면은 상태만 보여 줘요. 전체 콘솔은 다음 릴리스에 나와요. 그때까지는 명령줄로 모두 할 수 있어요: gyre --help',
    api: 'API 설명', help: '도움말', terminal: '터미널', sync: '클라우드 동기화', live: '실시간', stale: '연결이 끊겨 다시 시도하는 중이에요', simulated: '시뮬레이션', cpu: 'CPU',
    position: (n) => `대기열 ${n}번째`,
    pulling: (p, done, total, rate) => `이미지를 받는 중: ${p}% (${total} 중 ${done}, ${rate}/초)`,
    registered: '등록됨', queued: '대기 중', provisioning: '시작 중', running: '실행 중', interrupting: '중단하는 중',
    host_lost: '호스트 연결 끊김', stopping: '중지하는 중', stopped: '중지됨', failed: '실패', deleting: '삭제하는 중', deleted: '삭제됨',
    unreachable: '서버가 응답하지 않아요. 서버가 실행 중인지 확인하고 새로 고침해 주세요.',
  },
});
// Status: its tone and an icon, so that colour alone says nothing.
const tones = {
  registered: ['info', '◌'], queued: ['warn', '◷'], provisioning: ['info', '↻'], running: ['ok', '●'], interrupting: ['warn', '↻'],
  host_lost: ['bad', '⚠'], stopping: ['info', '↻'], stopped: ['off', '■'], failed: ['bad', '✕'], deleting: ['off', '↻'], deleted: ['off', '✕'],
};

let token = location.pathname === '/login' ? new URLSearchParams(location.search).get('token') : null;
let events = null, timer = 0, shown = [];

function speak() {
  show_words();
  $('login-help').textContent = t(token ? 'login_once' : 'login_password');
  $('password-label').textContent = t(token ? 'new_password' : 'password');
  $('password').autocomplete = token ? 'new-password' : 'current-password';
  $('email').required = $('password').required = !token;
  if (events) say_live(events.readyState === EventSource.OPEN);
}

function bytes(count) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  for (; count >= 1000 && unit < units.length - 1; unit++) count /= 1000;
  return `${count.toFixed(unit && count < 100 ? 1 : 0)} ${units[unit]}`;
}

function show_login() {
  events?.close();
  events = null;
  $('pods').hidden = $('logout').hidden = true;
  $('who').textContent = '';
  $('welcome').hidden = $('login').hidden = false;
  speak();
}

function cell(row, text, more) {
  const made = row.insertCell();
  made.append(text);
  for (const line of more || []) {
    const part = document.createElement('span');
    part.className = 'more';
    part.append(line);
    made.append(part);
  }
  return made;
}

// Why it is so: the reason with its way out, how far the image is, who is in front, and what each host says.
function why(pod) {
  const lines = [];
  const p = pod.progress;
  if (p && p.percent !== null && p.bytesTotal > 0) lines.push(t('pulling', p.percent, bytes(p.bytesDone), bytes(p.bytesTotal), bytes(p.bytesPerSecond)));
  else if (pod.reason) lines.push([pod.reason.text, pod.reason.fix].filter(Boolean).join(' · '));
  if (pod.queue) {
    lines.push(t('position', pod.queue.position));
    for (const host of pod.queue.hosts || []) lines.push(`${host.name || host.id}: ${host.reason.text}`);
  }
  return lines;
}

function link(to, text) {
  const made = document.createElement('a');
  made.href = to;
  made.textContent = text;
  return made;
}

// What can be done with it in a browser.
function ways(pod) {
  const here = `/pods/${encodeURIComponent(pod.id)}`, out = [];
  if (pod.status === 'running') out.push(link(`${here}/terminal`, t('terminal')));
  if (pod.volumeInGb > 0) out.push(link(`${here}/sync`, t('sync')));
  return out;
}

function draw() {
  const rows = $('rows');
  const made = shown.map((pod) => {
    const row = document.createElement('tr');
    cell(row, badge(tones, pod.status), why(pod));
    cell(row, pod.name, [pod.id, ...ways(pod)]);
    const type = pod.gpu && (pod.gpu.id || pod.gpu.displayName);
    cell(row, pod.gpuCount ? `${pod.gpuCount} × ${type || 'GPU'}` : t('cpu'), pod.simulated ? [t('simulated')] : []);
    cell(row, pod.hostName || '–');
    cell(row, pod.imageName || pod.image || '–');
    const at = new Date(pod.createdAt);
    cell(row, isNaN(at) ? '–' : at.toLocaleString(language, {dateStyle: 'short', timeStyle: 'short'}));
    return row;
  });
  rows.replaceChildren(...made);
  $('empty').hidden = shown.length > 0;
  document.querySelector('.scroll').hidden = shown.length === 0;
}

function say_live(alive) {
  $('live').textContent = alive ? `● ${t('live')}` : `○ ${t('stale')}`;
}

const read = one_at_a_time(async () => {
  try {
    shown = await call('GET', '/v1/pods?limit=1000&sort=-createdAt');
    draw();
    problem('');
  } catch (failure) {
    if (failure.status === 401) return show_login();
    problem(failure.message);
  }
  clearTimeout(timer);
  // Percentages are no events: while something starts, look again.
  if (shown.some((pod) => pod.status === 'provisioning')) timer = setTimeout(read, 2000);
});

async function show_pods(me) {
  $('welcome').hidden = $('login').hidden = true;
  $('pods').hidden = $('logout').hidden = false;
  $('who').textContent = (me && (me.email || me.name)) || '';
  speak();
  events?.close();
  events = new EventSource('/v1/events');
  events.onopen = () => { say_live(true); read(); };
  events.onerror = () => say_live(false);
  events.onmessage = read;
  events.addEventListener('pod', read);
  events.addEventListener('host', read);
  events.addEventListener('missed', read);
  await read();
}

async function enter() {
  try {
    await show_pods(await call('GET', '/v1/me'));
  } catch (failure) {
    show_login();
    if (failure.status !== 401) problem(failure.message);
  }
}

$('login-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const email = $('email').value.trim(), password = $('password').value;
  try {
    if (token) {
      await call('POST', '/v1/auth/one-time', {token, ...(email && {email}), ...(password && {password})});
      token = null;
      history.replaceState(null, '', '/');  // the link has done its work; keep it out of the history
    } else {
      await call('POST', '/v1/auth/login', {email, password});
    }
    $('password').value = '';
    problem('');
    await enter();
  } catch (failure) {
    problem(failure.message);
  }
});

$('logout').addEventListener('click', async () => {
  try { await call('POST', '/v1/auth/logout'); } catch (failure) { problem(failure.message); }
  show_login();
});

on_language(() => {
  speak();
  if (!$('pods').hidden) read();
});

speak();
if (token) show_login(); else enter();
