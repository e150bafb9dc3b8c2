// The services behind the guard that stands before every service of a node: what a stranger may send.

import { afterEach, describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { encode } from '../../../src/base/codec.ts';
import { StoreError } from '../../../src/base/errors.ts';
import type { Digest, NodeId } from '../../../src/base/ids.ts';
import { CHAIN_QUERY_CONCURRENCY, CHAIN_WAIT_MS_MAX, PROVEN_PATHS_MAX } from '../../../src/base/limits.ts';
import { queryServices } from '../../../src/node/chain/query-services.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import { createServiceGuard, type ServiceGuard } from '../../../src/runtime/service-guard.ts';
import { accountKey } from '../../../src/shards/account.ts';
import {
  CHAIN_SERVICES,
  decodeDecision,
  decodeProveReply,
  decodeSubmitted,
  decodeTransactionReply,
  encodeHeight,
  encodeNothing,
  encodeProve,
  encodeTransactionRequest,
} from '../../../src/shards/chain-messages.ts';
import { decodeLightBlock, encodeLightBlock } from '../../../src/shards/light-block.ts';
import type { StatePath } from '../../../src/shards/tree/path.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';
import { digestFrom } from '../../helpers/records.ts';
import { ownerOf, SoloChain, type SoloOptions } from './query-kit.ts';

const open: SoloChain[] = [];
afterEach(() => {
  for (const solo of open.splice(0)) solo.close();
});

const PEER = digestFrom<NodeId>('a peer');
const NOTHING = new Uint8Array(0);
const SERVED = [
  CHAIN_SERVICES.founding,
  CHAIN_SERVICES.head,
  CHAIN_SERVICES.light,
  CHAIN_SERVICES.prove,
  CHAIN_SERVICES.submit,
  CHAIN_SERVICES.transaction,
  CHAIN_SERVICES.block,
];

interface Served {
  readonly solo: SoloChain;
  readonly guard: ServiceGuard;
  /** As a lane does it: the body of the reply. */
  readonly call: (
    name: string,
    header: Uint8Array,
    body?: Uint8Array,
    signal?: AbortSignal,
  ) => Promise<Uint8Array>;
}

async function serve(options: SoloOptions = {}, monotonic?: () => number): Promise<Served> {
  const solo = await SoloChain.found(options);
  open.push(solo);
  const guard = createServiceGuard(monotonic === undefined ? {} : { monotonic });
  for (const service of queryServices(solo.queries)) guard.serve(service);
  const call: Served['call'] = async (
    name,
    header,
    body = NOTHING,
    signal = new AbortController().signal,
  ) => {
    const ticket = guard.enter(PEER, name, header.length, body.length);
    try {
      await ticket.admit(header, body.length, signal);
      const reply = await ticket.handle(header, body, signal);
      expect(reply.header).toEqual(encodeNothing());
      return reply.body![0]!;
    } finally {
      ticket.release();
    }
  };
  return { solo, guard, call };
}

const pathOf = (name: string): StatePath => accountKey(ownerOf(name)).path as Uint8Array as StatePath;

describe('the services', () => {
  test('answer in the forms of the protocol', async () => {
    const { solo, call } = await serve();
    const { id, bytes } = solo.pay('alice', 0, 'bob', 1n);
    expect(decodeSubmitted(await call(CHAIN_SERVICES.submit, encodeNothing(), bytes))).toEqual(id);
    const block = await solo.step();
    await solo.step();
    expect(await call(CHAIN_SERVICES.founding, encodeNothing())).toEqual(solo.founding);
    const head = decodeLightBlock(await call(CHAIN_SERVICES.head, encodeNothing()), nativeSha256);
    expect(head.header.height).toBe(2);
    expect(await call(CHAIN_SERVICES.light, encodeHeight(2))).toEqual(encodeLightBlock(head));
    const decision = decodeDecision(await call(CHAIN_SERVICES.block, encodeHeight(1)));
    expect(decision.block).toEqual(block.bytes);
    const prove = {
      paths: [pathOf('bob')],
      atLeast: 2,
      exactly: undefined,
      waitMs: 0,
      isHeaderKnown: false,
    };
    const proven = decodeProveReply(await call(CHAIN_SERVICES.prove, encodeProve(prove)), nativeSha256);
    expect(proven.height).toBe(2);
    expect(proven.records[0]).not.toBeNull();
    const request = encodeTransactionRequest({ id, waitMs: 0 });
    const place = decodeTransactionReply(await call(CHAIN_SERVICES.transaction, request), nativeSha256);
    expect([place.light.header.height, place.index, place.count]).toEqual([1, 0, 1]);
  });

  test('take a transaction out of memory that the lane uses again', async () => {
    const taken: Uint8Array[] = [];
    const submit = async (bytes: Uint8Array): Promise<Digest> => {
      taken.push(bytes);
      return digestFrom('id');
    };
    const { call } = await serve({ ports: { submit } });
    const lane = Buffer.alloc(64, 7);
    await call(CHAIN_SERVICES.submit, encodeNothing(), lane.subarray(3, 40));
    lane.fill(0);
    expect(taken).toEqual([new Uint8Array(37).fill(7)]);
  });

  test('keep to themselves what the disk said', async () => {
    const { solo, call } = await serve();
    await solo.steps(2);
    solo.chain.decision = async () => {
      throw new StoreError('DISK', '/home/somebody/chain: input/output error');
    };
    const error = await expectCodeAsync('DISK', call(CHAIN_SERVICES.block, encodeHeight(1)));
    expect(error.message).not.toContain('somebody');
  });
});

describe('a hostile peer', () => {
  test('gets a typed refusal for any bytes', async () => {
    let nowMs = 0;
    const { solo, call } = await serve({}, () => (nowMs += 1_000));
    await solo.steps(2);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...SERVED),
        fc.uint8Array({ maxLength: 200 }),
        fc.uint8Array({ maxLength: 200 }),
        async (name, header, bytes) => {
          const body = name === CHAIN_SERVICES.submit ? bytes : NOTHING;
          const answer = await call(name, new Uint8Array(header), new Uint8Array(body)).catch(
            (error: unknown) => error,
          );
          if (answer instanceof Uint8Array) return;
          expect(answer).toBeInstanceOf(StoreError);
          expect(['INVALID_ENCODING', 'NOT_FOUND']).toContain((answer as StoreError).code);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('cannot ask for longer waits, more paths or other heights than there are', async () => {
    const { solo, call } = await serve();
    await solo.step();
    const path = pathOf('alice');
    const prove = (...fields: unknown[]): Promise<unknown> => call(CHAIN_SERVICES.prove, encode(fields));
    await expectCodeAsync('INVALID_ENCODING', prove([path], 9, null, CHAIN_WAIT_MS_MAX + 1, false));
    await expectCodeAsync('INVALID_ENCODING', prove([], 1, null, 0, false));
    const many = Array.from({ length: PROVEN_PATHS_MAX + 1 }, () => path);
    await expectCodeAsync('INVALID_ENCODING', prove(many, 1, null, 0, false));
    await expectCodeAsync('INVALID_ENCODING', prove([path], 2, 1, 0, false));
    await expectCodeAsync('NOT_FOUND', prove([path], 2 ** 48, null, 0, false));
    await expectCodeAsync('NOT_FOUND', call(CHAIN_SERVICES.light, encodeHeight(0)));
    await expectCodeAsync('NOT_FOUND', call(CHAIN_SERVICES.light, encodeHeight(2 ** 48)));
    const wait = encode([digestFrom('id'), CHAIN_WAIT_MS_MAX + 1]);
    await expectCodeAsync('INVALID_ENCODING', call(CHAIN_SERVICES.transaction, wait));
  });

  test('may send a body to chain-submit alone, and a header no longer than a request', async () => {
    const { call } = await serve();
    for (const name of SERVED.filter((each) => each !== CHAIN_SERVICES.submit)) {
      await expectCodeAsync('PROTOCOL', call(name, encodeNothing(), new Uint8Array(1)));
    }
    await expectCodeAsync('PROTOCOL', call(CHAIN_SERVICES.submit, encodeNothing(), new Uint8Array(2 ** 17)));
    await expectCodeAsync('PROTOCOL', call(CHAIN_SERVICES.prove, new Uint8Array(2 ** 16)));
  });

  test('that waits many times at once is refused above its bound, and frees all by going away', async () => {
    const { solo, guard, call } = await serve();
    await solo.step();
    const stop = new AbortController();
    const request = encodeProve({
      paths: [pathOf('alice')],
      atLeast: 100,
      exactly: undefined,
      waitMs: CHAIN_WAIT_MS_MAX,
      isHeaderKnown: false,
    });
    const waiting = Array.from({ length: CHAIN_QUERY_CONCURRENCY }, () =>
      expectCodeAsync('ABORTED', call(CHAIN_SERVICES.prove, request, NOTHING, stop.signal)),
    );
    await expectCodeAsync('BUSY', call(CHAIN_SERVICES.prove, request));
    expect(guard.active).toBe(CHAIN_QUERY_CONCURRENCY);
    stop.abort();
    await Promise.all(waiting);
    await new Promise((resolve) => setImmediate(resolve));
    expect(guard.active).toBe(0);
  });

  test('that asks too often is refused', async () => {
    const { solo, call } = await serve({}, () => 0);
    await solo.step();
    const ask = async (): Promise<string> => {
      try {
        await call(CHAIN_SERVICES.head, encodeNothing());
        return 'answered';
      } catch (error) {
        return (error as StoreError).code;
      }
    };
    const answers = new Set<string>();
    for (let asked = 0; asked < 500; asked++) answers.add(await ask());
    expect(answers).toEqual(new Set(['answered', 'BUSY']));
  });
});
