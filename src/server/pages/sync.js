// The page at /pods/{id}/sync: copies between the pod's volume and a bucket. One that is under way is found again after a
// reload; the key that was typed is sent once and kept nowhere.
import {$, ask, badge, call, language, on_language, one_at_a_time, problem, say, show_words, t} from '/assets/page.js';

say({
  en: {
    language: '한국어', title: (pod) => `Cloud sync: ${pod}`,
    about: 'Copies files between the pod\'s volume and a bucket of Amazon S3, or of a store that speaks its protocol. Nothing is deleted at either end, and what is there already is not copied twice. The pod may run, run without its GPUs, or be stopped.',
    direction: 'Direction', to_cloud: 'From the pod to the bucket', from_cloud: 'From the bucket to the pod',
    path: 'Path in the pod\'s volume', bucket: 'Bucket', prefix: 'Folder in the bucket (may stay empty)', region: 'Region (us-east-1 when empty)',
    endpoint: 'Address of the store (empty for Amazon)', key_id: 'Access key ID', key: 'Secret access key',
    key_help: 'Kept encrypted until the copy has ended, never shown. A secret of the workspace works, too: {{ RUNPOD_SECRET_name }}',
    start: 'Start copying', cancel: 'Cancel', log: 'Log', earlier: 'Earlier copies', col_status: 'Status', col_what: 'What', col_when: 'When',
    STARTING: 'Starting', RUNNING: 'Copying', CANCELLING: 'Cancelling', SUCCEEDED: 'Done', FAILED: 'Failed', CANCELLED: 'Cancelled',
    no_volume: 'This pod has no volume of its own: there is nothing to copy.', logged_out: 'Log in first: open the start page.',
    unreachable: 'The server does not answer. Check that it runs, then reload this page.',
  },
  ko: {
    language: 'English', title: (pod) => `클라우드 동기화: ${pod}`,
    about: '파드의 볼륨과 Amazon S3(또는 S3 방식을 쓰는 저장소) 버킷 사이에서 파일을 복사해요. 어느 쪽에서도 지우지 않고, 이미 있는 파일은 다시 복사하지 않아요. 파드가 실행 중이거나, GPU 없이 실행 중이거나, 중지되어 있어도 돼요.',
    direction: '방향', to_cloud: '파드에서 버킷으로', from_cloud: '버킷에서 파드로',
    path: '파드 볼륨 안의 경로', bucket: '버킷', prefix: '버킷 안의 폴더 (비워 두어도 돼요)', region: '리전 (비우면 us-east-1)',
    endpoint: '저장소 주소 (Amazon이면 비워 두세요)', key_id: '액세스 키 ID', key: '비밀 액세스 키',
    key_help: '복사가 끝날 때까지 암호화해 두고, 다시 보여 주지 않아요. 작업 공간의 시크릿도 쓸 수 있어요: {{ RUNPOD_SECRET_name }}',
    start: '복사 시작', cancel: '취소', log: '로그', earlier: '지난 복사', col_status: '상태', col_what: '내용', col_when: '때',
    STARTING: '시작하는 중', RUNNING: '복사하는 중', CANCELLING: '취소하는 중', SUCCEEDED: '완료', FAILED: '실패', CANCELLED: '취소됨',
    no_volume: '이 파드에는 볼륨이 없어 복사할 것이 없어요.', logged_out: '먼저 시작 화면에서 로그인해 주세요.',
    unreachable: '서버가 응답하지 않아요. 서버가 실행 중인지 확인하고 새로 고침해 주세요.',
  },
});
const tones = {
  STARTING: ['info', '↻'], RUNNING: ['info', '↻'], CANCELLING: ['warn', '↻'], SUCCEEDED: ['ok', '●'], FAILED: ['bad', '✕'], CANCELLED: ['off', '■'],
};
const log_max = 64 * 1024;

const pod_id = decodeURIComponent(location.pathname.split('/')[2]);
let pod = null, syncs = [], current = null;
let following = null;  // {id, stop}: whose log is read

const is_over = (sync) => Boolean(sync.endedAt);
const place = (sync) => `s3://${sync.bucket}${sync.prefix ? `/${sync.prefix}` : ''}`;
const what = (sync) => (sync.direction === 'TO_CLOUD' ? `${sync.path} → ${place(sync)}` : `${place(sync)} → ${sync.path}`);
const why = (sync) => (sync.reason ? [sync.reason.text, sync.reason.fix].filter(Boolean).join(' · ') : '');

function draw() {
  show_words();
  $('title').textContent = t('title', pod ? pod.name : pod_id);
  document.title = `${pod ? pod.name : pod_id} · Gyre`;
  const busy = current && !is_over(current);
  $('form').hidden = !pod || !pod.volumeInGb || Boolean(busy);
  $('current').hidden = !current;
  if (current) {
    $('status').replaceChildren(badge(tones, current.status));
    $('what').textContent = what(current);
    $('why').textContent = why(current);
    $('cancel').hidden = !busy || current.status === 'CANCELLING';
  }
  const rows = syncs.filter((sync) => !current || sync.id !== current.id);
  $('earlier').hidden = rows.length === 0;
  $('rows').replaceChildren(...rows.map((sync) => {
    const row = document.createElement('tr');
    row.insertCell().append(badge(tones, sync.status));
    const cell = row.insertCell();
    cell.append(what(sync));
    const reason = document.createElement('span');
    reason.className = 'more';
    reason.textContent = why(sync);
    cell.append(reason);
    row.insertCell().append(new Date(sync.createdAt).toLocaleString(language, {dateStyle: 'short', timeStyle: 'short'}));
    return row;
  }));
}

// The log as it is written: the last of it, and its last line by itself, which says how far the copy is.
async function follow(sync) {
  if (following && following.id === sync.id) return;
  if (following) following.stop.abort();
  const mine = following = {id: sync.id, stop: new AbortController()};
  let text = '';
  $('log').textContent = $('latest').textContent = '';
  try {
    const response = await ask('GET', `/v1/cloudsyncs/${encodeURIComponent(sync.id)}/logs?follow=true`, {signal: mine.stop.signal});
    if (!response.ok) return;  // it is not kept any more
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const {done, value} = await reader.read();
      if (done || following !== mine) return;
      text = (text + value).slice(-log_max);
      $('log').textContent = text;
      $('latest').textContent = text.trimEnd().split('\n').pop();
    }
  } catch { /* cut off: the next reading begins again */
    if (following === mine) following = null;
  }
}

const read = one_at_a_time(async () => {
  try {
    pod = await call('GET', `/v1/pods/${encodeURIComponent(pod_id)}`);
    if (!$('path').value) $('path').value = pod.volumeMountPath || '';
    syncs = await call('GET', `/v1/cloudsyncs?limit=20&podId=${encodeURIComponent(pod_id)}`);
    const busy = syncs.find((sync) => !is_over(sync));
    current = busy || (current && syncs.find((sync) => sync.id === current.id)) || null;
    problem(pod.volumeInGb ? '' : t('no_volume'));
    draw();
    if (current && current.status !== 'STARTING') follow(current);
  } catch (failure) {
    problem(failure.status === 401 ? t('logged_out') : failure.message);
    draw();
  }
});

$('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const body = {podId: pod_id, direction: new FormData($('form')).get('direction')};
  for (const field of ['path', 'bucket', 'prefix', 'region', 'endpointUrl', 'accessKeyId', 'secretAccessKey']) {
    const value = $(field).value.trim();
    if (value) body[field] = value;
    $(field).removeAttribute('aria-invalid');
  }
  try {
    current = await call('POST', '/v1/cloudsyncs', body);
    $('secretAccessKey').value = '';
    problem('');
    await read();
  } catch (failure) {
    problem(failure.message);
    const blamed = failure.field && $(failure.field);
    if (blamed) { blamed.setAttribute('aria-invalid', 'true'); blamed.focus(); }
  }
});

$('cancel').addEventListener('click', async () => {
  try {
    await call('DELETE', `/v1/cloudsyncs/${encodeURIComponent(current.id)}`);
    await read();
  } catch (failure) {
    problem(failure.message);
  }
});

on_language(() => { draw(); read(); });
draw();
await read();
const events = new EventSource(`/v1/events?pod=${encodeURIComponent(pod_id)}`);
for (const kind of ['cloud_sync', 'pod', 'missed']) events.addEventListener(kind, read);
events.onopen = read;
