// Catching up from nodes that do not help.

import { afterEach, describe, expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import { StoreError } from '../../../src/base/errors.ts';
import { SYNC_POLL_MS } from '../../../src/base/limits.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import { TrustExpired } from '../../../src/client/chain/trust-lost.ts';
import { ephemeralIdentity } from '../../../src/runtime/identity.ts';
import type { Chain } from '../../../src/node/chain/chain.ts';
import { BlockSync } from '../../../src/node/chain/sync.ts';
import { encodeHeader } from '../../../src/shards/header.ts';
import { decodeLightBlock, encodeLightBlock } from '../../../src/shards/light-block.ts';
import { encodeDecisionsReply } from '../../../src/shards/sync-messages.ts';
import { digestFrom } from '../../helpers/records.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { ChainNetwork, type ChainNode } from '../../helpers/chain-network.ts';

const running: ChainNetwork[] = [];
afterEach(async () => {
  for (const network of running.splice(0)) await network.stop();
});

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    await systemClock.sleep(20);
  }
}

test.each(['INTERNAL', 'DISK', 'CLOSED'] as const)(
  'who answers with %s does not end the chain of who asked, and is asked again',
  async (code) => {
    const network = await ChainNetwork.start({ members: 1, followers: 1, heartbeatMs: 50 });
    running.push(network);
    const [member, follower] = network.nodes as [ChainNode, ChainNode];
    await until('both are level', () => follower.service.chain.head.height >= 2);
    await follower.service.stop();
    const { height } = member.service.chain.head;
    await until('the chain goes on', () => member.service.chain.head.height >= height + 3);
    let refusals = 0;
    member.network.faults.refuse = (service) => {
      if (service !== 'chain-decisions') return undefined;
      refusals++;
      return code;
    };
    await network.restart(follower);
    let hasEnded = false;
    void follower.service.ended.then(() => {
      hasEnded = true;
    });
    await until('it was refused', () => refusals > 0);
    member.network.faults.refuse = undefined;
    await until('it is level', () => hasEnded || follower.service.chain.head.height > height + 3);
    expect(hasEnded).toBe(false);
  },
);

test('who claims the end of time and gives what is long over does not keep anybody from catching up', async () => {
  const network = await ChainNetwork.start({ members: 2, followers: 1, heartbeatMs: 50 });
  running.push(network);
  const [honest, liar, follower] = network.nodes as [ChainNode, ChainNode, ChainNode];
  await until('all are level', () => follower.service.chain.head.height >= 2);
  await follower.service.stop();
  const { height } = honest.service.chain.head;
  await until('the chain goes on', () => honest.service.chain.head.height >= height + 5);
  const old = encodeDecisionsReply([(await liar.service.chain.decision(1))!]);
  liar.network.faults.lie = (service, reply) => {
    if (service === 'chain-decisions') return { ...reply, body: old };
    if (service !== 'chain-head') return reply;
    const light = decodeLightBlock(reply.body);
    const headerBytes = encodeHeader({ ...light.header, height: 2 ** 40 });
    return { ...reply, body: encodeLightBlock({ ...light, headerBytes }) };
  };
  await network.restart(follower);
  await until('it is level', () => follower.service.chain.head.height > height + 5);
  await until('it follows', () => follower.service.status().role === 'following');
});

test('who gives some blocks and then has no more leads to a state at once, and to another try soon', async () => {
  const network = await ChainNetwork.start({ members: 1, heartbeatMs: 20 });
  running.push(network);
  const { chain } = network.nodes[0]!.service;
  await until('there is a decision', () => chain.head.height >= 1);
  const body = encodeDecisionsReply([(await chain.decision(1))!]);
  const head = { height: 0, timeMs: Date.now() };
  const next = {
    get height() {
      return head.height + 1;
    },
  };
  const said: string[] = [];
  let nowMs = 0;
  const clock = {
    ...systemClock,
    monotonic: () => nowMs,
    timer: (delayMs: number, run: () => void) => {
      nowMs += delayMs;
      queueMicrotask(run);
      return () => undefined;
    },
  };
  const ahead = digestFrom<NodeId>('ahead');
  const sync = new BlockSync({
    chain: { head, next, commit: async () => void head.height++ } as unknown as Chain,
    network: {
      call: async () => {
        if (head.height === 1) throw new StoreError('NOT_FOUND', 'decision 2 is not here any more');
        return { header: new Uint8Array(0), body };
      },
    },
    clock,
    peers: () => [],
    failed: (error) => void said.push(error.message),
    noted: () => undefined,
    caughtUp: () => sync.heard(ahead, 9),
    trustPeriodMs: async () => Number.POSITIVE_INFINITY,
    trust: undefined,
    isTooFar: async (isGone) => {
      said.push(`height ${head.height}, ${nowMs} ms, gone: ${isGone}`);
      return said.length === 2;
    },
  });
  sync.heard(ahead, 9);
  sync.start();
  await until('it has tried twice', () => said.length > 1);
  await sync.stop();
  expect(said).toEqual(['height 1, 0 ms, gone: true', `height 1, ${SYNC_POLL_MS} ms, gone: true`]);
});

describe('a node that was away for longer than validators answer for what they sign', () => {
  const YEAR_MS = 365 * 24 * 3600 * 1000;

  /** The founding is so old that who comes now cannot judge the first block. */
  async function old(): Promise<ChainNetwork> {
    const network = await ChainNetwork.start({
      members: 2,
      heartbeatMs: 50,
      createdAtMs: Date.now() - YEAR_MS,
    });
    running.push(network);
    await until('there are blocks', () => network.nodes[0]!.service.chain.head.height >= 5);
    return network;
  }

  test('takes none of them, and says that its operator has to name a block', async () => {
    const network = await old();
    const late = await network.add();
    const error = await late.life.ended;
    expect(error).toBeInstanceOf(TrustExpired);
    expect(error?.next).toContain('--trust-height and --trust-hash');
    expect(late.life.store.head!.height).toBe(0);
  });

  test('takes those that lead to the block that its operator names, and goes on from there', async () => {
    const network = await old();
    const [first] = network.nodes as [ChainNode];
    const { id } = await first.service.queries.light(4);
    const late = await network.add(ephemeralIdentity(), { trust: { height: 4, id } });
    const { height } = first.service.chain.head;
    await until('it is level', () => late.service.chain.head.height > height);
    expect(late.service.store.oldestBlock).toBe(1);
  });

  test('takes none when they do not lead to that block', async () => {
    const network = await old();
    const [first] = network.nodes as [ChainNode];
    const { id } = await first.service.queries.light(3);
    const late = await network.add(ephemeralIdentity(), { trust: { height: 4, id } });
    const asked = (): number => first.network.callsServed.get('chain-decisions') ?? 0;
    await until('it was given decisions', () => asked() > 0);
    const { height } = first.service.chain.head;
    await until('the chain goes on', () => first.service.chain.head.height > height + 3);
    expect(late.service.chain.head.height).toBe(0);
  });

  test('is not one that was up all the time while the chain stood still', async () => {
    let nowMs = 10 * YEAR_MS;
    const network = await ChainNetwork.start({ members: 1, heartbeatMs: 20 });
    running.push(network);
    const { chain } = network.nodes[0]!.service;
    await until('there is a decision', () => chain.head.height >= 1);
    const body = encodeDecisionsReply([(await chain.decision(1))!]);
    const taken: number[] = [];
    const head = { height: 0, timeMs: nowMs };
    const failures: StoreError[] = [];
    let rounds = 0;
    const pass = (): void => {
      nowMs += YEAR_MS / 2;
    };
    const sync = new BlockSync({
      chain: {
        head,
        next: { height: 1 },
        checkDecision: () => undefined,
        commit: async () => {
          taken.push(head.height++);
        },
      } as unknown as Chain,
      network: { call: async () => ({ header: new Uint8Array(0), body }) },
      clock: { ...systemClock, now: () => nowMs, timer: () => () => undefined },
      peers: () => [],
      failed: (error) => failures.push(error),
      noted: () => undefined,
      caughtUp: () => {
        rounds++;
        pass();
      },
      trustPeriodMs: async () => YEAR_MS,
      trust: undefined,
      isTooFar: async () => false,
    });
    const ahead = digestFrom<NodeId>('ahead');
    sync.start();
    await until('it has looked around', () => rounds === 1);
    for (let half = 0; half < 4; half++) await sync.isBehind(new AbortController().signal).then(pass);
    sync.heard(ahead, 1);
    await until('it has taken a decision', () => taken.length > 0);
    await sync.stop();
    expect(failures).toEqual([]);
  });
});

describe('whether it is behind', () => {
  async function behind(claimed: number, times: number): Promise<boolean[]> {
    const network = await ChainNetwork.start({ members: 1, heartbeatMs: 20 });
    running.push(network);
    const { chain } = network.nodes[0]!.service;
    await until('there is a decision', () => chain.head.height >= 1);
    const body = encodeDecisionsReply([(await chain.decision(1))!]);
    const sync = new BlockSync({
      chain: { head: { height: 0 }, next: { height: 1 }, checkDecision: () => undefined } as unknown as Chain,
      network: { call: async () => ({ header: new Uint8Array(0), body }) },
      clock: systemClock,
      peers: () => [],
      failed: () => undefined,
      noted: (node, error) => {
        throw new Error(`${toHex(node)}: ${error.message}`);
      },
      caughtUp: () => undefined,
      trustPeriodMs: async () => Number.POSITIVE_INFINITY,
      trust: undefined,
      isTooFar: async () => false,
    });
    const asked: boolean[] = [];
    for (let time = 0; time < times; time++) {
      sync.heard(digestFrom<NodeId>('ahead'), claimed);
      asked.push(await sync.isBehind(new AbortController().signal));
    }
    return asked;
  }

  test('is said at once by two decisions, and by one when nobody has brought it meanwhile', async () => {
    expect(await behind(2, 1)).toEqual([true]);
    expect(await behind(1, 2)).toEqual([false, true]);
  });
});
