// Records that come with proofs, against a header that is verified: header -> headers of shards -> root of a shard's tree -> leaf -> record.
// The state is the one after the block before the header. Pure.

import { equal } from '../../base/bytes.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { ShardId } from '../../base/ids.ts';
import { type Header, type ShardHeader, shardsRootOf } from '../../shards/header.ts';
import { recordDigest } from '../../shards/record.ts';
import { prefixOf, shardPrefix, type StatePath } from '../../shards/tree/path.ts';
import { checkProof, type StateProof } from '../../shards/tree/proof.ts';
import type { Loaded } from '../../shards/view.ts';

/** Why these are not the headers of all shards that `header` names; undefined when they are. */
export function shardsProblem(
  header: Header,
  shards: readonly ShardHeader[],
  sha256: Sha256,
): string | undefined {
  const { shardBits, shardsRoot } = header;
  if (shards.length !== 2 ** shardBits) return `${shards.length} shards of 2^${shardBits}`;
  const areInOrder = shards.every((each, index) => each.shardBits === shardBits && each.shard === index);
  if (!areInOrder) return 'the headers of shards are out of order';
  return equal(shardsRootOf(shards, sha256), shardsRoot) ? undefined : 'other headers of shards';
}

/** Why `record` is not what the state has at `path`; undefined when it is. `shards` are those of a verified header. */
export function recordProblem(
  shards: readonly ShardHeader[],
  path: StatePath,
  record: Loaded,
  proof: StateProof,
  sha256: Sha256,
): string | undefined {
  const { shardBits } = shards[0]!;
  const shard = (shardBits === 0 ? 0 : Number.parseInt(prefixOf(path, shardBits), 2)) as ShardId;
  const head = { prefix: shardPrefix(shard, shardBits), digest: shards[shard]!.stateRoot };
  const verdict = checkProof(head, path, proof, sha256);
  switch (verdict.kind) {
    case 'refused':
      return `the proof is refused: ${verdict.reason}`;
    case 'absent':
      return record === null ? undefined : 'there is no such record';
    case 'present':
      if (record === null) return 'there is a record';
      return equal(recordDigest(record, sha256), verdict.value) ? undefined : 'another record';
  }
}
