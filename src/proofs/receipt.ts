// A receipt is an auditor's signature that it found a node to hold what is listed. The node keeps it: should an anchor that this auditor has signed say
// of anything in it that it failed, the two together convict the auditor (`contradiction.ts`). An auditor may give several in a round; later ones list more.
//
// signature = signature('audit-receipt', [network, round, node, count, root])          root: over the result digests of the list, all held

import { z } from 'zod';
import { bytesOf, decodeCanonical, encode, listOf, uint } from '../base/codec.ts';
import { portableSha256, type Sha256, signedBytes } from '../base/hash.ts';
import type { Digest, NetworkId, NodeId, Signature } from '../base/ids.ts';
import { AUDIT_ASKED_MAX, AUDIT_ROUND_MAX } from '../base/limits.ts';
import type { Signer, Verify } from '../base/ports.ts';
import { type Asked, compareAsked } from './draw.ts';
import { askedSchema, askedTuple } from './opening.ts';
import { type ResultTree, resultDigest, resultTree } from './results.ts';

export interface ReceiptText extends ResultTree {
  readonly network: NetworkId;
  readonly round: number;
  /** Who was audited. */
  readonly node: NodeId;
}

/** As it is sent to the node, which knows network and itself, and its auditor by the connection. */
export interface Receipt {
  readonly round: number;
  /** Ascending. */
  readonly held: readonly Asked[];
  readonly signature: Signature;
}

/** Digests of what a receipt lists, in its order. */
export function heldDigests(
  round: number,
  node: NodeId,
  held: readonly Asked[],
  sha256: Sha256 = portableSha256,
): readonly Digest[] {
  return held.map((asked) => resultDigest({ round, node, asked, verdict: 'held' }, sha256));
}

export function receiptText(
  network: NetworkId,
  round: number,
  node: NodeId,
  held: readonly Asked[],
  sha256: Sha256 = portableSha256,
): ReceiptText {
  return { network, round, node, ...resultTree(heldDigests(round, node, held, sha256), sha256) };
}

export function signReceipt(text: ReceiptText, auditor: Signer): Signature {
  return auditor.sign(receiptBytes(text));
}

export function verifyReceipt(
  text: ReceiptText,
  auditor: NodeId,
  signature: Uint8Array,
  verify: Verify,
): boolean {
  return verify(auditor, receiptBytes(text), signature);
}

function receiptBytes({ network, round, node, count, root }: ReceiptText): Uint8Array {
  return signedBytes('audit-receipt', encode([network, round, node, count, root]));
}

// ---- Form ----------------------------------------------------------------------------------------------------

/** A place with its leaf, and the heads of both. */
const LISTED_LENGTH_MAX = 48;
export const RECEIPT_LENGTH_MAX: number = AUDIT_ASKED_MAX * LISTED_LENGTH_MAX + 128;

const receiptSchema = z
  .tuple([uint(AUDIT_ROUND_MAX), listOf(askedSchema, AUDIT_ASKED_MAX), bytesOf(64)])
  .transform(([round, held, signature]): Receipt => ({ round, held, signature: signature as Signature }))
  .refine(({ held }) => isAscending(held), 'not in order');

function isAscending(held: readonly Asked[]): boolean {
  return held.every((asked, index) => index === 0 || compareAsked(held[index - 1]!, asked) < 0);
}

/** Travels as the body of a request. */
export function encodeReceipt({ round, held, signature }: Receipt): Uint8Array {
  return encode([round, held.map(askedTuple), signature]);
}

/** Throws INVALID_ENCODING. */
export function decodeReceipt(bytes: Uint8Array): Receipt {
  return decodeCanonical(receiptSchema, bytes, RECEIPT_LENGTH_MAX, 'audit receipt');
}
