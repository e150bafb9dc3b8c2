// A chain behind a real HTTP server on a port that is free, and callers of it.

import { type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import type { ObjectId } from '../../../../src/base/ids.ts';
import type { AuditView } from '../../../../src/node/audit/audit-view.ts';
import { type HttpOptions, type HttpServer, startHttp } from '../../../../src/node/chain/http/server.ts';
import { placeOf } from '../../../../src/proofs/place.ts';
import { systemClock } from '../../../../src/runtime/clock.ts';
import { SoloChain, type SoloOptions } from '../query-kit.ts';

/** Of a node that holds two pieces, and was asked for a leaf and for a copy. */
export const AUDITS: AuditView = {
  pieces: 2,
  leaves: 40,
  rounds: [
    {
      round: 7,
      height: 90,
      timeMs: 1_750_000_000_000,
      group: 0,
      auditors: 3,
      audits: 1,
      asked: [
        { place: placeOf(new Uint8Array(32).fill(1) as ObjectId, 0, 2), leafIndex: 30 },
        { place: placeOf(new Uint8Array(32).fill(2) as ObjectId, null, 1), leafIndex: 0 },
      ],
    },
    { round: 8, height: 110, timeMs: 1_750_000_020_000, group: undefined, auditors: 0, audits: 0, asked: [] },
  ],
};

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}

export interface CallOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export class Served {
  readonly solo: SoloChain;
  readonly server: HttpServer;
  readonly errors: object[];

  private constructor(solo: SoloChain, server: HttpServer, errors: object[]) {
    this.solo = solo;
    this.server = server;
    this.errors = errors;
  }

  static async start(solo: SoloOptions = {}, options: Partial<HttpOptions> = {}): Promise<Served> {
    const chain = await SoloChain.found(solo);
    const errors: object[] = [];
    const silent = (): void => undefined;
    const server = await startHttp({
      queries: chain.queries,
      store: chain.store,
      networkId: chain.network,
      status: () => ({ role: 'following', epoch: 0, waitingTransactions: chain.intake.pool.size }),
      audits: async () => AUDITS,
      isWaiting: (id) => chain.intake.pool.has(Buffer.from(id, 'hex') as Uint8Array as never),
      port: 0,
      clock: systemClock,
      logger: { debug: silent, info: silent, warn: silent, error: (facts) => void errors.push(facts) },
      ...options,
    });
    return new Served(chain, server, errors);
  }

  call(path: string, { method = 'GET', headers = {}, body }: CallOptions = {}): Promise<Answer> {
    return callAt(this.server.port, path, { method, headers, ...(body === undefined ? {} : { body }) });
  }

  /** The body of a good answer. */
  async get<T>(path: string): Promise<T> {
    const { status, body } = await this.call(path);
    if (status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`);
    return body as T;
  }

  /** What comes back for bytes as they are, until the other side closes. */
  raw(text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.server.port, '127.0.0.1');
      let answer = '';
      socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
      socket.on('close', () => resolve(answer));
      socket.on('error', reject);
      socket.write(text);
    });
  }

  async close(): Promise<void> {
    await this.server.close();
    this.solo.close();
  }
}

export function callAt(
  port: number,
  path: string,
  { method = 'GET', headers = {}, body }: CallOptions,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: '127.0.0.1',
        port,
        path,
        method,
        agent: false,
        headers: { host: `127.0.0.1:${port}`, ...headers },
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          const { statusCode = 0, headers: got } = incoming;
          resolve({ status: statusCode, headers: got, body: text === '' ? undefined : JSON.parse(text) });
        });
        incoming.on('error', reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
