// Where state sync and light clients may start: what the first header of an epoch fixes about the chain before it. The header that ends an
// epoch cannot name the state after itself (roots are those after the parent), so the checkpoint of epoch e is taken from the first header of e.
//
// bytes = canonical [network, epoch, height, block id, state root, set's digest, next set's digest]; its digest, under its own domain, is what
// people compare.

import { z } from 'zod';
import { decodeCanonical, digestOf, encode, uint } from '../base/codec.ts';
import { digest, type Sha256 } from '../base/hash.ts';
import type { Digest, Epoch, NetworkId } from '../base/ids.ts';
import { BLOCK_HEADER_LENGTH_MAX } from '../base/limits.ts';

export interface Checkpoint {
  readonly network: NetworkId;
  /** The epoch that begins after `height`. */
  readonly epoch: Epoch;
  /** Of the last block of the epoch before. */
  readonly height: number;
  /** Id of that block. */
  readonly blockId: Digest;
  /** The state after that block. */
  readonly stateRoot: Digest;
  /** `validatorSetDigest` of the epoch that begins, and of the one after it. */
  readonly setDigest: Digest;
  readonly nextSetDigest: Digest;
}

const checkpointSchema = z
  .tuple([
    digestOf<NetworkId>(),
    uint(),
    uint(),
    digestOf<Digest>(),
    digestOf<Digest>(),
    digestOf<Digest>(),
    digestOf<Digest>(),
  ])
  .transform(
    ([network, epoch, height, blockId, stateRoot, setDigest, nextSetDigest]): Checkpoint => ({
      network,
      epoch: epoch as Epoch,
      height,
      blockId,
      stateRoot,
      setDigest,
      nextSetDigest,
    }),
  );

export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  const { network, epoch, height, blockId, stateRoot, setDigest, nextSetDigest } = checkpoint;
  return encode([network, epoch, height, blockId, stateRoot, setDigest, nextSetDigest]);
}

/** Form only. Throws INVALID_ENCODING. */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint {
  return decodeCanonical(checkpointSchema, bytes, BLOCK_HEADER_LENGTH_MAX, 'checkpoint');
}

export function checkpointDigest(checkpoint: Checkpoint, sha256?: Sha256): Digest {
  return digest('checkpoint', [encodeCheckpoint(checkpoint)], sha256);
}
