// A chain's store: blocks and states on a KeyValue that others may use too. What a block does (its bytes, certificate, records, nodes,
// index, and the head itself) is one durable batch, so after a crash at any moment the store is at the last block that was committed.
//
// Invariants
//   One thing is written at a time; reads wait for nothing. A read says at which height it reads, and fails or begins anew when that
//   height was pruned meanwhile: what it gives is of one state.
//   `oldestState` is raised before anything is deleted that states below it need.
//   Which height is the head, and under which generation its state lies, stands in one record.

import { assert } from '../../base/assert.ts';
import { equal, toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { Digest, NetworkId } from '../../base/ids.ts';
import type { KeyValueOperation } from '../../base/ports.ts';
import type { LocalKeyValue } from '../../runtime/key-value.ts';
import { decodeBlock, type Kinds } from '../../shards/block.ts';
import { shardsRootOf } from '../../shards/header.ts';
import type { Executed } from '../../shards/session.ts';
import type { StateKey } from '../../shards/state-key.ts';
import type { Prefix, StatePath } from '../../shards/tree/path.ts';
import type { Change, Loaded } from '../../shards/view.ts';
import { BlockStore } from './block-store.ts';
import { damaged, decodeMeta, type KeptState, putMeta, type StoreMeta } from './kept-state.ts';
import { cutPart } from './state-part.ts';
import { Restorer } from './state-restorer.ts';
import { type Current, StateStore } from './state-store.ts';
import { chainKey } from './store-keys.ts';
import { TaskQueue } from './task-queue.ts';
import type {
  ChainStore,
  Decided,
  Decision,
  Derived,
  Head,
  Oldest,
  ProvenState,
  RestoreTarget,
  StatePart,
  StateRestore,
  StillState,
  TransactionPlace,
} from './types.ts';

export interface ChainStorePorts {
  readonly keyValue: LocalKeyValue;
  readonly sha256: Sha256;
  /** What the network's blocks may hold. */
  readonly kinds: Kinds;
  readonly derived?: Derived;
}

/** Opens what is there at the last block that was committed. Throws DAMAGED when head, trees and block do not fit together. */
export async function openChainStore(ports: ChainStorePorts): Promise<ChainStore> {
  const { keyValue, kinds, sha256 } = ports;
  try {
    const blocks = await BlockStore.open(keyValue, kinds, sha256);
    const bytes = await keyValue.get(chainKey('meta'));
    const current = bytes === undefined ? undefined : await openCurrent(ports, decodeMeta(bytes), blocks);
    const store = new StoredChain(ports, blocks, current);
    await store.resume();
    return store;
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'INVALID_ENCODING') throw error;
    throw damaged(error.message, error);
  }
}

async function openCurrent(
  { keyValue, kinds, sha256 }: ChainStorePorts,
  meta: StoreMeta,
  blocks: BlockStore,
): Promise<Current> {
  const state = new StateStore(keyValue, meta.generation, sha256);
  const kept = await state.keptAt(meta.height);
  if (kept === undefined) throw damaged(`the state after height ${meta.height} is gone`);
  await Promise.all([state.checkTops(kept), state.loadPins()]);
  if (meta.height > 0) await checkHead(meta, kept, state, await blocks.decision(meta.height), kinds, sha256);
  return { meta, kept, state };
}

/** The block of the head is the one it names, was decided, and builds on the state before. */
async function checkHead(
  { height, oldestState, network }: StoreMeta,
  { head }: KeptState,
  state: StateStore,
  decision: Decision | undefined,
  kinds: Kinds,
  sha256: Sha256,
): Promise<void> {
  if (decision === undefined) throw damaged(`block ${height}, the head, is gone`);
  const { id, header } = decodeBlock(decision.block, kinds, sha256);
  const isNamed = equal(id, head.id) && header.height === height && header.timeMs === head.timeMs;
  if (!isNamed || !equal(header.network, network))
    throw damaged(`block ${height} is not the one of the head`);
  if (decision.certificate.blockId !== toHex(id)) throw damaged(`block ${height} has another's certificate`);
  if (height - 1 < oldestState) return;
  const before = await state.keptAt(height - 1);
  if (before === undefined) throw damaged(`the state after height ${height - 1} is gone`);
  if (!equal(shardsRootOf(before.head.shards, sha256), header.shardsRoot)) {
    throw damaged(`block ${height} does not build on the state before it`);
  }
}

class StoredChain implements ChainStore {
  readonly #ports: ChainStorePorts;
  readonly #blocks: BlockStore;
  readonly #restorer: Restorer;
  readonly #writes = new TaskQueue();
  #current: Current | undefined;

  constructor(ports: ChainStorePorts, blocks: BlockStore, current: Current | undefined) {
    this.#ports = ports;
    this.#blocks = blocks;
    this.#current = current;
    this.#restorer = new Restorer({
      ...ports,
      blocks,
      writes: this.#writes,
      current: () => this.#current,
      replace: (next) => {
        this.#current = next;
        ports.derived?.replaced();
      },
    });
  }

  async resume(): Promise<void> {
    await this.#restorer.resume();
  }

  get head(): Head | undefined {
    return this.#current?.kept.head;
  }

  get network(): NetworkId | undefined {
    return this.#current?.meta.network;
  }

  get oldestBlock(): number {
    return this.#current?.meta.oldestBlock ?? 1;
  }

  get oldestState(): number {
    return this.#current?.meta.oldestState ?? 0;
  }

  hasState(height: number): boolean {
    return this.#current !== undefined && this.#isThere(this.#current.state, height);
  }

  // ---- Writing -----------------------------------------------------------------------------------------------

  found(changes: readonly Change[], head: Omit<Head, 'shards'>, network: NetworkId): Promise<Head> {
    return this.#writes.run(async () => {
      assert(head.height === 0, 'a chain is founded at height 0');
      if (this.#current !== undefined) throw new StoreError('ALREADY_EXISTS', 'the chain has its genesis');
      const { keyValue, sha256 } = this.#ports;
      const state = new StateStore(keyValue, 0, sha256);
      const next = await state.first(head, changes);
      const meta = { network, generation: 0, height: 0, oldestBlock: 1, oldestState: 0 };
      await this.#write([...next.operations, putMeta(meta)]);
      next.remember();
      this.#current = { meta, kept: next.kept, state };
      return next.kept.head;
    });
  }

  commit(decided: Decided, executed: Executed): Promise<Head> {
    return this.#writes.run(async () => {
      const { meta, kept, state } = this.#open();
      const { header, id } = decided.block;
      const { height, timeMs } = header;
      assert(height === meta.height + 1 && equal(header.parent, kept.head.id), 'a block follows the head');
      const about = { height, id, timeMs, shardBits: executed.shardBits };
      const next = await state.next(kept.nextTrees, about, executed);
      const nextMeta = { ...meta, height };
      const blocks = this.#blocks.operations(decided, executed.outcomes);
      const derived = await this.#ports.derived?.next(decided, executed, kept.head, this);
      await this.#write([...next.operations, ...blocks, ...(derived?.operations ?? []), putMeta(nextMeta)]);
      next.remember();
      this.#blocks.remember(height);
      this.#current = { meta: nextMeta, kept: next.kept, state };
      derived?.remember();
      return next.kept.head;
    });
  }

  still<T>(task: (state: StillState) => Promise<T>): Promise<T> {
    return this.#writes.run(() => {
      const { meta, kept, state } = this.#open();
      return task({
        head: kept.head,
        network: meta.network,
        load: (keys) => this.load(keys),
        latest: (from, limit) => state.records.latest(from, limit),
      });
    });
  }

  keepCandidate(height: number, id: Digest, block: Uint8Array): Promise<void> {
    return this.#writes.run(() => this.#blocks.keepCandidate(height, id, block));
  }

  async #write(operations: readonly KeyValueOperation[]): Promise<void> {
    await this.#ports.keyValue.batch(operations, { isDurable: true });
  }

  // ---- Reading -----------------------------------------------------------------------------------------------

  async load(keys: readonly StateKey[]): Promise<readonly Loaded[]> {
    for (;;) {
      const { state, meta } = this.#open();
      const records = await state.records.readAt(meta.height, keys);
      if (this.#isThere(state, meta.height)) return records;
    }
  }

  prove(height: number, paths: readonly Digest[]): Promise<ProvenState> {
    return this.#readAt(height, async (state, { head, trees }) => {
      const places = paths.map((path) => ({ path, text: toHex(path) }));
      const [records, proofs] = await Promise.all([
        state.records.readAt(height, places),
        state.trees.prove(trees, paths as readonly Uint8Array[] as readonly StatePath[]),
      ]);
      return { height, shards: head.shards, records, proofs };
    });
  }

  chunk(height: number, prefix: Prefix): Promise<StatePart> {
    return this.#readAt(height, (state, kept) => cutPart(state, kept, prefix, this.#ports.sha256));
  }

  /** Reads the state after `height`. Whatever went wrong, when the state is gone since, that is why. */
  async #readAt<T>(height: number, read: (state: StateStore, kept: KeptState) => Promise<T>): Promise<T> {
    const { state } = this.#open();
    if (!this.#isThere(state, height)) throw this.#notHere(height);
    try {
      const kept = await state.keptAt(height);
      if (kept === undefined) throw damaged(`the state after height ${height} is gone`);
      const result = await read(state, kept);
      if (this.#isThere(state, height)) return result;
    } catch (error) {
      if (this.#isThere(state, height)) throw error;
    }
    throw this.#notHere(height);
  }

  /** Whether the state after `height` can still be read in `state`. */
  #isThere(state: StateStore, height: number): boolean {
    const { meta, state: current } = this.#open();
    const isKept = height >= meta.oldestState || state.pins.includes(height);
    return state === current && isKept && height <= meta.height;
  }

  #notHere(height: number): StoreError {
    const { meta, state } = this.#open();
    const heights = [...state.pins, `${meta.oldestState} to ${meta.height}`].join(', ');
    return new StoreError('NOT_FOUND', `the state after height ${height} is not here`, {
      next: `Ask for one of heights ${heights}, or ask a node that keeps more.`,
    });
  }

  #open(): Current {
    if (this.#current === undefined) throw new StoreError('NOT_FOUND', 'the chain has no genesis here');
    return this.#current;
  }

  candidate(height: number, id: Digest): Promise<Uint8Array | undefined> {
    return this.#blocks.candidate(height, id);
  }

  decision(height: number): Promise<Decision | undefined> {
    return this.#blocks.decision(height);
  }

  transaction(id: Digest): Promise<TransactionPlace | undefined> {
    return this.#blocks.transaction(id);
  }

  // ---- Pruning -----------------------------------------------------------------------------------------------

  async prune(oldest: Oldest, signal?: AbortSignal): Promise<void> {
    await this.#writes.run(() => this.#raiseOldest(oldest));
    // Others write between the steps, and what a stop leaves is deleted by the next run: what is asked for below `oldest` is refused already.
    while (signal?.aborted !== true && (await this.#writes.run(() => this.#pruneStep())));
  }

  async #raiseOldest({ block, state: wanted, states = [] }: Oldest): Promise<void> {
    const current = this.#current;
    if (current === undefined) return;
    const { meta, state } = current;
    const oldestBlock = Math.max(meta.oldestBlock, Math.min(block, meta.height));
    const oldestState = Math.max(meta.oldestState, Math.min(wanted, meta.height));
    const next = { ...meta, oldestBlock, oldestState };
    const isHere = (height: number): boolean => height >= meta.oldestState || state.pins.includes(height);
    const pins = [...new Set(states)]
      .filter((height) => height < oldestState && isHere(height))
      .toSorted((a, b) => a - b);
    const hasPins = pins.join() !== state.pins.join();
    if (oldestBlock === meta.oldestBlock && oldestState === meta.oldestState && !hasPins) return;
    const pinned = state.pinned(pins);
    await this.#write([putMeta(next), ...(hasPins ? [pinned.operation] : [])]);
    pinned.remember();
    this.#current = { ...current, meta: next };
  }

  async #pruneStep(): Promise<boolean> {
    if (await this.#restorer.sweepStep()) return true;
    if (this.#current === undefined) return false;
    const { meta, state } = this.#current;
    return (await this.#blocks.pruneStep(meta.oldestBlock)) || (await state.pruneStep(meta.oldestState));
  }

  // ---- Restoring ---------------------------------------------------------------------------------------------

  restore(target: RestoreTarget): Promise<StateRestore> {
    return this.#restorer.begin(target);
  }

  get restoring(): StateRestore | undefined {
    return this.#restorer.restoring;
  }
}
