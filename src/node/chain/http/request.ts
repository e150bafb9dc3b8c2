// What comes in over HTTP, checked before any route sees it: for whom it is, which route it means, and its body.
//
// A page in a browser of this machine may send requests here, under a name that its owner makes point to this machine (DNS rebinding), or from
// another site. The first is refused by the Host header; the second cannot read an answer, because none allows it to, and
// cannot hand in anything, because its Origin is not this server.

import type { IncomingMessage } from 'node:http';
import { fromHex } from '../../../base/bytes.ts';
import { StoreError } from '../../../base/errors.ts';
import { HTTP_BODY_LENGTH_MAX, TRANSACTION_LENGTH_MAX } from '../../../base/limits.ts';
import { HttpError } from './refusal.ts';
import type { Route } from './route.ts';
import { ROUTES } from './routes.ts';
import { TO_SUBMIT } from './schemas.ts';

const NAMES = ['localhost', '127.0.0.1', '[::1]'];

/** Throws UNAUTHORIZED unless the request is for this machine's `port`, and from no page of another site. */
export function checkOrigin({ headers, headersDistinct, method }: IncomingMessage, port: number): void {
  const ours = NAMES.map((name) => `${name}:${port}`);
  const hosts = headersDistinct['host'] ?? [];
  if (hosts.length !== 1 || !ours.includes(hosts[0]!.toLowerCase())) {
    throw new StoreError('UNAUTHORIZED', 'the Host header does not name this machine and port', {
      next: `Ask http://127.0.0.1:${port}.`,
    });
  }
  const { origin } = headers;
  const isForeign = origin !== undefined && !ours.some((name) => origin.toLowerCase() === `http://${name}`);
  if (method === 'POST' && isForeign) {
    throw new StoreError('UNAUTHORIZED', 'a page of another site may not hand in transactions');
  }
}

// ---- Which route -------------------------------------------------------------------------------------------------

export interface Target {
  readonly route: Route;
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
}

/** Segments of a request's path, and its query. Undefined for what is no path of ours. */
function partsOf(url: string): { readonly segments: readonly string[]; readonly query: string } | undefined {
  if (!url.startsWith('/')) return undefined;
  const at = url.indexOf('?');
  const path = at < 0 ? url : url.slice(0, at);
  return { segments: path.slice(1).split('/'), query: at < 0 ? '' : url.slice(at + 1) };
}

/** The path alone, for what is not in the table. */
export function pathOf({ url = '' }: IncomingMessage): string {
  return url.split('?', 1)[0]!;
}

/** Throws NOT_FOUND, UNSUPPORTED for a method that the path does not have, INVALID_ARGUMENT. */
export function targetOf({ url = '', method = '' }: IncomingMessage): Target {
  const parts = partsOf(url);
  const matching = ROUTES.flatMap((route) => {
    const path = parts === undefined ? undefined : matched(route.template, parts.segments);
    return path === undefined ? [] : [{ route, path }];
  });
  if (parts === undefined || matching.length === 0) {
    throw new StoreError('NOT_FOUND', 'there is no such path', {
      next: 'GET /openapi.json lists what there is.',
    });
  }
  // HEAD is GET whose body stays here.
  const wanted = method === 'HEAD' ? 'GET' : method;
  const found = matching.find(({ route }) => route.method === wanted);
  if (found === undefined) throw wrongMethod(matching.map(({ route }) => route.method));
  return { ...found, query: queryOf(parts.query) };
}

export function wrongMethod(allowed: readonly string[]): HttpError {
  const allow = allowed.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ');
  const error = new StoreError('UNSUPPORTED', `the path takes ${allow}`);
  return new HttpError(405, error, { allow });
}

/** The parameters in `segments`, if they are what `template` says. */
function matched(
  template: string,
  segments: readonly string[],
): Readonly<Record<string, string>> | undefined {
  const wanted = template.slice(1).split('/');
  if (wanted.length !== segments.length) return undefined;
  const parameters: Record<string, string> = {};
  for (const [index, want] of wanted.entries()) {
    const segment = segments[index]!;
    if (want.startsWith('{')) parameters[want.slice(1, -1)] = segment;
    else if (want !== segment) return undefined;
  }
  return parameters;
}

function queryOf(text: string): Readonly<Record<string, string>> {
  const query: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of new URLSearchParams(text)) {
    if (name in query) throw new StoreError('INVALID_ARGUMENT', `${name.slice(0, 40)} is given twice`);
    query[name] = value;
  }
  return { ...query };
}

// ---- Body --------------------------------------------------------------------------------------------------------

/** The transaction in the body of a request. Throws INVALID_ARGUMENT. */
export async function transactionIn(request: IncomingMessage): Promise<Uint8Array> {
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
  if (type !== 'application/octet-stream' && type !== 'application/json') {
    const next = 'Send application/octet-stream, or application/json with {"hex"} or {"base64"}.';
    throw new HttpError(415, new StoreError('INVALID_ARGUMENT', 'a transaction is bytes or JSON', { next }));
  }
  const body = await bodyOf(request);
  const bytes = type === 'application/json' ? bytesIn(body) : new Uint8Array(body);
  if (bytes.length > TRANSACTION_LENGTH_MAX) throw tooLong(TRANSACTION_LENGTH_MAX);
  return bytes;
}

/** What is sent above the bound is dropped, for a while: whoever still sends does not read the answer. */
const DROPPED_LENGTH_MAX = 32 * HTTP_BODY_LENGTH_MAX;

function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let length = 0;
  request.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length <= HTTP_BODY_LENGTH_MAX) chunks.push(chunk);
    else chunks.length = 0;
    if (length > DROPPED_LENGTH_MAX) reject(tooLong(HTTP_BODY_LENGTH_MAX));
  });
  request.on('end', () => {
    if (length > HTTP_BODY_LENGTH_MAX) reject(tooLong(HTTP_BODY_LENGTH_MAX));
    else resolve(Buffer.concat(chunks));
  });
  request.on('close', () => reject(new StoreError('ABORTED', 'the caller went away')));
  return promise;
}

function tooLong(limit: number): HttpError {
  const error = new StoreError('INVALID_ARGUMENT', `longer than ${limit} bytes`);
  // What may still come would be taken for the next request.
  return new HttpError(413, error, { connection: 'close' });
}

function bytesIn(body: Buffer): Uint8Array {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw new StoreError('INVALID_ARGUMENT', 'the body is not JSON', { cause });
  }
  const parsed = TO_SUBMIT.safeParse(json);
  if (!parsed.success) {
    throw new StoreError('INVALID_ARGUMENT', 'the body is neither {"hex"} nor {"base64"} of a transaction');
  }
  const { data } = parsed;
  return 'hex' in data ? fromHex(data.hex) : new Uint8Array(Buffer.from(data.base64, 'base64'));
}
