import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import { epochDigest } from '../../../src/base/epoch.ts';
import type { Digest, Epoch, NodeId } from '../../../src/base/ids.ts';
import { openHoldings, type HoldingsStore } from '../../../src/node/audit/holdings-store.ts';
import { RoundWatcher, type WatchedRound } from '../../../src/node/audit/round-watcher.ts';
import type { ChainStore } from '../../../src/node/chain/types.ts';
import { drawAsked, type HeldPlace } from '../../../src/proofs/draw.ts';
import { MemoryHoldings } from '../../../src/proofs/memory-holdings.ts';
import { nativeSha256, nativeVerify } from '../../../src/runtime/crypto.ts';
import { MemoryKeyValue } from '../../../src/runtime/memory-key-value.ts';
import { auditGroup, auditRoundsOf, auditRule } from '../../../src/shards/audit-rounds.ts';
import { putEpochState } from '../../../src/shards/epoch-state.ts';
import { epochRecordOf, operatorIdOf, putMembers } from '../../../src/shards/members.ts';
import type { BlockContext } from '../../../src/shards/operation.ts';
import { DEFAULT_PARAMETERS, putParameters } from '../../../src/shards/parameters.ts';
import type { RuleContext } from '../../../src/shards/rules.ts';
import { resetTurns } from '../../../src/shards/turns.ts';
import { putEntries } from '../../../src/shards/validator-sets.ts';
import { Overlay } from '../../../src/shards/view.ts';
import { digestFrom } from '../../helpers/records.ts';
import { memberAt, nodeId } from '../../shards/objects.ts';
import { ownerOf } from '../../shards/world.ts';
import { CutKeyValue, NETWORK, randomFrom } from '../chain/store-kit.ts';
import { FEW, heldIn, Ledger, NODES, openStore } from './holdings-kit.ts';

const AUDIT = {
  ...DEFAULT_PARAMETERS.audit,
  roundMs: 1000,
  leaves: 5,
  sweepRounds: 4,
  seats: 3,
  groupNodes: 2,
};
const PARAMETERS = { ...DEFAULT_PARAMETERS, audit: AUDIT };
const VALIDATORS = [0, 1, 2, 3].map(nodeId);

/** All nodes but the last are members, the first four validators. */
function genesis(state: Overlay): void {
  const zeros = new Uint8Array(32) as Digest;
  const header = { network: NETWORK, epoch: 0 as Epoch, previous: zeros, seed: zeros, shardBits: 0 };
  const record = epochRecordOf(
    PARAMETERS,
    header,
    [0, 1, 2, 3, 4, 5].map((index) => memberAt(index)),
  );
  putParameters(state, PARAMETERS);
  putMembers(state, record.members, 0);
  putEpochState(state, {
    epoch: 0 as Epoch,
    lengthBlocks: 1000,
    seed: zeros,
    shardBits: 0,
    mode: 'shared',
    membersDigest: epochDigest(record),
    previousDigest: zeros,
    memberCount: record.members.length,
    starts: [{ height: 0, timeMs: 0 }],
  });
  const entries = VALIDATORS.map((node, index) => ({
    node,
    power: BigInt(10 + index),
    registration: node,
    operator: ownerOf(operatorIdOf(ownerOf(`operator ${index}`))),
  }));
  putEntries(state, 0 as Epoch, entries);
  resetTurns(state, digestFrom('mix'), VALIDATORS.length);
}

interface Told {
  readonly watched: WatchedRound;
  readonly height: number;
}

/** A chain whose blocks are a second long or none, as the test says. */
class Chain {
  readonly ledger = new Ledger(randomFrom(31), genesis, FEW);
  readonly told: Told[] = [];
  readonly logged: string[] = [];
  readonly keyValue: CutKeyValue;
  nowMs = 0;
  store!: ChainStore;
  holdings!: HoldingsStore;
  watcher!: RoundWatcher;

  constructor(keyValue = new CutKeyValue(new MemoryKeyValue())) {
    this.keyValue = keyValue;
  }

  async open(self: NodeId): Promise<void> {
    const note = (_facts: object, message: string): number => this.logged.push(message);
    const logger = { debug: note, info: note, warn: note, error: note };
    this.holdings = await openHoldings({ keyValue: this.keyValue, sha256: nativeSha256 });
    const clock = { now: () => this.nowMs };
    this.watcher = new RoundWatcher({ holdings: this.holdings, clock, sha256: nativeSha256, logger }, self);
    this.watcher.onRound((watched) => this.told.push({ watched, height: this.store.head!.height }));
    this.store = await openStore(this.keyValue, this.watcher);
    if (this.store.head === undefined) await this.ledger.found(this.store);
    await this.holdings.build(this.store);
  }

  /** A block that begins a round, when its time lies in another second than the last round's. */
  async step(timeMs: number): Promise<void> {
    const height = this.store.head!.height + 1;
    const { decided, executed } = this.ledger.block(this.store.head!, 4, (state) => {
      const block: BlockContext = { ...blockAt(height), timeMs };
      auditRule.apply({ block, state } as RuleContext);
    });
    await this.store.commit(decided, executed);
  }
}

const blockAt = (height: number): BlockContext => ({
  network: NETWORK,
  height,
  epoch: 0 as Epoch,
  timeMs: 0,
  shardBits: 0,
  sha256: nativeSha256,
  verify: nativeVerify,
});

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await setImmediate();
}

/** What the rules and a look at all records say of the round that runs. */
function expectRound(
  chain: Chain,
  watched: WatchedRound,
  self: NodeId,
  before: ReadonlyMap<string, readonly HeldPlace[]>,
): void {
  const state = new Overlay(chain.ledger.memory);
  const round = auditRoundsOf(state).find((each) => each.round === watched.round.round)!;
  expect(watched.round).toEqual(round);
  expect(watched.rules).toEqual(AUDIT);
  const groups = Array.from(
    { length: round.groups },
    (_, group) => auditGroup(state, blockAt(1), round, group)!,
  );
  expect(groups.length).toBe(3);
  const seat = watched.validators.findIndex(({ node }) => toHex(node) === toHex(self));
  expect(watched.groups).toEqual(groups.filter(({ seats }) => (seats[seat] ?? 0) > 0));
  expect(watched.ownGroup).toEqual(
    groups.find(({ nodes }) => nodes.some((node) => toHex(node) === toHex(self))),
  );
  const nodes = new Set([self, ...watched.groups.flatMap((group) => group.nodes)].map(toHex));
  expect(new Set(watched.drawn.keys())).toEqual(nodes);
  for (const node of NODES.filter((each) => nodes.has(toHex(each)))) {
    const memory = new MemoryHoldings(before.get(toHex(node))!, nativeSha256);
    const asked = drawAsked(round, node, memory, AUDIT, nativeSha256);
    expect(watched.drawn.get(toHex(node))).toEqual({ node, asked, classes: memory.classes() });
  }
  expect(watched.own).toBe(watched.drawn.get(toHex(self)));
}

describe('the watcher of audit rounds', () => {
  test.each([
    ['a validator', nodeId(2)],
    ['a member that is none', nodeId(5)],
    ['a node that is no member', nodeId(6)],
  ])('draws for %s from what was held before the block that begins a round', async (_name, self) => {
    const chain = new Chain();
    await chain.open(self);
    let rounds = 0;
    for (const timeMs of [100, 600, 1200, 1300, 3900, 4100]) {
      chain.nowMs = timeMs;
      const before = heldIn(chain.ledger.memory);
      const last = auditRoundsOf(new Overlay(chain.ledger.memory)).at(-1);
      await chain.step(timeMs);
      const isBegun = auditRoundsOf(new Overlay(chain.ledger.memory)).at(-1)!.round !== last?.round;
      if (isBegun) {
        rounds++;
        // Blocks that come before everything is drawn change nothing.
        await chain.step(timeMs + 1);
      }
      await until(() => chain.told.length === rounds);
      if (isBegun) expectRound(chain, chain.told.at(-1)!.watched, self, before);
    }
    expect(rounds).toBe(4);
    expect(chain.told.map(({ watched }) => watched.round.round)).toEqual([1, 2, 3, 4]);
    const isValidator = VALIDATORS.some((node) => toHex(node) === toHex(self));
    expect(chain.told.some(({ watched }) => watched.groups.length > 0)).toBe(isValidator);
    // The last two are at hand.
    expect(chain.watcher.rounds.map(({ round }) => round.round)).toEqual([3, 4]);
    expect(chain.watcher.round(2)).toBeUndefined();
    expect(chain.watcher.round(3)).toBe(chain.told[2]!.watched);
    await chain.watcher.close();
  });

  test('tells of a round when its block is durable, and of none whose block was not written', async () => {
    const disk = new MemoryKeyValue();
    const sound = new Chain(new CutKeyValue(disk));
    await sound.open(nodeId(0));
    await sound.step(100);
    await until(() => sound.told.length === 1);
    expect(sound.told[0]!.height).toBeGreaterThanOrEqual(sound.told[0]!.watched.round.height);
    const cut = new Chain(new CutKeyValue(new MemoryKeyValue(), sound.keyValue.batches - 1));
    await cut.open(nodeId(0));
    await expect(cut.step(100)).rejects.toThrow('the power is out');
    await cut.watcher.close();
    expect(cut.told).toEqual([]);
    expect(cut.watcher.rounds).toEqual([]);
  });

  test('takes no part in a round that began before it, nor in one that is over, nor without its index', async () => {
    const chain = new Chain();
    await chain.open(nodeId(1));
    await chain.step(100);
    await until(() => chain.told.length === 1);
    await chain.watcher.close();
    // The same store, opened again.
    await chain.open(nodeId(1));
    expect(chain.watcher.rounds).toEqual([]);
    await chain.step(200);
    chain.nowMs = 9000;
    await chain.step(6900);
    expect(chain.logged.filter((line) => line === 'takes no part in an audit round').length).toBe(1);
    await chain.step(7001);
    await until(() => chain.told.length === 2);
    expect(chain.told[1]!.watched.round.round).toBe(3);
    chain.holdings.replaced();
    await chain.step(8001);
    expect(chain.logged.filter((line) => line === 'takes no part in an audit round').length).toBe(2);
    await chain.step(9001);
    await until(() => chain.told.length === 3);
    expect(chain.told[2]!.watched.round.round).toBe(5);
  });

  test('gives up the oldest where rounds begin faster than they are drawn, and all when it is closed', async () => {
    const chain = new Chain();
    await chain.open(nodeId(1));
    let gate = Promise.withResolvers<void>();
    const snapshot = chain.holdings.snapshot.bind(chain.holdings);
    let open = 0;
    chain.holdings.snapshot = () => {
      const real = snapshot();
      open++;
      const [classes, close] = [real.classes.bind(real), real.close.bind(real)];
      real.classes = async (node) => {
        await gate.promise;
        return classes(node);
      };
      real.close = () => {
        open--;
        return close();
      };
      return real;
    };
    for (const timeMs of [100, 1100, 2100, 3100]) await chain.step(timeMs);
    expect(open).toBeGreaterThan(0);
    gate.resolve();
    await until(() => chain.told.length === 2);
    expect(chain.told.map(({ watched }) => watched.round.round)).toEqual([3, 4]);
    await until(() => open === 0);
    gate = Promise.withResolvers();
    await chain.step(4100);
    const closed = chain.watcher.close();
    gate.resolve();
    await closed;
    await chain.step(5100);
    expect(open).toBe(0);
    expect(chain.told.length).toBe(2);
    expect(chain.logged).not.toContain('an audit round was not drawn');
  });

  test('does without a round that cannot be read, and says so', async () => {
    const chain = new Chain();
    await chain.open(nodeId(1));
    await chain.step(100);
    await until(() => chain.told.length === 1);
    const snapshot = chain.holdings.snapshot.bind(chain.holdings);
    chain.holdings.snapshot = () => {
      const real = snapshot();
      real.classes = () => Promise.reject(new Error('the disk is gone'));
      return real;
    };
    await chain.step(1100);
    await until(() => chain.logged.includes('an audit round was not drawn'));
    chain.holdings.snapshot = snapshot;
    await chain.step(2100);
    await until(() => chain.told.length === 2);
    expect(chain.told[1]!.watched.round.round).toBe(3);
  });
});
