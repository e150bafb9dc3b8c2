// A state on its way here, part by part. Each part is planted as a tree of its own under the prefix of its chunk, with nodes of the
// version that the whole will have; when all is there the trees are joined, and only the few nodes above them are new.

import { equal } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { Digest } from '../../base/ids.ts';
import { STATE_RECORD_LENGTH_MAX } from '../../base/limits.ts';
import type { KeyValueOperation } from '../../base/ports.ts';
import { Writer } from '../../consensus/binary.ts';
import type { LocalKeyValue } from '../../runtime/key-value.ts';
import { recordDigest } from '../../shards/record.ts';
import { chunkProblem, uncovered } from '../../shards/tree/chunk.ts';
import {
  decodeTree,
  EMPTY,
  encodeTree,
  prefixLength,
  type Tree,
  type WrittenNode,
  writePrefix,
} from '../../shards/tree/node.ts';
import { type Prefix, shardPrefix } from '../../shards/tree/path.ts';
import { assembleTree } from '../../shards/tree/reshape.ts';
import { updateTree } from '../../shards/tree/update.ts';
import { damaged, type KeptState, keptState } from './kept-state.ts';
import { putRecord } from './record-store.ts';
import { StateStore } from './state-store.ts';
import { partKey, subjectRange } from './store-keys.ts';
import type { TaskQueue } from './task-queue.ts';
import { putNode } from './tree-store.ts';
import type { Head, RestoreTarget, StatePart, StateRestore } from './types.ts';

export interface FetchPorts {
  readonly keyValue: LocalKeyValue;
  readonly sha256: Sha256;
  readonly writes: TaskQueue;
  /** Writes what makes `kept` the head. */
  readonly install: (
    fetch: StateFetch,
    state: StateStore,
    kept: KeptState,
    operations: readonly KeyValueOperation[],
  ) => Promise<Head>;
  readonly abandon: (fetch: StateFetch) => Promise<void>;
}

export class StateFetch implements StateRestore {
  readonly target: RestoreTarget;
  readonly generation: number;
  readonly #ports: FetchPorts;
  readonly #parts = new Map<Prefix, Tree>();
  #pending: readonly Prefix[];
  #isOver = false;

  private constructor(ports: FetchPorts, target: RestoreTarget, generation: number) {
    this.#ports = ports;
    this.target = target;
    this.generation = generation;
    this.#pending = target.head.shards.map(({ shard, shardBits }) => shardPrefix(shard, shardBits));
  }

  /** With the parts that are here already. */
  static async open(ports: FetchPorts, target: RestoreTarget, generation: number): Promise<StateFetch> {
    const fetch = new StateFetch(ports, target, generation);
    const { from, to } = subjectRange(generation, 'part');
    for await (const [, bytes] of ports.keyValue.range(from, to)) fetch.#note(decodeTree(bytes));
    return fetch;
  }

  get head(): Head {
    return this.target.head;
  }

  get pending(): readonly Prefix[] {
    return this.#pending;
  }

  // ---- Parts -------------------------------------------------------------------------------------------------

  put(part: StatePart): Promise<void> {
    return this.#write(async () => {
      const problem = partProblem(this.head, part, this.#ports.sha256);
      if (problem !== undefined) {
        throw new StoreError('INTEGRITY', `a part of the state after height ${this.head.height}: ${problem}`);
      }
      const { prefix } = part.chunk;
      const isNew = this.#pending.some((left) => left.startsWith(prefix) || prefix.startsWith(left));
      if (!isNew) return;
      const { tree, written } = this.#planted(part);
      await this.#ports.keyValue.batch(
        [
          ...part.chunk.leaves.map(({ path }, index) =>
            putRecord(this.generation, path, this.head.height, part.records[index]!),
          ),
          ...written.map((node) => putNode(this.generation, node)),
          ...this.#within(prefix).map((old) => this.#deletePart(old)),
          { kind: 'put', key: this.#partKey(prefix), value: encodeTree(tree) },
        ],
        { isDurable: true },
      );
      this.#note(tree);
    });
  }

  #planted({ chunk }: StatePart): { readonly tree: Tree; readonly written: readonly WrittenNode[] } {
    const empty: Tree = { prefix: chunk.prefix, top: EMPTY };
    const planted = updateTree(new Map(), empty, this.head.height, chunk.leaves, this.#ports.sha256);
    if (planted.kind === 'missing') throw new Error('an empty tree misses nothing');
    return planted;
  }

  /** The part is here; those that it holds are no parts of their own any more. */
  #note(tree: Tree): void {
    for (const old of this.#within(tree.prefix)) this.#parts.delete(old);
    this.#parts.set(tree.prefix, tree);
    this.#pending = uncovered(this.#pending, tree.prefix);
  }

  #within(prefix: Prefix): Prefix[] {
    return [...this.#parts.keys()].filter((part) => part.startsWith(prefix));
  }

  #partKey(prefix: Prefix): Uint8Array {
    const writer = new Writer(prefixLength(prefix));
    writePrefix(writer, prefix);
    return partKey(this.generation, writer.finish());
  }

  #deletePart(prefix: Prefix): KeyValueOperation {
    return { kind: 'delete', key: this.#partKey(prefix) };
  }

  // ---- The end -----------------------------------------------------------------------------------------------

  finish(): Promise<Head> {
    return this.#write(async () => {
      if (this.#pending.length > 0) {
        throw new StoreError(
          'INVALID_ARGUMENT',
          `${this.#pending.length} parts of the state are not here yet`,
        );
      }
      const { keyValue, sha256 } = this.#ports;
      const { shards, ...about } = this.head;
      const state = new StateStore(keyValue, this.generation, sha256);
      const whole = shards.map(({ shard, shardBits }) => this.#assembled(shardPrefix(shard, shardBits)));
      const written = whole.flatMap((assembled) => assembled.written);
      const grown = { trees: whole.map(({ tree }) => tree), written, operations: [] };
      const reshaped = await state.trees.reshape(grown, about.height, about.shardBits);
      const outboxRoots = shards.map(({ outboxRoot }) => outboxRoot);
      const kept = keptState(about, grown.trees, reshaped.trees, outboxRoots, sha256);
      if (!isSameState(kept.head, this.head))
        throw damaged('what was fetched is not the state that was asked for');
      const head = await this.#ports.install(this, state, kept, [
        ...written.map((node) => putNode(this.generation, node)),
        ...reshaped.operations,
        ...[...this.#parts.keys()].map((prefix) => this.#deletePart(prefix)),
        state.putKept(kept),
      ]);
      this.#isOver = true;
      return head;
    });
  }

  #assembled(prefix: Prefix): { readonly tree: Tree; readonly written: readonly WrittenNode[] } {
    const parts = [...this.#parts.values()].filter((part) => part.prefix.startsWith(prefix));
    return assembleTree(prefix, parts, this.head.height, this.#ports.sha256);
  }

  abandon(): Promise<void> {
    return this.#ports.writes.run(async () => {
      if (this.#isOver) return;
      await this.#ports.abandon(this);
      this.#isOver = true;
    });
  }

  #write<T>(task: () => Promise<T>): Promise<T> {
    return this.#ports.writes.run(() => {
      if (this.#isOver) throw new StoreError('CLOSED', 'this state is not being fetched any more');
      return task();
    });
  }
}

function isSameState(a: Head, b: Head): boolean {
  return a.shards.every(({ stateRoot }, shard) => equal(stateRoot, b.shards[shard]!.stateRoot));
}

/** Why a part does not belong to the state of `head`; undefined when it does. */
function partProblem({ shards }: Head, { chunk, records }: StatePart, sha256: Sha256): string | undefined {
  const shard = shards.find((header) => chunk.prefix.startsWith(shardPrefix(header.shard, header.shardBits)));
  if (shard === undefined) return 'no shard has all of it';
  const prefix = shardPrefix(shard.shard, shard.shardBits);
  const problem = chunkProblem({ prefix, digest: shard.stateRoot }, chunk, sha256);
  if (problem !== undefined) return problem;
  if (records.length !== chunk.leaves.length) return 'there are not as many records as leaves';
  const areRight = records.every(
    (record, index) =>
      record.length <= STATE_RECORD_LENGTH_MAX && isOf(chunk.leaves[index]!.value, record, sha256),
  );
  return areRight ? undefined : 'a record is not the one of its leaf';
}

function isOf(value: Digest, record: Uint8Array, sha256: Sha256): boolean {
  return equal(recordDigest(record, sha256), value);
}
