// Evidence against an auditor: its receipt says that a node held something, and an anchor that it signed says that this failed. No honest
// auditor signs both, so the two are enough, whoever shows them and however late: nobody has to be believed.
//
// The anchor itself is on the chain, with who signed it; the evidence names it by round and group. With the defaults it takes less than a kilobyte.

import { z } from 'zod';
import { bytesOf, decodeCanonical, digestOf, encode, uint } from '../base/codec.ts';
import { portableSha256, type Sha256 } from '../base/hash.ts';
import type { Digest, NetworkId, NodeId, Signature } from '../base/ids.ts';
import { AUDIT_ASKED_MAX, AUDIT_GROUPS_MAX, AUDIT_ROUND_MAX, VALIDATORS_MAX } from '../base/limits.ts';
import { proveInclusion } from '../base/merkle.ts';
import type { Verify } from '../base/ports.ts';
import type { Asked } from './draw.ts';
import { askedSchema, askedTuple } from './opening.ts';
import { type Path, pathBytes, pathLengthMax, pathSchema } from './path.ts';
import { heldDigests, type Receipt, verifyReceipt } from './receipt.ts';
import {
  type ResultProof,
  RESULTS_MAX,
  type ResultTree,
  resultPathSchema,
  resultTree,
  verifyResult,
} from './results.ts';

/** A place under a root, by number and siblings. */
export interface Position {
  readonly index: number;
  readonly path: Path;
}

export interface Contradiction {
  readonly round: number;
  readonly group: number;
  /** Index among the round's validators. */
  readonly auditor: number;
  /** The node that was audited, and what of it was found both. */
  readonly node: NodeId;
  readonly asked: Asked;
  readonly receipt: ResultTree & Position & { readonly signature: Signature };
  /** Of the failure, under the anchor's root. */
  readonly result: Position;
}

/** The evidence, from a receipt and the proof that something in it failed; undefined when the receipt does not list it. */
export function contradiction(
  { group, auditor }: { readonly group: number; readonly auditor: number },
  { round, held, signature }: Receipt,
  { node, asked, index, path }: ResultProof,
  sha256: Sha256 = portableSha256,
): Contradiction | undefined {
  const digests = heldDigests(round, node, held, sha256);
  const wanted = askedText(asked);
  const at = held.findIndex((each) => askedText(each) === wanted);
  if (at < 0) return undefined;
  const receipt = {
    ...resultTree(digests, sha256),
    index: at,
    path: proveInclusion(digests, at, sha256),
    signature,
  };
  return { round, group, auditor, node, asked, receipt, result: { index, path } };
}

const askedText = (asked: Asked): string => String(encode(askedTuple(asked)));

/**
 * True when the auditor with this key signed a receipt for what the anchor says has failed. That it signed the anchor too is for the caller
 * to know, from the anchor's record. Never throws for evidence in form.
 */
export function isContradiction(
  { round, node, asked, receipt, result }: Contradiction,
  network: NetworkId,
  anchor: ResultTree,
  auditor: NodeId,
  verify: Verify,
  sha256: Sha256 = portableSha256,
): boolean {
  const { root, count, signature } = receipt;
  return (
    verifyResult(anchor, round, { node, asked, verdict: 'failed', ...result }, sha256) &&
    verifyResult({ root, count }, round, { ...receipt, node, asked, verdict: 'held' }, sha256) &&
    verifyReceipt({ network, round, node, count, root }, auditor, signature, verify)
  );
}

// ---- Form ----------------------------------------------------------------------------------------------------

const receiptSchema = z
  .tuple([
    digestOf<Digest>(),
    uint(AUDIT_ASKED_MAX),
    uint(AUDIT_ASKED_MAX - 1),
    pathSchema(pathLengthMax(AUDIT_ASKED_MAX)),
    bytesOf(64),
  ])
  .transform(([root, count, index, path, signature]) => {
    return { root, count, index, path, signature: signature as Signature };
  });

const positionSchema = z
  .tuple([uint(RESULTS_MAX - 1), resultPathSchema])
  .transform(([index, path]): Position => ({ index, path }));

export const contradictionSchema: z.ZodType<Contradiction> = z
  .tuple([
    uint(AUDIT_ROUND_MAX),
    uint(AUDIT_GROUPS_MAX - 1),
    uint(VALIDATORS_MAX - 1),
    digestOf<NodeId>(),
    askedSchema,
    receiptSchema,
    positionSchema,
  ])
  .transform(
    ([round, group, auditor, node, asked, receipt, result]): Contradiction => ({
      round,
      group,
      auditor,
      node,
      asked,
      receipt,
      result,
    }),
  );

export const contradictionTuple = (evidence: Contradiction): readonly unknown[] => [
  evidence.round,
  evidence.group,
  evidence.auditor,
  evidence.node,
  askedTuple(evidence.asked),
  [
    evidence.receipt.root,
    evidence.receipt.count,
    evidence.receipt.index,
    pathBytes(evidence.receipt.path),
    evidence.receipt.signature,
  ],
  [evidence.result.index, pathBytes(evidence.result.path)],
];

/** The longest trees that there can be; with the defaults it is below 1,024. */
const CONTRADICTION_LENGTH_MAX = 1536;

export function encodeContradiction(evidence: Contradiction): Uint8Array {
  return encode(contradictionTuple(evidence));
}

/** Throws INVALID_ENCODING. */
export function decodeContradiction(bytes: Uint8Array): Contradiction {
  return decodeCanonical(contradictionSchema, bytes, CONTRADICTION_LENGTH_MAX, 'contradiction');
}
