// HTTP to our own server.
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly body: Record<string, unknown>;
  readonly retryAfter: number | null;

  constructor(status: number, body: Record<string, unknown>, retryAfter: number | null) {
    super(typeof body.message === 'string' ? body.message : `HTTP ${status}`);
    this.status = status;
    this.code = typeof body.code === 'string' ? body.code : '';
    this.body = body;
    this.retryAfter = retryAfter;
  }
}

const TIMEOUT_MS = 15_000;

/** What the page does about refusals that can come to any request; set once by `app`. */
export const hooks = {
  /** Asks for the password again; true: try once more. */
  confirm: (): Promise<boolean> => Promise.resolve(false),
  /** Rights have changed, or there is no session any more. */
  refused: (_e: ApiError): void => {},
  /** The words for a refusal in the reader's language; null: the server's own. */
  explain: (_e: ApiError): string | null => null,
};
/** Here the answers 401 and 403 are about what was typed. */
const ABOUT_ITSELF = ['/api/v1/session', '/api/v1/session/confirm', '/api/v1/session/wall'];

export async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<unknown> {
  try {
    return await once(method, path, body, headers);
  } catch (e) {
    if (!(e instanceof ApiError) || ABOUT_ITSELF.includes(path)) throw e;
    if (e.status === 403 && e.code === 'confirm_needed' && (await hooks.confirm())) return once(method, path, body, headers);
    if (e.status === 401 || e.status === 403) hooks.refused(e);
    throw e;
  }
}

async function once(method: string, path: string, body: unknown, headers: Record<string, string>): Promise<unknown> {
  const init: RequestInit = {
    method,
    headers: { accept: 'application/json', ...headers },
    credentials: 'same-origin',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  };
  if (method !== 'GET') {
    init.headers = { ...init.headers, 'content-type': 'application/json', 'x-ioc-request': '1' };
    // A text is sent as it is: the rules' YAML.
    init.body = typeof body === 'string' ? body : JSON.stringify(body ?? {});
  }
  const answer = await fetch(path, init);
  if (answer.status === 204) return null;
  let parsed: unknown = null;
  try {
    parsed = await answer.json();
  } catch (e) {
    // Cut off half way is no answer: taken for an empty one it would sign a wall out.
    if (!(e instanceof SyntaxError)) throw e;
    parsed = null;
  }
  if (!answer.ok) {
    const retry = Number(answer.headers.get('retry-after'));
    throw new ApiError(answer.status, (parsed ?? {}) as Record<string, unknown>, retry > 0 ? retry : null);
  }
  return parsed;
}

/** Whether something is served there. */
export const reachable = (path: string): Promise<boolean> =>
  fetch(path, { method: 'HEAD', credentials: 'same-origin', signal: AbortSignal.timeout(TIMEOUT_MS) }).then((a) => a.ok, () => false);

/** A query text without the empty ones. */
export function query(params: Record<string, string | number | null | undefined>): string {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(params)) if (v != null && v !== '') q.set(k, String(v));
  const s = q.toString();
  return s === '' ? '' : `?${s}`;
}

export const why = (e: unknown): string => (e instanceof ApiError && hooks.explain(e)) || (e instanceof Error ? e.message : String(e));

/** A key that makes a request safe to repeat. `randomUUID` is missing on plain http in a LAN. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');
}

const wait = (ms: number) => new Promise((done) => setTimeout(done, ms));

/**
 * Repeats a request whose answer was lost, at most `pauses.length` times. Only for requests with an
 * idempotency key: the first one may have arrived.
 */
export async function resend<T>(call: () => Promise<T>, pauses: readonly number[] = [400, 1500]): Promise<T> {
  for (const pause of pauses) {
    try {
      return await call();
    } catch (e) {
      if (e instanceof ApiError && ![502, 503, 504].includes(e.status)) throw e;
      await wait(pause);
    }
  }
  return call();
}
