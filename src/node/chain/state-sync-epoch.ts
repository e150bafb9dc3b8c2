// How many shards the block after a checkpoint has. No header of its height says so: a header counts the shards after its parent, and at a
// border they may double or halve for the next block. The epoch's record does, and one chunk of the state proves it.

import { decodeCanonical } from '../../base/codec.ts';
import { equal } from '../../base/bytes.ts';
import { STATE_RECORD_LENGTH_MAX } from '../../base/limits.ts';
import { judged, Lie } from '../../client/chain/providers.ts';
import { CHAIN_SERVICES } from '../../shards/chain-messages.ts';
import { epochStateKey, epochStateRecord } from '../../shards/epoch-state.ts';
import type { ShardHeader } from '../../shards/header.ts';
import { recordDigest } from '../../shards/record.ts';
import { CHUNK_REPLY_LENGTH_MAX, decodeChunkReply, encodeChunkRequest } from '../../shards/sync-messages.ts';
import { chunkProblem } from '../../shards/tree/chunk.ts';
import { isUnder, PATH_BITS, prefixOf, shardPrefix, type StatePath } from '../../shards/tree/path.ts';
import type { TargetPorts } from './state-sync-target.ts';

/** Of the state after `height`, whose proven headers are `shards`. Throws what `Providers.first` throws. */
export async function nextShardBits(
  ports: Pick<TargetPorts, 'providers' | 'sha256'>,
  height: number,
  shards: readonly ShardHeader[],
  signal: AbortSignal,
): Promise<number> {
  const { providers, sha256 } = ports;
  const path = epochStateKey().path as Uint8Array as StatePath;
  const header = encodeChunkRequest({ height, prefix: prefixOf(path, PATH_BITS) });
  const { value } = await providers.first(`epoch after height ${height}`, async (node) => {
    const bytes = await providers.ask(node, {
      service: CHAIN_SERVICES.chunk,
      header,
      maxBodyLength: CHUNK_REPLY_LENGTH_MAX,
      signal,
    });
    const { chunk, records } = judged(() => decodeChunkReply(bytes));
    const shard = shards.find((each) => isUnder(path, shardPrefix(each.shard, each.shardBits)))!;
    const prefix = shardPrefix(shard.shard, shard.shardBits);
    const problem = chunkProblem({ prefix, digest: shard.stateRoot }, chunk, sha256);
    if (problem !== undefined) throw new Lie(`the epoch after height ${height}: ${problem}`);
    const index = chunk.leaves.findIndex((leaf) => equal(leaf.path, path));
    const record = records[index];
    if (record === undefined || !equal(recordDigest(record, sha256), chunk.leaves[index]!.value)) {
      throw new Lie(`the epoch after height ${height}: another record`);
    }
    return judged(
      () =>
        decodeCanonical(epochStateRecord.schema, record, STATE_RECORD_LENGTH_MAX, epochStateRecord.name)
          .shardBits,
    );
  });
  return value;
}
