// The chain as HTTP and JSON for programs of the same machine: reads, and one way in for transactions. It listens on loopback only, and whoever
// can reach that may ask; nothing that is answered is secret.
//
// Invariants: connections, requests under way, lengths and times are within their limits; every answer is JSON; when `close` resolves nothing
// of it is left.

import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { StoreError } from '../../../base/errors.ts';
import {
  HTTP_CONNECTIONS_MAX,
  HTTP_HEADERS_LENGTH_MAX,
  HTTP_HEADERS_TIMEOUT_MS,
  HTTP_IDLE_MS,
  HTTP_REQUEST_TIMEOUT_MS,
  HTTP_REQUESTS_MAX,
  HTTP_STOP_MS,
  HTTP_UNREAD_LENGTH_MAX,
} from '../../../base/limits.ts';
import type { Clock } from '../../../base/ports.ts';
import type { NodeLogger } from '../../storage-node.ts';
import type { JsonObject } from './json.ts';
import { openApi } from './openapi.ts';
import { refusalOf } from './refusal.ts';
import { checkOrigin, pathOf, targetOf, transactionIn, wrongMethod } from './request.ts';
import type { RoutePorts } from './route.ts';

export interface HttpOptions extends RoutePorts {
  /** 0: any that is free. */
  readonly port: number;
  /** A loopback address. */
  readonly host?: string;
  /** Bytes of answers that wait to be read by those who asked. */
  readonly unreadMax?: number;
  readonly clock: Pick<Clock, 'timer'>;
  readonly logger: NodeLogger;
}

export interface HttpServer {
  readonly port: number;
  /** Where it listens, without a path. */
  readonly url: string;
  /** Ends waits at once and lets answers under way finish for a moment. */
  close(): Promise<void>;
}

const LOOPBACK: Readonly<Record<string, string>> = {
  '127.0.0.1': '127.0.0.1',
  '::1': '[::1]',
  localhost: 'localhost',
};
const DOCUMENT_PATH = '/openapi.json';

/** Throws INVALID_CONFIG for a host that others can reach, PORT_IN_USE. */
export async function startHttp(options: HttpOptions): Promise<HttpServer> {
  const { port, host = '127.0.0.1' } = options;
  const name = LOOPBACK[host];
  if (name === undefined) {
    throw new StoreError(
      'INVALID_CONFIG',
      `HTTP is for this machine only, and ${host} is no loopback address`,
      {
        next: 'Use 127.0.0.1 or ::1, and a proxy that knows who may ask if others shall.',
      },
    );
  }
  const running = new RunningServer(options);
  await running.listen(port, host);
  return { port: running.port, url: `http://${name}:${running.port}`, close: () => running.close() };
}

class RunningServer {
  readonly #options: HttpOptions;
  readonly #server: Server;
  readonly #document: JsonObject = openApi();
  /** Of the requests under way. */
  readonly #stops = new Set<AbortController>();
  #unread = 0;
  #closing: Promise<void> | undefined;

  constructor(options: HttpOptions) {
    this.#options = options;
    this.#server = createServer(
      {
        maxHeaderSize: HTTP_HEADERS_LENGTH_MAX,
        headersTimeout: HTTP_HEADERS_TIMEOUT_MS,
        requestTimeout: HTTP_REQUEST_TIMEOUT_MS,
        keepAliveTimeout: HTTP_HEADERS_TIMEOUT_MS,
        connectionsCheckingInterval: 1_000,
        // A request without one is refused like one with another's.
        requireHostHeader: false,
      },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.maxConnections = HTTP_CONNECTIONS_MAX;
    this.#server.timeout = HTTP_IDLE_MS;
    this.#server.on('clientError', answerBroken);
    this.#server.on('checkExpectation', (request, response) => void this.#serve(request, response));
    this.#server.on('upgrade', (_request, socket) => socket.destroy());
    this.#server.on('connect', (_request, socket) => socket.destroy());
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  listen(port: number, host: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
    this.#server.listen({ port, host, exclusive: true }, resolve);
    return promise;
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
      for (const stop of this.#stops) stop.abort();
      this.#server.closeIdleConnections();
      const cancel = this.#options.clock.timer(HTTP_STOP_MS, () => this.#server.closeAllConnections());
      await closed;
      cancel();
    })();
    return this.#closing;
  }

  // ---- Requests ----------------------------------------------------------------------------------------------

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const stop = new AbortController();
    const isTooMany = this.#stops.size >= HTTP_REQUESTS_MAX;
    this.#stops.add(stop);
    response.on('close', () => stop.abort());
    try {
      if (this.#closing !== undefined) throw new StoreError('CLOSED', 'the node is stopping');
      if (isTooMany) throw new StoreError('BUSY', `${HTTP_REQUESTS_MAX} requests are under way already`);
      checkOrigin(request, this.port);
      const { status, body } = await this.#answer(request, stop.signal);
      const text = Buffer.from(JSON.stringify(body));
      this.#reserve(response, text.length);
      this.#send(response, status, text, {});
    } catch (error) {
      this.#refuse(request, response, error);
    } finally {
      this.#stops.delete(stop);
    }
  }

  async #answer(
    request: IncomingMessage,
    signal: AbortSignal,
  ): Promise<{ readonly status: number; readonly body: JsonObject }> {
    if (pathOf(request) === DOCUMENT_PATH) {
      if (request.method !== 'GET' && request.method !== 'HEAD') throw wrongMethod(['GET']);
      return { status: 200, body: this.#document };
    }
    const { route, path, query } = targetOf(request);
    const body = route.method === 'POST' ? await transactionIn(request) : new Uint8Array(0);
    const answer = await route.run(this.#options, { path, query, body, signal });
    return { status: route.status, body: answer };
  }

  #refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const { status, body, headers } = refusalOf(error);
    if (status === 500) {
      const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#options.logger.error({ path: pathOf(request), reason }, 'a request over HTTP failed');
    }
    this.#send(response, status, Buffer.from(JSON.stringify(body)), headers);
  }

  /** Until the answer was read, or its reader is gone. Throws BUSY. */
  #reserve(response: ServerResponse, length: number): void {
    if (response.destroyed) return;
    if (this.#unread + length > (this.#options.unreadMax ?? HTTP_UNREAD_LENGTH_MAX)) {
      throw new StoreError('BUSY', 'too many answers wait to be read', {
        next: 'Read them, then ask again.',
      });
    }
    this.#unread += length;
    response.on('close', () => {
      this.#unread -= length;
    });
  }

  #send(
    response: ServerResponse,
    status: number,
    text: Buffer,
    headers: Readonly<Record<string, string>>,
  ): void {
    if (response.destroyed) return;
    const isLast = this.#closing !== undefined;
    response.writeHead(status, {
      ...HEADERS,
      ...(isLast ? { connection: 'close' } : {}),
      ...headers,
      'content-length': text.length,
    });
    response.end(text);
  }
}

/** No page of another site may read or guess at an answer. */
const HEADERS = {
  'content-type': 'application/json; charset=utf-8',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
};

/** What is no HTTP, too long, or too slow. */
function answerBroken(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = BROKEN[error.code ?? ''] ?? 400;
  const message = `the request cannot be read: ${STATUS_CODES[status]!.toLowerCase()}`;
  const text = JSON.stringify({ error: { code: 'INVALID_ARGUMENT', message, next: null } });
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    ...Object.entries(HEADERS).map(([name, value]) => `${name}: ${value}`),
    `content-length: ${Buffer.byteLength(text)}`,
    'connection: close',
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${text}`);
}

const BROKEN: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

function listenError(error: NodeJS.ErrnoException, host: string, port: number): StoreError {
  if (error.code === 'EADDRINUSE') {
    return new StoreError('PORT_IN_USE', `port ${port} of ${host} is in use`, {
      next: 'Stop what uses it, or choose another port.',
    });
  }
  return new StoreError('INVALID_CONFIG', `cannot listen on port ${port} of ${host}: ${error.message}`, {
    cause: error,
  });
}
