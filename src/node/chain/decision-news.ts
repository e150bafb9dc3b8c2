// What is said of a decision on the gossip network: canonical [ commit certificate, block or null ]. The block goes along where both fit
// one message; else whoever needs it asks for it.
//
// A decoded message is in form, and its block is the one that the certificate names. Whether a quorum signed is left to whoever knows
// the validators of the height.

import { z } from 'zod';
import { bytesUpTo, decodeCanonical, encode } from '../../base/codec.ts';
import { StoreError } from '../../base/errors.ts';
import type { Sha256 } from '../../base/hash.ts';
import { CONSENSUS_MESSAGE_LENGTH_MAX, GOSSIP_MESSAGE_LENGTH_MAX } from '../../base/limits.ts';
import { encodeMessage } from '../../consensus/messages.ts';
import type { CommitCertificate } from '../../consensus/types.ts';
import { blockIdOf } from '../../shards/block.ts';
import { decodeCommit } from '../../shards/light-block.ts';

export interface DecisionNews {
  readonly certificate: CommitCertificate;
  /** Encoded; undefined when it has to be fetched. */
  readonly block: Uint8Array | undefined;
}

const newsSchema = z.tuple([
  bytesUpTo(CONSENSUS_MESSAGE_LENGTH_MAX),
  bytesUpTo(GOSSIP_MESSAGE_LENGTH_MAX).nullable(),
]);

/** Leaves the block out where it does not fit. */
export function encodeDecisionNews({ certificate, block }: DecisionNews): Uint8Array {
  const signed = encodeMessage(certificate);
  if (block !== undefined && block.length < GOSSIP_MESSAGE_LENGTH_MAX) {
    const whole = encode([signed, block]);
    if (whole.length <= GOSSIP_MESSAGE_LENGTH_MAX) return whole;
  }
  return encode([signed, null]);
}

/** Throws INVALID_ENCODING, also when the block is not the one that was decided. */
export function decodeDecisionNews(bytes: Uint8Array, sha256?: Sha256): DecisionNews {
  const [signed, block] = decodeCanonical(newsSchema, bytes, GOSSIP_MESSAGE_LENGTH_MAX, 'decision');
  const certificate = decodeCommit(signed);
  if (block !== null && blockIdOf(block, sha256) !== certificate.blockId) {
    throw new StoreError('INVALID_ENCODING', 'decision: its certificate is for another block');
  }
  return { certificate, block: block ?? undefined };
}
