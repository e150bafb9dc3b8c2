// Fetching a state: parts of it are kept under the generation that follows the present one, until nothing is pending; then one durable
// write makes it the head. The state that is here stays readable until then, and is swept away after it, by pruning.
//
// Invariants: what is not proven by the shard headers of the target is never written; every part is durable when `put` resolves, with its
// records, its nodes and the note that it is here, so what is pending after a crash follows from the notes. A generation begins empty.

import { compare, equal } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { NetworkId } from '../../base/ids.ts';
import { PRUNE_ENTRIES_PER_STEP } from '../../base/limits.ts';
import type { KeyValueOperation } from '../../base/ports.ts';
import type { LocalKeyValue } from '../../runtime/key-value.ts';
import type { Kinds } from '../../shards/block.ts';
import type { BlockStore } from './block-store.ts';
import { type KeptState, putMeta } from './kept-state.ts';
import { decodeTarget, encodeTarget, targetProblem } from './restore-target.ts';
import { StateFetch } from './state-fetch.ts';
import type { Current, StateStore } from './state-store.ts';
import { chainKey, generationRange } from './store-keys.ts';
import { TaskQueue } from './task-queue.ts';
import type { Head, RestoreTarget, StateRestore } from './types.ts';

export interface RestorerPorts {
  readonly keyValue: LocalKeyValue;
  readonly sha256: Sha256;
  readonly kinds: Kinds;
  readonly blocks: BlockStore;
  /** Whatever is written is written in its turn. */
  readonly writes: TaskQueue;
  readonly current: () => Current | undefined;
  readonly replace: (next: Current) => void;
}

const GENERATIONS = 2 ** 32 - 1;
const RESTORE_KEY: Uint8Array = chainKey('restore');

export class Restorer {
  readonly #ports: RestorerPorts;
  readonly #begins = new TaskQueue();
  #fetch: StateFetch | undefined;

  constructor(ports: RestorerPorts) {
    this.#ports = ports;
  }

  get restoring(): StateRestore | undefined {
    return this.#fetch;
  }

  get #present(): number {
    return this.#ports.current()?.meta.generation ?? 0;
  }

  /** After the start: goes on with what a crash interrupted. */
  async resume(): Promise<void> {
    const { keyValue, kinds, sha256 } = this.#ports;
    const bytes = await keyValue.get(RESTORE_KEY);
    if (bytes !== undefined) this.#fetch = await this.#opened(decodeTarget(bytes, kinds, sha256));
  }

  #opened(target: RestoreTarget): Promise<StateFetch> {
    const { keyValue, sha256, writes } = this.#ports;
    const ports = {
      keyValue,
      sha256,
      writes,
      install: this.#install.bind(this),
      abandon: this.#abandon.bind(this),
    };
    return StateFetch.open(ports, target, this.#present + 1);
  }

  begin(target: RestoreTarget): Promise<StateRestore> {
    return this.#begins.run(async () => {
      const problem = targetProblem(target);
      if (problem !== undefined) throw new StoreError('INVALID_ARGUMENT', `the state to fetch: ${problem}`);
      if (this.#fetch !== undefined && isSame(this.#fetch.target, target)) return this.#fetch;
      this.#checkNetwork(target.network);
      this.#checkAbove(target.head.height);
      await this.#fetch?.abandon();
      while (await this.#ports.writes.run(() => this.sweepStep()));
      // What was swept must not come back after a power cut and pass for a part of this state.
      await this.#ports.keyValue.flush();
      return this.#ports.writes.run(async () => {
        const put = { kind: 'put' as const, key: RESTORE_KEY, value: encodeTarget(target) };
        await this.#ports.keyValue.batch([put], { isDurable: true });
        this.#fetch = await this.#opened(target);
        return this.#fetch;
      });
    });
  }

  #checkNetwork(network: NetworkId): void {
    const own = this.#ports.current()?.meta.network;
    if (own === undefined || equal(own, network)) return;
    throw new StoreError('WRONG_NETWORK', 'the state to fetch is of another network than the chain here');
  }

  #checkAbove(height: number): void {
    const head = this.#ports.current()?.meta.height ?? -1;
    if (height > head) return;
    throw new StoreError(
      'INVALID_ARGUMENT',
      `the chain is at height ${head}, nothing is fetched for ${height}`,
    );
  }

  async #abandon(fetch: StateFetch): Promise<void> {
    if (this.#fetch !== fetch) return;
    await this.#ports.keyValue.batch([{ kind: 'delete', key: RESTORE_KEY }], { isDurable: true });
    this.#fetch = undefined;
  }

  /** Makes what was fetched the head. */
  async #install(
    fetch: StateFetch,
    state: StateStore,
    kept: KeptState,
    operations: readonly KeyValueOperation[],
  ): Promise<Head> {
    const { network, head, decided } = fetch.target;
    const { height } = head;
    this.#checkAbove(height);
    const { generation } = fetch;
    const meta = { network, generation, height, oldestBlock: height, oldestState: height };
    const { keyValue, blocks, replace } = this.#ports;
    await keyValue.batch(
      [...operations, ...blocks.operations(decided, []), { kind: 'delete', key: RESTORE_KEY }, putMeta(meta)],
      { isDurable: true },
    );
    blocks.remember(height);
    this.#fetch = undefined;
    replace({ meta, kept, state });
    return kept.head;
  }

  /** Deletes some of the states that are neither here nor being fetched; nothing else may write meanwhile. False: there is no more. */
  async sweepStep(): Promise<boolean> {
    const present = this.#present;
    const after = this.#fetch === undefined ? present + 1 : present + 2;
    return (await this.#sweep(0, present)) || (await this.#sweep(after, GENERATIONS));
  }

  async #sweep(first: number, end: number): Promise<boolean> {
    const { from, to } = generationRange(first, end);
    const keys: Uint8Array[] = [];
    if (compare(from, to) >= 0) return false;
    for await (const [key] of this.#ports.keyValue.range(from, to, PRUNE_ENTRIES_PER_STEP)) keys.push(key);
    if (keys.length > 0) await this.#ports.keyValue.batch(keys.map((key) => ({ kind: 'delete', key })));
    return keys.length > 0;
  }
}

function isSame(a: RestoreTarget, b: RestoreTarget): boolean {
  return compare(encodeTarget(a), encodeTarget(b)) === 0;
}
