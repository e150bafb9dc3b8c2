// What a client remembers between its runs: the newest header that it verified, and an attack that it has seen. Whoever can write it can
// make the client believe anything, so it is kept where keys are.
//
// bytes = canonical ['holdfast-trust', network, trust period in milliseconds, light block, attack or null]     attack = [light block, light block]

import { z } from 'zod';
import { equal, short } from '../../base/bytes.ts';
import { bytesUpTo, decodeCanonical, digestOf, encode, uint } from '../../base/codec.ts';
import { StoreError } from '../../base/errors.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { NetworkId } from '../../base/ids.ts';
import { LIGHT_BLOCK_LENGTH_MAX } from '../../base/limits.ts';
import { decodeLightBlock, encodeLightBlock, type LightBlock } from '../../shards/light-block.ts';

/** Where it is kept. One client at a time; the last one to save wins. */
export interface TrustStore {
  /** What was saved last; undefined before. Throws DISK. */
  load(): Promise<Uint8Array | undefined>;
  /** All or nothing, and durable when it resolves. Throws DISK. */
  save(bytes: Uint8Array): Promise<void>;
}

export interface SavedTrust {
  readonly network: NetworkId;
  readonly trustPeriodMs: number;
  /** The newest that was verified. */
  readonly light: LightBlock;
  readonly attack: readonly [LightBlock, LightBlock] | undefined;
}

const lightBytes = bytesUpTo(LIGHT_BLOCK_LENGTH_MAX);
const schema = z.tuple([
  z.literal('holdfast-trust'),
  digestOf<NetworkId>(),
  uint(),
  lightBytes,
  z.tuple([lightBytes, lightBytes]).nullable(),
]);
export const TRUST_LENGTH_MAX: number = 3 * LIGHT_BLOCK_LENGTH_MAX + 256;

export function encodeTrust({ network, trustPeriodMs, light, attack }: SavedTrust): Uint8Array {
  const both = attack === undefined ? null : attack.map(encodeLightBlock);
  return encode(['holdfast-trust', network, trustPeriodMs, encodeLightBlock(light), both]);
}

/** Throws INVALID_ENCODING, and WRONG_NETWORK when it is of another one. */
export function decodeTrust(bytes: Uint8Array, network: NetworkId, sha256?: Sha256): SavedTrust {
  const [, saved, trustPeriodMs, light, attack] = decodeCanonical(
    schema,
    bytes,
    TRUST_LENGTH_MAX,
    'trusted header',
  );
  if (!equal(saved, network)) {
    throw new StoreError('WRONG_NETWORK', `the trusted header is of network ${short(saved)}`);
  }
  return {
    network: saved,
    trustPeriodMs,
    light: decodeLightBlock(light, sha256),
    attack:
      attack === null
        ? undefined
        : [decodeLightBlock(attack[0], sha256), decodeLightBlock(attack[1], sha256)],
  };
}
