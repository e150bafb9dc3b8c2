// A bundle: all that the chain says of one object at one height, with everything it takes to believe it, in one file. Whoever knows the network id, or a block
// that it trusts, verifies it without any network. `docs/format-bundle.md` has the bytes.
//
// What is read from a bundle is read by the same functions as from the chain, over records that were proven; so there is nothing in a bundle that is
// believed because it is said. Form is checked here, the rest in `bundle-verify.ts`.

import { z } from 'zod';
import { compare } from '../../base/bytes.ts';
import { bytesUpTo, decodeCanonical, digestOf, encode, listOf } from '../../base/codec.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { Digest, NetworkId, ObjectId } from '../../base/ids.ts';
import {
  BUNDLE_BLOCKS_MAX,
  BUNDLE_LENGTH_MAX,
  BUNDLE_RECORDS_MAX,
  FOUNDING_LENGTH_MAX,
  LIGHT_BLOCK_LENGTH_MAX,
  STATE_PROOF_LENGTH_MAX,
  STATE_RECORD_LENGTH_MAX,
} from '../../base/limits.ts';
import { shardHeadersSchema } from '../../shards/chain-messages.ts';
import { decodeShardHeader, encodeShardHeader, type ShardHeader } from '../../shards/header.ts';
import { decodeLightBlock, encodeLightBlock, type LightBlock } from '../../shards/light-block.ts';
import { decodeProof, encodeProof, type StateProof } from '../../shards/tree/proof.ts';
import type { Loaded } from '../../shards/view.ts';

export interface BundledRecord {
  readonly path: Digest;
  /** Null: there is none. */
  readonly record: Loaded;
  readonly proof: StateProof;
}

export interface Bundle {
  readonly network: NetworkId;
  readonly object: ObjectId;
  /** The founding document, from which the blocks lead on; undefined where they begin with one that the reader has to know. */
  readonly founding: Uint8Array | undefined;
  /** One after the other; the last one proves the records. */
  readonly blocks: readonly LightBlock[];
  /** Headers of all shards under the last block. */
  readonly shards: readonly ShardHeader[];
  /** Ascending by path. */
  readonly records: readonly BundledRecord[];
}

const recordSchema = z.tuple([
  digestOf<Digest>(),
  bytesUpTo(STATE_RECORD_LENGTH_MAX).nullable(),
  bytesUpTo(STATE_PROOF_LENGTH_MAX),
]);

const schema = z
  .tuple([
    z.literal('holdfast-bundle'),
    z.literal(1),
    digestOf<NetworkId>(),
    digestOf<ObjectId>(),
    bytesUpTo(FOUNDING_LENGTH_MAX).nullable(),
    listOf(bytesUpTo(LIGHT_BLOCK_LENGTH_MAX), BUNDLE_BLOCKS_MAX).refine(
      (blocks) => blocks.length > 0,
      'no block',
    ),
    shardHeadersSchema.refine((shards) => shards.length > 0, 'no headers of shards'),
    listOf(recordSchema, BUNDLE_RECORDS_MAX),
  ])
  .refine(([, , , , , , , records]) => areAscending(records), 'records out of order');

function areAscending(records: readonly (readonly [Uint8Array, ...unknown[]])[]): boolean {
  return records.every(([path], index) => index === 0 || compare(records[index - 1]![0], path) < 0);
}

export function encodeBundle(bundle: Bundle): Uint8Array {
  const { network, object, founding, blocks, shards, records } = bundle;
  return encode([
    'holdfast-bundle',
    1,
    network,
    object,
    founding ?? null,
    blocks.map(encodeLightBlock),
    shards.map(encodeShardHeader),
    records.map(({ path, record, proof }) => [path, record, encodeProof(proof)]),
  ]);
}

/** Form only. Throws INVALID_ENCODING. */
export function decodeBundle(bytes: Uint8Array, sha256?: Sha256): Bundle {
  const [, , network, object, founding, blocks, shards, records] = decodeCanonical(
    schema,
    bytes,
    BUNDLE_LENGTH_MAX,
    'bundle',
  );
  return {
    network,
    object,
    founding: founding ?? undefined,
    blocks: blocks.map((block) => decodeLightBlock(block, sha256)),
    shards: shards.map(decodeShardHeader),
    records: records.map(([path, record, proof]) => ({ path, record, proof: decodeProof(proof) })),
  };
}
