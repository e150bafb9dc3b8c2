// Light blocks: what stands for a block with whoever follows the chain without executing it. A header, the decision for it, and the
// validators who made it. `docs/format-ledger.md` has headers, `docs/format-consensus.md` certificates.
//
//     light block   = canonical [header bytes, certificate bytes, set bytes]
//     set bytes     = u32 count, then node id and u64 power of each, ascending by id        header.validators = digest('validator-set', set bytes)
//
// Decoding checks form. That the parts belong together and are signed is for `client/chain/light-checks.ts` and whoever syncs.

import { z } from 'zod';
import { compare } from '../base/bytes.ts';
import { bytesUpTo, decodeCanonical, encode } from '../base/codec.ts';
import { StoreError } from '../base/errors.ts';
import type { Sha256 } from '../base/hash.ts';
import { DIGEST_LENGTH, type Digest, type NodeId } from '../base/ids.ts';
import {
  BLOCK_HEADER_LENGTH_MAX,
  CONSENSUS_MESSAGE_LENGTH_MAX,
  LIGHT_BLOCK_LENGTH_MAX,
  VALIDATORS_MAX,
} from '../base/limits.ts';
import { Reader, Writer } from '../consensus/binary.ts';
import { decodeMessage, encodeMessage } from '../consensus/messages.ts';
import type { CommitCertificate, Validator, ValidatorSet } from '../consensus/types.ts';
import { validatorSet } from '../consensus/validator-set.ts';
import { decodeHeader, type Header, headerId } from './header.ts';

export interface LightBlock {
  readonly header: Header;
  /** What `id` is the digest of. */
  readonly headerBytes: Uint8Array;
  readonly id: Digest;
  readonly certificate: CommitCertificate;
  readonly validators: ValidatorSet;
}

export function lightBlock(
  headerBytes: Uint8Array,
  certificate: CommitCertificate,
  validators: ValidatorSet,
  sha256?: Sha256,
): LightBlock {
  const header = decodeHeader(headerBytes);
  return { header, headerBytes, id: headerId(headerBytes, sha256), certificate, validators };
}

const SET_LENGTH_MAX = 4 + VALIDATORS_MAX * (DIGEST_LENGTH + 8);

const lightBlockSchema = z.tuple([
  bytesUpTo(BLOCK_HEADER_LENGTH_MAX),
  bytesUpTo(CONSENSUS_MESSAGE_LENGTH_MAX),
  bytesUpTo(SET_LENGTH_MAX),
]);

export function encodeLightBlock({ headerBytes, certificate, validators }: LightBlock): Uint8Array {
  return encode([headerBytes, encodeMessage(certificate), encodeValidatorSet(validators)]);
}

/** Form only. Throws INVALID_ENCODING. */
export function decodeLightBlock(bytes: Uint8Array, sha256?: Sha256): LightBlock {
  const [header, certificate, set] = decodeCanonical(
    lightBlockSchema,
    bytes,
    LIGHT_BLOCK_LENGTH_MAX,
    'light block',
  );
  return lightBlock(header, decodeCommit(certificate), decodeValidatorSet(set), sha256);
}

/** Throws INVALID_ENCODING for any other message. */
export function decodeCommit(bytes: Uint8Array): CommitCertificate {
  const message = decodeMessage(bytes);
  if (message.kind !== 'commit-certificate') {
    throw new StoreError('INVALID_ENCODING', `a ${message.kind} is no commit certificate`);
  }
  return message;
}

// ---- Validators ------------------------------------------------------------------------------------------------

/** The bytes that `validatorSetDigest` hashes. */
export function encodeValidatorSet({ validators }: ValidatorSet): Uint8Array {
  const writer = new Writer(4 + validators.length * (DIGEST_LENGTH + 8));
  writer.uint32(validators.length);
  for (const { node, power } of validators) {
    writer.raw(node);
    writer.bigUint64(power);
  }
  return writer.finish();
}

/** Throws INVALID_ENCODING unless it is the encoding of a sound set. */
export function decodeValidatorSet(bytes: Uint8Array): ValidatorSet {
  const reader = new Reader(bytes, 'validator set');
  const count = reader.uint32();
  if (count > VALIDATORS_MAX) throw reader.refusal(`it has ${count} validators`);
  const validators: Validator[] = [];
  for (let index = 0; index < count; index++) {
    const node = reader.raw(DIGEST_LENGTH) as NodeId;
    if (index > 0 && compare(validators[index - 1]!.node, node) >= 0) {
      throw reader.refusal('its validators do not ascend');
    }
    validators.push({ node, power: reader.bigUint64() });
  }
  reader.end();
  try {
    return validatorSet(validators);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    throw reader.refusal(error.message);
  }
}
