// A chain in memory for tests: records, real state trees, blocks that are built, sent as bytes, decoded, applied with nothing loaded
// beforehand, and checked for conservation. Signatures are digests, because thousands of them are made.

import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { concat, toHex } from '../../src/base/bytes.ts';
import type { Digest, Epoch, NetworkId, NodeId, OwnerId, ShardId, Signature } from '../../src/base/ids.ts';
import { merkleRoot } from '../../src/base/merkle.ts';
import type { Signer, Verify } from '../../src/base/ports.ts';
import { commitCertificate } from '../../src/consensus/certificate.ts';
import { signBytes } from '../../src/consensus/sign-bytes.ts';
import { type BlockId, type CommitCertificate, NO_ROUND } from '../../src/consensus/types.ts';
import { validatorSet, validatorSetDigest } from '../../src/consensus/validator-set.ts';
import { accountKey, accountOf, accountRecord } from '../../src/shards/account.ts';
import { type Amounts, NOTHING, plusAmounts } from '../../src/shards/amounts.ts';
import { type Applied, applyBlock, type ChainContext, type Invalid } from '../../src/shards/apply.ts';
import { type Block, type BlockBody, decodeBlock, sealBlock } from '../../src/shards/block.ts';
import { buildBlock, type Ingredients } from '../../src/shards/build.ts';
import { auditChanges, auditRecord, isConserved, LEDGER_HOLDINGS } from '../../src/shards/conservation.ts';
import { shardHeaders } from '../../src/shards/header.ts';
import {
  batchKey,
  batchRecord,
  foundLanes,
  type Lane,
  LANES_KEY,
  type Lanes,
  lanesRecord,
  laneText,
  outboxKey,
  outboxRecord,
  receiptKey,
  shardsIn,
} from '../../src/shards/lane.ts';
import { proveRun } from '../../src/shards/merkle-run.ts';
import type { Parcel } from '../../src/shards/parcel.ts';
import { decodeReceipt } from '../../src/shards/receipts.ts';
import { recordDigest } from '../../src/shards/record.ts';
import type { BlockRule, LedgerParams, Rules } from '../../src/shards/rules.ts';
import type { Executed, Outcome } from '../../src/shards/session.ts';
import { homeOf, shardOfHome, type StateKey } from '../../src/shards/state-key.ts';
import { putSupply } from '../../src/shards/supply.ts';
import { type Action, signTransaction, type SignedTransaction } from '../../src/shards/transaction.ts';
import { EMPTY, headOf, type Tree, type TreeNode } from '../../src/shards/tree/node.ts';
import type { NodeKey } from '../../src/shards/tree/node-key.ts';
import { isUnder, shardPrefix, type StatePath } from '../../src/shards/tree/path.ts';
import { provePaths, type StateProof } from '../../src/shards/tree/proof.ts';
import { updateTree } from '../../src/shards/tree/update.ts';
import { type Change, LoadedState, Overlay } from '../../src/shards/view.ts';
import { digestFrom } from '../helpers/records.ts';
import { fastSha256, KINDS } from './kinds.ts';

export const NETWORK: NetworkId = digestFrom<NetworkId>('network');

// ---- Keys ----------------------------------------------------------------------------------------------------

const signatureOf = (publicKey: Uint8Array, message: Uint8Array): Signature => {
  const half = fastSha256(publicKey, message);
  return concat(half, half) as Signature;
};

export function signerOf(name: string): Signer {
  const publicKey = digestFrom(`key of ${name}`);
  return { publicKey, sign: (message) => signatureOf(publicKey, message) };
}

export const fastVerify: Verify = (publicKey, message, signature) =>
  toHex(signatureOf(publicKey, message)) === toHex(signature);

export const ownerOf = (name: string): OwnerId => signerOf(name).publicKey as OwnerId;

const VALIDATORS = validatorSet(
  ['v0', 'v1', 'v2', 'v3'].map((name) => ({ node: signerOf(name).publicKey as NodeId, power: 1n })),
);
export const PROPOSER: NodeId = VALIDATORS.validators[0]!.node;

export function commitOf(height: number, id: Uint8Array): CommitCertificate {
  const votes = [0, 1, 2].map((validator) => {
    const vote = { kind: 'precommit', height, round: 0, blockId: toHex(id) as BlockId } as const;
    const unsigned = { ...vote, validRound: NO_ROUND, validator };
    const { node } = VALIDATORS.validators[validator]!;
    return { ...unsigned, signature: signatureOf(node, signBytes(NETWORK, unsigned)) };
  });
  return commitCertificate(votes);
}

const EMPTY_OUTBOX: Digest = merkleRoot([], fastSha256);

// ---- The chain -----------------------------------------------------------------------------------------------

export interface WorldOptions {
  readonly shardBits?: number;
  readonly params?: Partial<LedgerParams>;
  readonly balances?: Readonly<Record<string, Amounts>>;
  readonly rules?: Partial<Rules>;
  /** Writes height 0, lanes included, instead of accounts with `balances`. */
  readonly found?: (state: Overlay) => void;
}

export class World {
  readonly records: Map<string, { readonly key: StateKey; readonly bytes: Uint8Array }> = new Map<
    string,
    { readonly key: StateKey; readonly bytes: Uint8Array }
  >();
  readonly params: LedgerParams;
  readonly rules: Rules;
  readonly blocks: Block[] = [];
  height = 0;
  timeMs = 1_000;
  shardBits: number;
  /** Set for the next block: the number of shards after it. */
  reshapeTo: number | undefined;
  #parentId: Digest = NETWORK as Uint8Array as Digest;
  #parentBits: number;
  #outboxRoots: readonly Digest[];
  readonly #nodes = new Map<NodeKey, TreeNode>();
  #trees: Tree[] = [];
  /** Of the state after the parent, with the shards there were then. */
  #parentTrees: Tree[] = [];
  /** Of the state after the head, carried from block to block as a node does. */
  #carried = new LoadedState();
  /** What the makers of blocks found them to do, by id. */
  readonly #made = new Map<string, Executed>();
  /** How often a block had to be applied again because something was not loaded. */
  rounds: number[] = [];

  constructor(options: WorldOptions = {}) {
    this.shardBits = options.shardBits ?? 0;
    this.#parentBits = this.shardBits;
    this.params = { feePerTransaction: 0n, feePerByte: 0n, receiptLifetimeBlocks: 1000, ...options.params };
    const reshape: BlockRule = {
      name: 'reshape',
      touches: () => [],
      apply: (context) => {
        if (this.reshapeTo !== undefined && context.canReshape) context.reshape(this.reshapeTo);
        return undefined;
      },
    };
    this.rules = {
      ...KINDS,
      opening: [],
      closing: [],
      border: [reshape],
      holdings: LEDGER_HOLDINGS,
      ...options.rules,
    };
    this.#outboxRoots = Array.from({ length: 2 ** this.shardBits }, () => EMPTY_OUTBOX);
    const overlay = new Overlay({ read: () => null });
    if (options.found === undefined) this.#found(overlay, options.balances ?? {});
    else options.found(overlay);
    this.#keep(overlay.changes());
    this.#rebuildTrees(0);
    this.#parentTrees = this.#trees;
  }

  #found(overlay: Overlay, balances: Readonly<Record<string, Amounts>>): void {
    foundLanes(overlay, this.shardBits);
    let total: Amounts = NOTHING;
    for (const [name, amounts] of Object.entries(balances)) {
      overlay.put(accountKey(ownerOf(name)), accountRecord, { nonce: 0, balances: amounts });
      total = plusAmounts(total, amounts);
    }
    putSupply(overlay, { total, issued: NOTHING, burned: NOTHING });
  }

  #keep(changes: readonly Change[]): void {
    for (const { key, before, after } of changes) {
      expect(before, `what was under ${key.text}`).toEqual(this.records.get(key.text)?.bytes ?? null);
      if (after === null) this.records.delete(key.text);
      else this.records.set(key.text, { key, bytes: after });
    }
  }

  #rebuildTrees(version: number): void {
    const leaves = [...this.records.values()].map(({ key, bytes }) => leafChange(key, bytes));
    this.#trees = Array.from({ length: 2 ** this.shardBits }, (_, shard) => {
      const prefix = shardPrefix(shard as ShardId, this.shardBits);
      const empty: Tree = { prefix, top: EMPTY };
      return this.#updated(
        empty,
        version,
        leaves.filter(({ path }) => isUnder(path, prefix)),
      );
    });
  }

  #updated(tree: Tree, version: number, changes: readonly { path: StatePath; value: Digest | null }[]): Tree {
    const updated = updateTree(this.#nodes, tree, version, changes, fastSha256);
    if (updated.kind === 'missing') throw new Error('nodes are in memory');
    for (const { key, node } of updated.written) this.#nodes.set(key, node);
    return updated.tree;
  }

  // ---- Reading -----------------------------------------------------------------------------------------------

  load(keys: readonly StateKey[], into: LoadedState): void {
    for (const key of keys) into.add(key, this.records.get(key.text)?.bytes ?? null);
  }

  loadAll(): LoadedState {
    return new EverythingLoaded(this);
  }

  get state(): Overlay {
    return new Overlay(this.loadAll());
  }

  balances(name: string): Amounts {
    return accountOf(this.state, ownerOf(name)).balances;
  }

  nonce(name: string): number {
    return accountOf(this.state, ownerOf(name)).nonce;
  }

  get lanes(): Lanes {
    return this.state.get(LANES_KEY, lanesRecord)!;
  }

  get pending(): number {
    return this.lanes.current.pending + (this.lanes.previous?.pending ?? 0);
  }

  shardOf(name: string): number {
    return shardOfHome(homeOf('account', ownerOf(name)), this.shardBits);
  }

  proveKey = (key: StateKey): StateProof => {
    const path = key.path as Uint8Array as StatePath;
    const tree = this.#parentTrees.find(({ prefix }) => isUnder(path, prefix))!;
    const proved = provePaths(this.#nodes, tree, [path], fastSha256);
    if (proved.kind === 'missing') throw new Error('nodes are in memory');
    return proved.proofs[0]!;
  };

  context(): ChainContext {
    const stateRoots = this.#parentTrees.map((tree) => headOf(tree, fastSha256).digest);
    return {
      network: NETWORK,
      parent: {
        id: this.#parentId,
        height: this.height,
        timeMs: this.timeMs,
        shards: shardHeaders(this.#parentBits, stateRoots, this.#outboxRoots),
        validators: this.height === 0 ? undefined : VALIDATORS,
      },
      epoch: 0 as Epoch,
      validators: VALIDATORS,
      nextValidators: validatorSetDigest(VALIDATORS, fastSha256),
      shardBits: this.shardBits,
      isBorder: this.reshapeTo !== undefined,
      params: this.params,
      rules: this.rules,
      sha256: fastSha256,
      verify: fastVerify,
    };
  }

  ingredients(candidates: readonly SignedTransaction[] = []): Ingredients {
    return {
      timeMs: this.timeMs + 1000,
      proposer: PROPOSER,
      reveal: null,
      evidence: [],
      lastCommit: this.height === 0 ? null : commitOf(this.height, this.#parentId),
      candidates,
      proveKey: this.proveKey,
    };
  }

  sign(
    name: string,
    nonce: number,
    action: Action,
    more: { readonly fee?: bigint; readonly expiresAtHeight?: number } = {},
  ): SignedTransaction {
    const { fee = 0n, expiresAtHeight = 1_000_000 } = more;
    const sender = ownerOf(name);
    const transaction = { network: NETWORK, sender, nonce, fee, expiresAtHeight, action };
    return signTransaction(transaction, this.rules.operations, signerOf(name), fastSha256);
  }

  // ---- Blocks ------------------------------------------------------------------------------------------------

  build(
    candidates: readonly SignedTransaction[] = [],
    ingredients: Ingredients = this.ingredients(candidates),
  ): Block {
    for (let round = 0; round < 100; round++) {
      const built = buildBlock(this.#carried, ingredients, this.context());
      if (built.kind === 'built') {
        this.#made.set(toHex(built.block.id), built.executed);
        return built.block;
      }
      expect(built.keys.length).toBeGreaterThan(0);
      this.load(built.keys, this.#carried);
    }
    throw new Error('building asks for more and more');
  }

  /** Applies with nothing loaded but what it asks for. */
  apply(block: Block): Applied | Invalid {
    const loaded = new LoadedState();
    for (let round = 0; round < 100; round++) {
      const result = applyBlock(loaded, block, this.context());
      if (result.kind !== 'missing') {
        this.rounds.push(round);
        return result;
      }
      expect(result.keys.length).toBeGreaterThan(0);
      this.load(result.keys, loaded);
    }
    throw new Error('applying asks for more and more');
  }

  /** Builds, sends, applies and keeps a block. */
  step(candidates: readonly SignedTransaction[] = [], more: Partial<Ingredients> = {}): Applied {
    return this.accept(this.build(candidates, { ...this.ingredients(candidates), ...more }));
  }

  accept(sent: Block): Applied {
    const block = decodeBlock(sent.bytes, this.rules, fastSha256);
    expect(block).toEqual(sent);
    const applied = this.apply(block);
    const made = this.#made.get(toHex(block.id));
    // Whoever made a block does not execute it again.
    if (made !== undefined) expect(applied).toEqual({ kind: 'applied', ...made });
    if (applied.kind === 'invalid') throw new Error(`invalid: ${applied.problem} (${applied.detail})`);
    expect(isConserved(auditChanges(applied.changes, this.rules.holdings)), 'value is conserved').toBe(true);
    this.#commit(block, applied);
    return applied;
  }

  #commit(block: Block, applied: Applied): void {
    this.height++;
    this.timeMs = block.header.timeMs;
    this.#parentId = block.id;
    this.#parentBits = this.shardBits;
    this.#outboxRoots = applied.outboxRoots;
    this.blocks.push(block);
    this.#keep(applied.changes);
    this.#carried.advance(applied.changes);
    this.#made.clear();
    const leaves = applied.changes.map(({ key, after }) => leafChange(key, after));
    this.#trees = this.#trees.map((tree) =>
      this.#updated(
        tree,
        this.height,
        leaves.filter(({ path }) => isUnder(path, tree.prefix)),
      ),
    );
    this.#parentTrees = this.#trees;
    if (applied.shardBits === this.shardBits) return;
    this.shardBits = applied.shardBits;
    this.reshapeTo = undefined;
    const parentTrees = this.#trees;
    this.#rebuildTrees(this.height);
    this.#parentTrees = parentTrees;
  }

  /** Everything there is, added up. */
  audit(): boolean {
    let held: Amounts = NOTHING;
    let supply: Amounts = NOTHING;
    for (const { key, bytes } of this.records.values()) {
      const audit = auditRecord(key.kind, bytes, this.rules.holdings);
      held = plusAmounts(held, audit.held);
      supply = plusAmounts(supply, audit.supply);
    }
    return isConserved({ held, supply });
  }

  /** Digest over what there is: equal for equal states. */
  root(): string {
    const texts = [...this.records.values()].map(({ key, bytes }) => `${key.text} ${toHex(bytes)}`).sort();
    return createHash('sha256').update(texts.join('\n')).digest('hex');
  }

  /** Lanes without receipts leave no records but numbers. */
  expectNothingLeft(): void {
    expect(this.pending).toBe(0);
    const left = [...this.records.values()].map(({ key }) => key.kind);
    expect(left.filter((kind) => kind === 'receipt' || kind === 'batch')).toEqual([]);
    expect(shardsIn(this.lanes.current.sources)).toEqual([]);
  }

  /** Empty blocks until nothing is on its way; returns how many. */
  drain(limit = 100): number {
    for (let blocks = 0; blocks < limit; blocks++) {
      if (this.pending === 0) {
        this.expectNothingLeft();
        return blocks;
      }
      this.step();
    }
    throw new Error(`${this.pending} receipts still wait`);
  }
}

function leafChange(key: StateKey, bytes: Uint8Array | null): { path: StatePath; value: Digest | null } {
  const path = key.path as Uint8Array as StatePath;
  return { path, value: bytes === null ? null : recordDigest(bytes, fastSha256) };
}

/** Nothing is ever missing. */
class EverythingLoaded extends LoadedState {
  readonly #world: World;

  constructor(world: World) {
    super();
    this.#world = world;
  }

  override has(): boolean {
    return true;
  }

  override read(key: StateKey): Uint8Array | null {
    return this.#world.records.get(key.text)?.bytes ?? null;
  }
}

export const laneBetween = (world: World, from: string, to: string): Lane => ({
  shardBits: world.shardBits,
  source: world.shardOf(from) as ShardId,
  destination: world.shardOf(to) as ShardId,
});

/** Names whose accounts lie in the shards asked for. */
export function namesIn(shardBits: number, shards: readonly number[]): string[] {
  return shards.map((shard, index) => {
    for (let at = 0; ; at++) {
      const name = `${index}-${at}`;
      if (shardOfHome(homeOf('account', ownerOf(name)), shardBits) === shard) return name;
    }
  });
}

/** Receipts `from` to `to - 1` of the batch at the front of `lane`, proved. */
export function parcelOf(world: World, lane: Lane, from: number, to: number): Parcel {
  const { state } = world;
  const { firstBatch } = state.get(outboxKey(lane), outboxRecord)!;
  const { height, digests, index, count, path } = state.get(batchKey(lane, firstBatch), batchRecord)!;
  const leaves = Array.from({ length: digests.length / 32 }, (_, at) => digests.slice(32 * at, 32 * at + 32));
  const receipts = Array.from({ length: to - from }, (_, at) => {
    const bytes = state.read(receiptKey(lane, from + at))!;
    return { receipt: decodeReceipt(bytes, KINDS.deliveries), bytes };
  });
  const siblings = proveRun(leaves, from - firstBatch, to - firstBatch, fastSha256);
  return {
    batch: { lane, height, first: firstBatch, receipts: leaves.length },
    receipts,
    siblings,
    index,
    count,
    path,
  };
}

/** The block with another body, and a header that fits. */
export function withBody(block: Block, body: Partial<BlockBody>): Block {
  return sealBlock(block.header, { ...block.body, ...body }, KINDS, fastSha256);
}

/** Checks that receipts of each lane end in the order of their numbers, each once. */
export class LaneLog {
  readonly #next = new Map<string, number>();
  /** Receipts executed or taken back. */
  ended = 0;

  add(outcomes: readonly Outcome[]): void {
    for (const outcome of outcomes) {
      if (outcome.kind === 'transaction') continue;
      const lane = laneText(outcome.lane);
      expect(outcome.sequence, lane).toBe(this.#next.get(lane) ?? 0);
      this.#next.set(lane, outcome.sequence + 1);
      this.ended++;
    }
  }
}
