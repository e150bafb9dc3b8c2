// Parts of a state for whoever fetches it: a chunk of the tree with the records behind its leaves, as many as fit a reply.

import { equal, toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { Sha256 } from '../../base/hash.ts';
import { CHUNK_LEAVES_MAX, CHUNK_RECORDS_LENGTH_MAX, HISTORY_READS_CONCURRENCY } from '../../base/limits.ts';
import { recordDigest } from '../../shards/record.ts';
import type { Leaf } from '../../shards/tree/node.ts';
import type { Prefix } from '../../shards/tree/path.ts';
import { damaged, type KeptState } from './kept-state.ts';
import type { StateStore } from './state-store.ts';
import type { StatePart } from './types.ts';

/** The left end of what `kept` has under `asked`, at most as many leaves as their records leave room for, but one. */
export async function cutPart(
  state: StateStore,
  { head, trees }: KeptState,
  asked: Prefix,
  sha256: Sha256,
): Promise<StatePart> {
  const tree = trees.find(({ prefix }) => asked.startsWith(prefix));
  if (tree === undefined) {
    throw new StoreError('INVALID_ARGUMENT', `no shard of height ${head.height} has all of "${asked}"`);
  }
  const chunk = await state.trees.chunk(tree, asked, CHUNK_LEAVES_MAX);
  const records = await recordsThatFit(state, head.height, chunk.leaves, sha256);
  if (records.length === chunk.leaves.length) return { chunk, records };
  // A chunk of less leaves is at the left end of this one.
  const smaller = await state.trees.chunk(tree, asked, records.length);
  return { chunk: smaller, records: records.slice(0, smaller.leaves.length) };
}

/** The records of the first leaves, as many as fit, and one at least if there is a leaf. */
async function recordsThatFit(
  state: StateStore,
  height: number,
  leaves: readonly Leaf[],
  sha256: Sha256,
): Promise<Uint8Array[]> {
  const fitting: Uint8Array[] = [];
  let length = 0;
  for (let at = 0; at < leaves.length; at += HISTORY_READS_CONCURRENCY) {
    const some = leaves.slice(at, at + HISTORY_READS_CONCURRENCY);
    const records = await state.records.readAt(
      height,
      some.map(({ path }) => ({ path, text: toHex(path) })),
    );
    for (const [index, record] of records.entries()) {
      const { path, value } = some[index]!;
      if (record === null || !equal(recordDigest(record, sha256), value)) {
        throw damaged(`record ${toHex(path)} is not what the state after height ${height} says`);
      }
      length += record.length;
      if (length > CHUNK_RECORDS_LENGTH_MAX && fitting.length > 0) return fitting;
      fitting.push(record);
    }
  }
  return fitting;
}
