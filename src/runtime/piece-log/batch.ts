// What one batch writes: from operations in order and the index rows of their keys to bytes, row changes and counts.
// Pure: the writer does the reading and writing around it.

import { toHex } from '../../base/bytes.ts';
import { isSamePlace, type Location } from './log-index.ts';
import { encodeHead, headLength, type Identity, type RecordHead, recordLength } from './record.ts';

export type WriteOperation =
  | {
      readonly kind: 'put';
      readonly key: Uint8Array;
      readonly meta: Uint8Array;
      readonly metaChecksum: number;
      /** The payload. */
      readonly body: Uint8Array;
      readonly blockChecksums: readonly number[];
    }
  | { readonly kind: 'remove'; readonly keys: readonly Uint8Array[] }
  /** Compaction: the record `head` with its meta and payload as they stand, damaged or not, unless the key changed. */
  | { readonly kind: 'move'; readonly key: Uint8Array; readonly head: RecordHead; readonly body: Uint8Array }
  /** Compaction: the tombstone goes on, unless the key was put again. */
  | { readonly kind: 'keep'; readonly key: Uint8Array; readonly horizon: number }
  /** The entry at that place is damaged: its row says so from now on, unless the key changed. */
  | { readonly kind: 'quarantine'; readonly key: Uint8Array; readonly at: Location };

export interface Batch {
  readonly parts: readonly Uint8Array[];
  /** Bytes of all parts. */
  readonly length: number;
  readonly tombstoneBytes: number;
  readonly changes: readonly RowChange[];
  /** Per operation: how many keys it took effect on. */
  readonly results: readonly number[];
}

interface RowChange {
  readonly key: Uint8Array;
  readonly before: Location | undefined;
  readonly after: Location | undefined;
}

/** Where a batch will be written, in a file of which everything before `syncedOffset` is synced. */
export interface BatchPlace {
  readonly file: number;
  readonly offset: number;
  readonly syncedOffset: number;
}

/** `rows` has the row of every key named, by hex key; `end` is where the batch will be written. */
export function planBatch(
  operations: readonly WriteOperation[],
  rows: ReadonlyMap<string, Location | undefined>,
  end: BatchPlace,
  identity: Identity,
): Batch {
  const plan = new Plan(rows, end, identity);
  const results = operations.map((operation) => plan.add(operation));
  return {
    parts: plan.parts,
    length: plan.length,
    tombstoneBytes: plan.tombstoneBytes,
    changes: plan.changes(),
    results,
  };
}

class Plan {
  readonly parts: Uint8Array[] = [];
  length = 0;
  tombstoneBytes = 0;
  readonly #before: ReadonlyMap<string, Location | undefined>;
  readonly #after: Map<string, { readonly key: Uint8Array; readonly row: Location | undefined }> = new Map();
  readonly #end: BatchPlace;
  readonly #identity: Identity;

  constructor(rows: ReadonlyMap<string, Location | undefined>, end: BatchPlace, identity: Identity) {
    this.#before = rows;
    this.#end = end;
    this.#identity = identity;
  }

  /** Returns how many keys the operation took effect on. */
  add(operation: WriteOperation): number {
    switch (operation.kind) {
      case 'put':
        this.#put(operation, [operation.meta, operation.body], {
          metaLength: operation.meta.length,
          payloadLength: operation.body.length,
          metaChecksum: operation.metaChecksum,
          blockChecksums: operation.blockChecksums,
        });
        return 1;
      case 'remove':
        return operation.keys.filter((key) => this.#remove(key)).length;
      case 'move': {
        const row = this.#row(operation.key);
        if (row === undefined || !isSamePlace(row, { ...row, ...placeOf(operation.head) })) return 0;
        this.#put(operation, [operation.body], operation.head, row.isDamaged);
        return 1;
      }
      case 'keep':
        if (this.#row(operation.key) !== undefined) return 0;
        this.#tombstone(operation.key, operation.horizon);
        return 1;
      case 'quarantine': {
        const row = this.#row(operation.key);
        if (row === undefined || !isSamePlace(row, operation.at)) return 0;
        this.#set(operation.key, { ...row, isDamaged: true });
        return 1;
      }
    }
  }

  changes(): RowChange[] {
    return [...this.#after].map(([hex, { key, row }]) => ({
      key,
      before: this.#before.get(hex),
      after: row,
    }));
  }

  #put(
    { key }: { readonly key: Uint8Array },
    body: readonly Uint8Array[],
    shape: Pick<RecordHead, 'metaLength' | 'payloadLength' | 'metaChecksum' | 'blockChecksums'>,
    isDamaged = false,
  ): void {
    const { metaLength, payloadLength, metaChecksum, blockChecksums } = shape;
    const head = this.#head({
      kind: 'put',
      key,
      metaLength,
      payloadLength,
      metaChecksum,
      blockChecksums,
      horizon: 0,
    });
    this.#append(head, body);
    this.#set(key, {
      ...placeOf(head),
      headLength: headLength(key.length, payloadLength),
      metaLength,
      payloadLength,
      isDamaged,
    });
  }

  #remove(key: Uint8Array): boolean {
    if (this.#row(key) === undefined) return false;
    this.#tombstone(key, this.#end.file);
    this.#set(key, undefined);
    return true;
  }

  #tombstone(key: Uint8Array, horizon: number): void {
    const empty = { metaLength: 0, payloadLength: 0, metaChecksum: 0, blockChecksums: [] };
    const head = this.#head({ kind: 'remove', key, ...empty, horizon });
    this.#append(head, []);
    this.tombstoneBytes += recordLength(head);
  }

  #head(head: Omit<RecordHead, 'file' | 'offset' | 'batchOffset'>): RecordHead {
    const { file, offset, syncedOffset } = this.#end;
    return { ...head, file, offset: offset + this.length, batchOffset: syncedOffset };
  }

  #append(head: RecordHead, body: readonly Uint8Array[]): void {
    this.parts.push(encodeHead(head, this.#identity), ...body);
    this.length += recordLength(head);
  }

  #row(key: Uint8Array): Location | undefined {
    const hex = toHex(key);
    const change = this.#after.get(hex);
    return change === undefined ? this.#before.get(hex) : change.row;
  }

  #set(key: Uint8Array, row: Location | undefined): void {
    this.#after.set(toHex(key), { key, row });
  }
}

function placeOf(head: RecordHead): { readonly file: number; readonly offset: number } {
  return { file: head.file, offset: head.offset };
}
