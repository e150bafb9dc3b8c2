// A chain of made-up blocks for tests of its store: random changes, real trees, and as a dumb twin a whole map of records per height. And a
// store that stops at a batch, as a crash would stop it.

import { expect } from 'vitest';
import { compare, equal, fromHex, toHex, toUtf8, uint32 } from '../../../src/base/bytes.ts';
import { StoreError } from '../../../src/base/errors.ts';
import type { Digest, Epoch, NetworkId, NodeId, OwnerId } from '../../../src/base/ids.ts';
import type { KeyValueOperation } from '../../../src/base/ports.ts';
import type { BlockId, CommitCertificate } from '../../../src/consensus/types.ts';
import { openChainStore } from '../../../src/node/chain/chain-store.ts';
import type { ChainStore, Decided, Head } from '../../../src/node/chain/types.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import type { KeyValueSnapshot, LocalKeyValue } from '../../../src/runtime/key-value.ts';
import { sealBlock } from '../../../src/shards/block.ts';
import { shardsRootOf, stateRootOf } from '../../../src/shards/header.ts';
import { recordDigest } from '../../../src/shards/record.ts';
import type { Executed, Outcome } from '../../../src/shards/session.ts';
import { homeOf, type StateKey, stateKey } from '../../../src/shards/state-key.ts';
import { signTransaction } from '../../../src/shards/transaction.ts';
import { isUnder, shardPrefix, type StatePath } from '../../../src/shards/tree/path.ts';
import { checkProof } from '../../../src/shards/tree/proof.ts';
import type { Change } from '../../../src/shards/view.ts';
import { digestFrom } from '../../helpers/records.ts';
import { KINDS } from '../../shards/kinds.ts';
import { signerOf } from '../../shards/world.ts';
import { twinDigest } from '../../shards/tree/twin.ts';

export const NETWORK: NetworkId = digestFrom<NetworkId>('network of the store');

export type Random = () => number;

/** The same numbers from the same seed. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export const open = (keyValue: LocalKeyValue): Promise<ChainStore> =>
  openChainStore({ keyValue, sha256: nativeSha256, kinds: KINDS });

export const keyOf = (index: number): StateKey =>
  stateKey(homeOf('account', digestFrom(`account ${index}`)), 'account');

export type Records = ReadonlyMap<string, Uint8Array>;

/** Height by height what was committed, and with what. */
export interface Step {
  readonly head: Head;
  readonly records: Records;
  readonly decided: Decided | undefined;
  readonly executed: Executed;
}

export interface StepOptions {
  /** Distinct records there may be. */
  readonly keys: number;
  readonly changes: number;
  readonly shardBits: number;
  readonly recordLength?: (random: Random) => number;
}

/** Changes at random: most write, some remove; a record in five is as it was. */
export function someChanges(random: Random, before: Records, options: StepOptions): Change[] {
  const { keys, changes, recordLength = (draw) => Math.floor(draw() * 60) } = options;
  const chosen = new Map<string, StateKey>();
  for (let count = 0; count < changes; count++) {
    const key = keyOf(Math.floor(random() * keys));
    chosen.set(key.text, key);
  }
  return [...chosen.values()]
    .map((key): Change => {
      const after = random() < 0.25 ? null : recordOf(random, recordLength(random));
      return { key, before: before.get(key.text) ?? null, after };
    })
    .filter(({ before: old, after }) => (old === null || after === null ? old !== after : !equal(old, after)))
    .toSorted((a, b) => compare(a.key.path, b.key.path));
}

function recordOf(random: Random, length: number): Uint8Array {
  return new Uint8Array(length).fill(Math.floor(random() * 256));
}

export function afterChanges(records: Records, changes: readonly Change[]): Records {
  const next = new Map(records);
  for (const { key, after } of changes) {
    if (after === null) next.delete(key.text);
    else next.set(key.text, after);
  }
  return next;
}

function executedOf(
  head: Head,
  changes: readonly Change[],
  shardBits: number,
  outcomes: Outcome[],
): Executed {
  const { height } = head;
  const outboxRoots = Array.from({ length: 2 ** head.shardBits }, (_, shard) =>
    digestFrom(`outbox ${height + 1} ${shard}`),
  );
  return { changes, outcomes, sent: [], outboxRoots, shardBits };
}

/** A decided block on `head` with a few transactions, every other of which is refused. */
export function blockOn(head: Head, transactionCount = 2): { decided: Decided; outcomes: Outcome[] } {
  const height = head.height + 1;
  const transactions = Array.from({ length: transactionCount }, (_, index) => {
    const sender = signerOf(`sender ${index}`).publicKey as OwnerId;
    const action = { kind: 'transfer', parameters: { to: sender, amounts: [[0, 1n]] } };
    const transaction = {
      network: NETWORK,
      sender,
      nonce: height,
      fee: 0n,
      expiresAtHeight: height,
      action,
    };
    return signTransaction(transaction, KINDS.operations, signerOf(`sender ${index}`), nativeSha256);
  });
  const about = {
    network: NETWORK,
    height,
    epoch: 0 as Epoch,
    timeMs: head.timeMs + 1,
    parent: head.id,
    validators: digestFrom('validators'),
    nextValidators: digestFrom('validators'),
    shardBits: head.shards[0]!.shardBits,
    stateRoot: stateRootOf(head.shards, nativeSha256),
    shardsRoot: shardsRootOf(head.shards, nativeSha256),
    proposer: digestFrom<NodeId>('proposer'),
    reveal: null,
  };
  const body = { lastCommit: null, evidence: [], reclaims: [], parcels: [], transactions };
  const block = sealBlock(about, body, KINDS, nativeSha256);
  const signature = new Uint8Array(64).fill(height) as CommitCertificate['signatures'][number]['signature'];
  const certificate: CommitCertificate = {
    kind: 'commit-certificate',
    height,
    round: 0,
    blockId: toHex(block.id) as BlockId,
    signatures: [{ validator: 0, signature }],
  };
  const outcomes = transactions.map(
    ({ id }, index): Outcome => ({
      kind: 'transaction',
      id,
      refusal: index % 2 === 1 ? 'too-late' : undefined,
      messages: [],
    }),
  );
  return { decided: { block, certificate }, outcomes };
}

/** Everything that was committed, beside the store that should have it. */
export class TwinChain {
  readonly steps: Step[] = [];
  readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  get last(): Step {
    return this.steps.at(-1)!;
  }

  async found(store: ChainStore, options: StepOptions): Promise<void> {
    const changes = someChanges(this.random, new Map(), options);
    const about = { height: 0, id: digestFrom('founding'), timeMs: 1000, shardBits: options.shardBits };
    const head = await store.found(changes, about, NETWORK);
    const executed = { changes, outcomes: [], sent: [], outboxRoots: [], shardBits: options.shardBits };
    this.steps.push({ head, records: afterChanges(new Map(), changes), decided: undefined, executed });
  }

  async step(store: ChainStore, options: StepOptions): Promise<void> {
    const { head, records } = this.last;
    const changes = someChanges(this.random, records, options);
    const { decided, outcomes } = blockOn(head);
    const executed = executedOf(head, changes, options.shardBits, outcomes);
    const next = await store.commit(decided, executed);
    this.steps.push({ head: next, records: afterChanges(records, changes), decided, executed });
  }
}

/** What a dumb tree says the roots of the shards are. */
export function twinRoots(records: Records, shardBits: number): string[] {
  const leaves = [...records].map(([text, record]) => ({
    kind: 'leaf' as const,
    path: fromHex(text) as Uint8Array as StatePath,
    value: recordDigest(record, nativeSha256),
  }));
  return Array.from({ length: 2 ** shardBits }, (_, shard) => {
    const prefix = shardPrefix(shard as never, shardBits);
    const own = leaves.filter(({ path }) => isUnder(path, prefix));
    return toHex(twinDigest(own, shardBits));
  });
}

/** Roots, records, and proofs of some of the keys are those of the twin. */
export async function expectState(store: ChainStore, step: Step, keys: readonly StateKey[]): Promise<void> {
  const { head, records } = step;
  const proven = await store.prove(
    head.height,
    keys.map(({ path }) => path),
  );
  expect(proven.height).toBe(head.height);
  const shardBits = head.shards[0]!.shardBits;
  expect(proven.shards.map(({ stateRoot }) => toHex(stateRoot))).toEqual(twinRoots(records, shardBits));
  expect(proven.shards).toEqual(head.shards);
  for (const [index, key] of keys.entries()) {
    const record = proven.records[index]!;
    expect(record === null ? undefined : toHex(record)).toBe(hexOf(records.get(key.text)));
    const path = key.path as Uint8Array as StatePath;
    const shard = head.shards.find((header) => isUnder(path, shardPrefix(header.shard, shardBits)))!;
    const about = { prefix: shardPrefix(shard.shard, shardBits), digest: shard.stateRoot };
    const verdict = checkProof(about, path, proven.proofs[index]!, nativeSha256);
    expect(verdict).toEqual(
      record === null ? { kind: 'absent' } : { kind: 'present', value: recordDigest(record, nativeSha256) },
    );
  }
}

const hexOf = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : toHex(bytes);

export async function expectHead(store: ChainStore, step: Step, keys: readonly StateKey[]): Promise<void> {
  expect(store.head).toEqual(step.head);
  const loaded = await store.load(keys);
  expect(loaded.map((record) => (record === null ? undefined : toHex(record)))).toEqual(
    keys.map(({ text }) => hexOf(step.records.get(text))),
  );
}

/** Fails at batch number `failsAt`, after or before it was written; nothing is written after it. */
export class CutKeyValue implements LocalKeyValue {
  readonly #inner: LocalKeyValue;
  readonly #failsAt: number;
  readonly #isWritten: boolean;
  batches = 0;

  constructor(inner: LocalKeyValue, failsAt: number = Number.POSITIVE_INFINITY, isWritten = false) {
    this.#inner = inner;
    this.#failsAt = failsAt;
    this.#isWritten = isWritten;
  }

  async batch(
    operations: readonly KeyValueOperation[],
    options?: { readonly isDurable?: boolean },
  ): Promise<void> {
    const number = this.batches++;
    if (number < this.#failsAt || (number === this.#failsAt && this.#isWritten)) {
      await this.#inner.batch(operations, options);
    }
    if (number >= this.#failsAt) throw new StoreError('DISK', 'the power is out');
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#inner.get(key);
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.#inner.getMany(keys);
  }

  range(from: Uint8Array, to: Uint8Array, limit?: number): AsyncIterable<readonly [Uint8Array, Uint8Array]> {
    return this.#inner.range(from, to, limit);
  }

  snapshot(from: Uint8Array, to: Uint8Array): KeyValueSnapshot {
    return this.#inner.snapshot(from, to);
  }

  flush(): Promise<void> {
    return this.#inner.flush();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

export const candidateBytes = (name: string): Uint8Array => toUtf8(`candidate ${name}`);
export const candidateId = (number: number): Digest => nativeSha256(uint32(number)) as Digest;
