// What every page does alike: words in two languages, the server asked in the reader's, what went wrong shown.
let words = {};
export let language = localStorage.getItem('language') || (navigator.language.startsWith('ko') ? 'ko' : 'en');

export const $ = (id) => document.getElementById(id);

// The page's words: {en: {...}, ko: {...}}; a word may be a function of what is in it.
export function say(of_page) { words = of_page; }

export function t(name, ...values) {
  const text = words[language][name];
  return typeof text === 'function' ? text(...values) : text;
}

export function show_words() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll('[data-text]')) element.textContent = t(element.dataset.text);
  $('language').textContent = t('language');
  $('language').lang = language === 'ko' ? 'en' : 'ko';
}

// The button in the head of the page; `changed` draws anew.
export function on_language(changed) {
  $('language').addEventListener('click', () => {
    language = language === 'ko' ? 'en' : 'ko';
    localStorage.setItem('language', language);
    changed();
  });
}

export function problem(text) {
  $('problem').textContent = text || '';
  $('problem').hidden = !text;
}

// Status in words, with a tone and an icon, so that colour alone says nothing. `tones`: {status: [tone, icon]}.
export function badge(tones, status) {
  const [tone, icon] = tones[status] || ['off', '?'];
  const made = document.createElement('span');
  made.className = `badge ${tone}`;
  made.textContent = `${icon} ${t(status) || status}`;
  return made;
}

export async function ask(method, path, {body, signal} = {}) {
  try {
    return await fetch(path, {
      method, signal, credentials: 'same-origin', body: body && JSON.stringify(body),
      headers: {'Accept-Language': language, 'X-Gyre-CSRF': '1', ...(body && {'Content-Type': 'application/json'})},
    });
  } catch (why) {
    if (signal && signal.aborted) throw why;
    throw new Error(t('unreachable'));
  }
}

// The answer's JSON; throws the server's own words, with the status and the field they blame.
export async function call(method, path, body) {
  const response = await ask(method, path, {body});
  const text = await response.text();
  let answer = null;
  try { answer = text ? JSON.parse(text) : null; } catch { /* not ours: the status says enough */ }
  if (response.ok) return answer;
  const failure = new Error(answer && answer.detail ? [answer.detail, answer.fix].filter(Boolean).join(' · ') : `HTTP ${response.status}`);
  failure.status = response.status;
  failure.field = answer && answer.field;
  throw failure;
}

// One run at a time; whatever asks meanwhile makes for one more.
export function one_at_a_time(work) {
  let running = false, again = false;
  return async () => {
    if (running) { again = true; return; }
    running = true;
    do {
      again = false;
      await work();
    } while (again);
    running = false;
  };
}
