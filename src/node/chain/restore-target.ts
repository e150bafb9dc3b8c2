// The state that is being fetched, as it is stored beside what was fetched of it: whoever goes on after a crash checks against the same.

import { equal, toHex } from '../../base/bytes.ts';
import { bytesUpTo, decodeCanonical, digestOf, encode, listOf, uint } from '../../base/codec.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { NetworkId } from '../../base/ids.ts';
import {
  BLOCK_HEADER_LENGTH_MAX,
  BLOCK_LENGTH_MAX,
  CONSENSUS_MESSAGE_LENGTH_MAX,
  HEIGHT_MAX,
  KEPT_STATE_LENGTH_MAX,
  SHARD_BITS_MAX,
} from '../../base/limits.ts';
import { encodeMessage } from '../../consensus/messages.ts';
import { z } from 'zod';
import { decodeBlock, type Kinds } from '../../shards/block.ts';
import { decodeShardHeader, encodeShardHeader } from '../../shards/header.ts';
import { decodeCertificate } from './block-store.ts';
import { damaged } from './kept-state.ts';
import type { RestoreTarget } from './types.ts';

/** Why nothing can be fetched for `target`; undefined when it fits together. Whether it was decided is for whoever asks to know. */
export function targetProblem({ network, head, decided }: RestoreTarget): string | undefined {
  const { block, certificate } = decided;
  const { header, id } = block;
  const { height, timeMs, shards, shardBits } = head;
  if (height < 1) return 'height 0 is founded, not fetched';
  const isNamed = equal(id, head.id) && header.height === height && header.timeMs === timeMs;
  if (!isNamed || !equal(header.network, network)) return 'the block is another';
  if (certificate.blockId !== toHex(id) || certificate.height !== height) {
    return 'the certificate is for another block';
  }
  const bits = shards[0]?.shardBits ?? 0;
  const areAll = shards.every((header, shard) => header.shardBits === bits && header.shard === shard);
  if (!areAll || shards.length !== 2 ** bits) return 'its shards are not all, or not in order';
  return Math.abs(shardBits - bits) > 1 ? 'shards double or halve' : undefined;
}

const TARGET_LENGTH_MAX = BLOCK_LENGTH_MAX + CONSENSUS_MESSAGE_LENGTH_MAX + KEPT_STATE_LENGTH_MAX;

const schema = z.tuple([
  digestOf<NetworkId>(),
  uint(HEIGHT_MAX),
  digestOf(),
  uint(),
  uint(SHARD_BITS_MAX),
  listOf(bytesUpTo(BLOCK_HEADER_LENGTH_MAX), 2 ** SHARD_BITS_MAX),
  bytesUpTo(BLOCK_LENGTH_MAX),
  bytesUpTo(CONSENSUS_MESSAGE_LENGTH_MAX),
]);

export function encodeTarget({ network, head, decided }: RestoreTarget): Uint8Array {
  return encode([
    network,
    head.height,
    head.id,
    head.timeMs,
    head.shardBits,
    head.shards.map(encodeShardHeader),
    decided.block.bytes,
    encodeMessage(decided.certificate),
  ]);
}

/** Throws INVALID_ENCODING, DAMAGED. */
export function decodeTarget(bytes: Uint8Array, kinds: Kinds, sha256: Sha256): RestoreTarget {
  const fields = decodeCanonical(schema, bytes, TARGET_LENGTH_MAX, 'state to fetch');
  const [network, height, id, timeMs, shardBits, shards, block, certificate] = fields;
  const head = { height, id, timeMs, shardBits, shards: shards.map(decodeShardHeader) };
  const decided = {
    block: decodeBlock(block, kinds, sha256),
    certificate: decodeCertificate(certificate, height),
  };
  const target = { network, head, decided };
  const problem = targetProblem(target);
  if (problem !== undefined) throw damaged(`of the state to fetch, ${problem}`);
  return target;
}
