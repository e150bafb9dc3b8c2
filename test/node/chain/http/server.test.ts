// The server as whoever can reach the port sees it: honest programs, pages in a browser, and senders of nonsense.

import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toHex } from '../../../../src/base/bytes.ts';
import { StoreError } from '../../../../src/base/errors.ts';
import type { Digest } from '../../../../src/base/ids.ts';
import { HTTP_BODY_LENGTH_MAX, HTTP_CONNECTIONS_MAX } from '../../../../src/base/limits.ts';
import type { ChainStatus } from '../../../../src/node/chain/chain-service.ts';
import { STATUS } from '../../../../src/node/chain/http/schemas.ts';
import { type HttpServer, startHttp } from '../../../../src/node/chain/http/server.ts';
import { accountKey, accountRecord } from '../../../../src/shards/account.ts';
import { shardsRootOf, decodeShardHeader } from '../../../../src/shards/header.ts';
import { decodeLightBlock } from '../../../../src/shards/light-block.ts';
import { recordDigest } from '../../../../src/shards/record.ts';
import { shardPrefix, type StatePath } from '../../../../src/shards/tree/path.ts';
import { checkProof, decodeProof } from '../../../../src/shards/tree/proof.ts';
import { fromHex } from '../../../../src/base/bytes.ts';
import { decodeCanonical } from '../../../../src/base/codec.ts';
import { expectCodeAsync } from '../../../helpers/expect-code.ts';
import { digestFrom } from '../../../helpers/records.ts';
import { ownerOf } from '../query-kit.ts';
import { AUDITS, type Answer, callAt, Served } from './http-kit.ts';

let served: Served;
beforeAll(async () => {
  served = await Served.start();
  const { solo } = served;
  await solo.intake.submit(solo.pay('alice', 0, 'bob', 10n).bytes);
  await solo.steps(3);
});
afterAll(() => served.close());

const errorOf = ({ body }: Answer): { code: string; message: string; next: string | null } =>
  (body as { error: { code: string; message: string; next: string | null } }).error;

const JSON_TYPE = { 'content-type': 'application/json' };
const post = (body: string | Uint8Array, headers: Readonly<Record<string, string>> = JSON_TYPE) =>
  served.call('/v1/transactions', { method: 'POST', headers, body });

describe('an honest program', () => {
  test('reads what the chain says', async () => {
    const status = await served.get<Record<string, unknown>>('/v1/status');
    expect(status).toMatchObject({ height: 3, oldestBlock: 1, oldestState: 0, role: 'following' });
    expect(status['network']).toBe(toHex(served.solo.network));
    const bob = toHex(ownerOf('bob'));
    const account = await served.get<{ height: number; value: Record<string, unknown> }>(
      `/v1/accounts/${bob}`,
    );
    expect(account.height).toBe(3);
    expect(account.value).toMatchObject({ owner: bob, nonce: 0, balances: [{ asset: 0, amount: '10' }] });
    const block = await served.get<{ transactions: Record<string, unknown>[] }>('/v1/blocks/1');
    expect(block.transactions).toMatchObject([
      { nonce: 0, fee: '0', refusal: null, action: { kind: 'transfer', parameters: { to: bob } } },
    ]);
    const paths = [bob, toHex(digestFrom('nobody'))].map((owner) => served.get(`/v1/accounts/${owner}`));
    expect(await Promise.all(paths)).toMatchObject([{ value: { owner: bob } }, { value: null }]);
  });

  test('can check what it reads with the proof alone', async () => {
    const { proof } = await served.get<{
      proof: { light: string; shards: string[]; records: { path: string; record: string; proof: string }[] };
    }>(`/v1/accounts/${toHex(ownerOf('bob'))}?prove=1`);
    const light = decodeLightBlock(fromHex(proof.light));
    const shards = proof.shards.map((shard) => decodeShardHeader(fromHex(shard)));
    expect(shardsRootOf(shards)).toEqual(light.header.shardsRoot);
    const record = proof.records.find(({ path }) => path === toHex(accountKey(ownerOf('bob')).path))!;
    const head = { prefix: shardPrefix(shards[0]!.shard, 0), digest: shards[0]!.stateRoot };
    const path = fromHex(record.path) as Uint8Array as StatePath;
    const bytes = fromHex(record.record);
    expect(checkProof(head, path, decodeProof(fromHex(record.proof)))).toEqual({
      kind: 'present',
      value: recordDigest(bytes),
    });
    expect(decodeCanonical(accountRecord.schema, bytes, 1024, 'account').balances).toEqual([[0, 10n]]);
  });

  test('hands in transactions as bytes, as digits and as base64', async () => {
    const { solo } = served;
    const sent = [1, 2, 3].map((nonce) => solo.pay('alice', nonce, 'bob', 1n));
    const [first, second, third] = sent as [
      (typeof sent)[0] & object,
      (typeof sent)[0] & object,
      (typeof sent)[0] & object,
    ];
    const answers = [
      await post(first.bytes, { 'content-type': 'application/octet-stream' }),
      await post(JSON.stringify({ hex: toHex(second.bytes) })),
      await post(JSON.stringify({ base64: Buffer.from(third.bytes).toString('base64') }), {
        'content-type': 'application/json; charset=utf-8',
      }),
    ];
    for (const [index, answer] of answers.entries()) {
      expect(answer).toMatchObject({ status: 202, body: { id: toHex(sent[index]!.id) } });
      expect(solo.intake.pool.has(sent[index]!.id)).toBe(true);
    }
    const waiting = served.get<{ status: string; height: number }>(
      `/v1/transactions/${toHex(third.id)}?waitMs=5000`,
    );
    await solo.step();
    expect(await waiting).toMatchObject({ status: 'included', height: 4, index: 2, count: 3 });
  });

  test('waits for a state to come', async () => {
    const { solo } = served;
    const least = solo.chain.head.height + 1;
    const waiting = served.get<{ height: number }>(`/v1/epoch?atLeast=${least}&waitMs=5000`);
    const proven = served.get<{ height: number; proof: object }>(
      `/v1/epoch?atLeast=${least}&waitMs=5000&prove=1`,
    );
    await solo.steps(2);
    expect((await waiting).height).toBeGreaterThanOrEqual(least);
    expect((await proven).height).toBe(least);
    const answer = await served.call(`/v1/epoch?atLeast=${least + 50}`);
    expect(answer.status).toBe(404);
    expect(errorOf(answer).code).toBe('NOT_FOUND');
  });

  test('may ask for headers alone', async () => {
    const { status, body, headers } = await served.call('/v1/head', { method: 'HEAD' });
    expect([status, body]).toEqual([200, undefined]);
    expect(Number(headers['content-length'])).toBeGreaterThan(100);
  });

  test('gets the document', async () => {
    expect(await served.get<{ openapi: string }>('/openapi.json')).toMatchObject({ openapi: '3.1.0' });
  });
});

describe('refusals', () => {
  const cases: readonly (readonly [path: string, status: number, code: string])[] = [
    ['/', 404, 'NOT_FOUND'],
    ['/v1', 404, 'NOT_FOUND'],
    ['/v1/head/', 404, 'NOT_FOUND'],
    ['/v2/head', 404, 'NOT_FOUND'],
    ['//v1/head', 404, 'NOT_FOUND'],
    ['/v1/../v1/head', 404, 'NOT_FOUND'],
    ['/v1/blocks/0', 404, 'NOT_FOUND'],
    ['/v1/blocks/999', 404, 'NOT_FOUND'],
    ['/v1/blocks/-1', 400, 'INVALID_ARGUMENT'],
    ['/v1/blocks/1e3', 400, 'INVALID_ARGUMENT'],
    ['/v1/blocks/01', 400, 'INVALID_ARGUMENT'],
    ['/v1/blocks/281474976710657', 400, 'INVALID_ARGUMENT'],
    ['/v1/blocks/', 400, 'INVALID_ARGUMENT'],
    ['/v1/blocks/%31', 400, 'INVALID_ARGUMENT'],
    [`/v1/accounts/${'A'.repeat(64)}`, 400, 'INVALID_ARGUMENT'],
    [`/v1/accounts/${'a'.repeat(63)}`, 400, 'INVALID_ARGUMENT'],
    [`/v1/transactions/${'a'.repeat(64)}`, 404, 'NOT_FOUND'],
    ['/v1/epoch?prove=yes', 400, 'INVALID_ARGUMENT'],
    ['/v1/epoch?waitMs=5001', 400, 'INVALID_ARGUMENT'],
    ['/v1/epoch?atLeast=1&atLeast=2', 400, 'INVALID_ARGUMENT'],
    ['/v1/epoch?other=1', 400, 'INVALID_ARGUMENT'],
    ['/v1/epoch?__proto__=1', 400, 'INVALID_ARGUMENT'],
    ['/v1/head?prove=1', 400, 'INVALID_ARGUMENT'],
  ];

  test.each(cases)('%s is answered %i', async (path, status, code) => {
    const answer = await served.call(path);
    expect(answer.status).toBe(status);
    expect(errorOf(answer).code).toBe(code);
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  });

  test('of a method that the path does not have name those that it has', async () => {
    for (const [path, method, allow] of [
      ['/v1/head', 'POST', 'GET, HEAD'],
      ['/v1/head', 'OPTIONS', 'GET, HEAD'],
      ['/v1/head', 'DELETE', 'GET, HEAD'],
      ['/v1/transactions', 'GET', 'POST'],
      ['/openapi.json', 'PUT', 'GET, HEAD'],
    ] as const) {
      const answer = await served.call(path, { method });
      expect([answer.status, answer.headers.allow]).toEqual([405, allow]);
      expect(errorOf(answer).code).toBe('UNSUPPORTED');
    }
  });

  test('of bodies that are no transaction', async () => {
    const bytes = { 'content-type': 'application/octet-stream' };
    expect((await post('{}', { 'content-type': 'text/plain' })).status).toBe(415);
    expect((await post('{}', {})).status).toBe(415);
    for (const body of [
      '',
      '{',
      '[]',
      '{}',
      '{"hex":"0"}',
      '{"hex":"zz"}',
      '{"base64":"A"}',
      '{"hex":"00","more":1}',
    ]) {
      const answer = await post(body);
      expect([answer.status, errorOf(answer).code], body).toEqual([400, 'INVALID_ARGUMENT']);
    }
    const nonsense = await post(new Uint8Array(70), bytes);
    expect([nonsense.status, errorOf(nonsense).code]).toEqual([400, 'INVALID_ENCODING']);
    expect((await post(new Uint8Array(0), bytes)).status).toBe(400);
  });

  test('of bodies that are too long, whether they say so or not', async () => {
    const body = new Uint8Array(HTTP_BODY_LENGTH_MAX + 1);
    const bytes = { 'content-type': 'application/octet-stream' };
    const announced = await post(body, bytes);
    expect([announced.status, errorOf(announced).code]).toEqual([413, 'INVALID_ARGUMENT']);
    const chunked = await post(body, { ...bytes, 'transfer-encoding': 'chunked' });
    expect(chunked.status).toBe(413);
    const { status } = await post(new Uint8Array(70_000), bytes);
    expect(status).toBe(413);
  });

  test('of the pool are the ones of the pool, with the next step', async () => {
    const { bytes } = served.solo.pay('alice', 0, 'bob', 2n);
    const answer = await post(JSON.stringify({ hex: toHex(bytes) }));
    expect([answer.status, errorOf(answer).code]).toEqual([409, 'CONDITION_FAILED']);
    expect(errorOf(answer).next).toContain('nonce');
  });

  test('of what is a defect, or the disk, say nothing of this machine', async () => {
    const failures = [
      new TypeError('secret path /home/somebody'),
      new StoreError('DISK', '/home/somebody: EIO'),
    ];
    for (const failure of failures) {
      const submit = async (): Promise<Digest> => {
        throw failure;
      };
      const other = await Served.start({ ports: { submit } });
      const headers = { 'content-type': 'application/octet-stream' };
      const answer = await other.call('/v1/transactions', {
        method: 'POST',
        headers,
        body: new Uint8Array(9),
      });
      expect(answer.status).toBe(500);
      expect(JSON.stringify(answer.body)).not.toContain('somebody');
      expect(JSON.stringify(other.errors)).toContain('somebody');
      await other.close();
    }
  });
});

describe('a page in a browser of this machine', () => {
  test('under another name for this machine learns nothing', async () => {
    const { port } = served.server;
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      '127.0.0.1',
      `127.0.0.1:${port + 1}`,
      `localhost.evil.example:${port}`,
    ]) {
      const answer = await served.call('/v1/status', { headers: { host } });
      expect(answer, host).toMatchObject({ status: 403, body: { error: { code: 'UNAUTHORIZED' } } });
    }
    for (const host of [`localhost:${port}`, `LOCALHOST:${port}`, `[::1]:${port}`]) {
      expect((await served.call('/v1/status', { headers: { host } })).status, host).toBe(200);
    }
    const twice = await served.raw(
      `GET /v1/head HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nHost: evil\r\nConnection: close\r\n\r\n`,
    );
    expect(twice).toMatch(/^HTTP\/1.1 40[03] /);
    for (const host of ['', 'Host:\r\n', 'Host: \r\n']) {
      expect(await served.raw(`GET /v1/head HTTP/1.0\r\n${host}\r\n`)).toMatch(/^HTTP\/1.1 403 /);
    }
  });

  test('of another site gets no leave to read, and cannot hand in', async () => {
    const origin = 'https://evil.example';
    const read = await served.call('/v1/head', { headers: { origin } });
    expect(Object.keys(read.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    const body = JSON.stringify({ hex: '00' });
    const foreign = await post(body, { ...JSON_TYPE, origin });
    expect([foreign.status, errorOf(foreign).code]).toEqual([403, 'UNAUTHORIZED']);
    const own = await post(body, { ...JSON_TYPE, origin: served.server.url });
    expect(own.status).toBe(400);
  });
});

describe('a sender of nonsense', () => {
  test('gets JSON or a closed connection', async () => {
    const { port } = served.server;
    expect(await served.raw('\0\x01\x02 nonsense\r\n\r\n')).toMatch(/^HTTP\/1.1 400 [^]*\{"error"/);
    expect(await served.raw(`GET / HTTP/1.1\r\nHost: x\r\nBig: ${'a'.repeat(10_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 431 /,
    );
    const smuggled = `POST /v1/transactions HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`;
    expect(await served.raw(smuggled)).toMatch(/^HTTP\/1.1 400 /);
    expect(await served.raw('CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n')).toBe('');
    const absolute = `GET http://127.0.0.1:${port}/v1/head HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`;
    expect(await served.raw(absolute)).toMatch(/^HTTP\/1.1 404 /);
    expect((await served.call('/v1/status')).status).toBe(200);
  });

  test('with many connections leaves the others to those that are there', async () => {
    const other = await Served.start();
    const sockets: Socket[] = [];
    for (let count = 0; count < HTTP_CONNECTIONS_MAX; count++) {
      const socket = connect(other.server.port, '127.0.0.1');
      socket.on('error', () => undefined);
      await new Promise((resolve) => socket.once('connect', resolve));
      sockets.push(socket);
    }
    await expect(other.call('/v1/status')).rejects.toThrow();
    for (const socket of sockets) socket.destroy();
    const deadline = performance.now() + 5_000;
    for (;;) {
      const status = await other.call('/v1/status').then(
        (answer) => answer.status,
        () => 0,
      );
      if (status === 200) break;
      expect(performance.now()).toBeLessThan(deadline);
    }
    await other.close();
  });
});

test('answers that nobody reads are bounded, and count no more when they are read', async () => {
  const other = await Served.start({}, { unreadMax: 500 });
  for (let asked = 0; asked < 5; asked++) expect((await other.call('/v1/head')).status).toBe(200);
  const answer = await other.call('/openapi.json');
  expect([answer.status, errorOf(answer).code]).toEqual([503, 'BUSY']);
  expect((await other.call('/v1/head')).status).toBe(200);
  await other.close();
});

describe('the end', () => {
  test('does not wait for those who wait', async () => {
    const other = await Served.start();
    await other.solo.step();
    const waiting = other.call('/v1/epoch?atLeast=9&waitMs=5000');
    const idle = connect(other.server.port, '127.0.0.1');
    idle.on('error', () => undefined);
    await new Promise((resolve) => idle.once('connect', resolve));
    // What was sent before arrives before.
    expect((await other.call('/v1/status')).status).toBe(200);
    const from = performance.now();
    await other.close();
    const answer = await waiting;
    expect([answer.status, errorOf(answer).code]).toEqual([503, 'CLOSED']);
    expect(performance.now() - from).toBeLessThan(4_500);
    await expect(other.call('/v1/status')).rejects.toThrow('ECONNREFUSED');
  });

  test('of whoever waits and goes away is the end of the wait', async () => {
    const other = await Served.start();
    const socket = connect(other.server.port, '127.0.0.1');
    const host = `127.0.0.1:${other.server.port}`;
    socket.write(`GET /v1/epoch?atLeast=9&waitMs=5000 HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    expect((await other.call('/v1/status')).status).toBe(200);
    socket.destroy();
    const from = performance.now();
    await other.close();
    expect(performance.now() - from).toBeLessThan(4_500);
  });
});

describe('while a state is fetched', () => {
  const busy = new StoreError('BUSY', 'this node fetches the state after height 4711: 40 % of it is here');
  let progress: Pick<ChainStatus, 'fetching'> = {};
  let server: HttpServer;
  beforeAll(async () => {
    const { networkId, store, audits, isWaiting, clock, logger } = optionsOf();
    server = await startHttp({
      get queries(): never {
        throw busy;
      },
      status: () => ({ role: 'fetching', epoch: 0, waitingTransactions: 0, ...progress }),
      networkId,
      store,
      audits,
      isWaiting,
      clock,
      logger,
      port: 0,
    });
  });
  afterAll(() => server.close());

  test('the status says which, and how far it is', async () => {
    const { height, id } = served.solo.store.head!;
    const { status, body } = await callAt(server.port, '/v1/status', {});
    const unknown = { height: null, percent: 0, records: 0, bytes: 0 };
    expect(status).toBe(200);
    expect(body).toMatchObject({
      role: 'fetching',
      height,
      id: toHex(id),
      oldestBlock: 1,
      fetching: unknown,
    });
    expect(STATUS.safeParse(body).error?.message).toBeUndefined();
    progress = { fetching: { height: 4711, percent: 40, chunks: 2, records: 1000, bytes: 65_000 } };
    const known = { height: 4711, percent: 40, records: 1000, bytes: 65_000 };
    const later = await callAt(server.port, '/v1/status', {});
    expect(later.body).toMatchObject({ fetching: known });
    expect(STATUS.safeParse(later.body).error?.message).toBeUndefined();
  });

  test('everything else says that it is BUSY, and with what', async () => {
    const head = await callAt(server.port, '/v1/head', {});
    expect(head.status).toBe(503);
    expect(errorOf(head)).toMatchObject({ code: 'BUSY', message: busy.message });
  });
});

test('it listens on loopback only, and says when the port is taken', async () => {
  const options = { ...optionsOf(), port: 0 };
  for (const host of ['0.0.0.0', '::', '192.168.0.1', 'example.org']) {
    await expectCodeAsync('INVALID_CONFIG', startHttp({ ...options, host }));
  }
  await expectCodeAsync('PORT_IN_USE', startHttp({ ...options, port: served.server.port }));
});

function optionsOf(): Omit<Parameters<typeof startHttp>[0], 'port'> {
  const silent = (): void => undefined;
  return {
    queries: served.solo.queries,
    store: served.solo.store,
    networkId: served.solo.network,
    status: () => ({ role: 'following', epoch: 0, waitingTransactions: 0 }),
    audits: async () => AUDITS,
    isWaiting: () => false,
    clock: { timer: () => silent },
    logger: { debug: silent, info: silent, warn: silent, error: silent },
  };
}
