// The anchor of a group: root and counts of what its auditors found, signed by those who have more than two thirds of the group's seats. A pass carries
// its proof with it; a failure is only that nobody saw an answer, so it takes that many to state one.
//
// signature = signature('audit-anchor', [network, round, group, count of results, root, [[asked, failed, held KiB] of each node of the group]])

import { encode } from '../base/codec.ts';
import { signedBytes } from '../base/hash.ts';
import type { NetworkId, NodeId, Signature } from '../base/ids.ts';
import type { Signer, Verify } from '../base/ports.ts';
import type { NodeCounts, ResultTree } from './results.ts';

export interface AnchorText extends ResultTree {
  readonly network: NetworkId;
  readonly round: number;
  /** Number of the group in its round. */
  readonly group: number;
  /** Of each node of the group, in its order. */
  readonly counts: readonly NodeCounts[];
}

/** Who may sign for a group. */
export interface Auditors {
  /** The round's validators. */
  readonly keys: readonly NodeId[];
  /** Seats in the group, by the same index; most have none. */
  readonly seats: readonly number[];
}

export interface AnchorSignature {
  /** Index among the round's validators. */
  readonly auditor: number;
  readonly signature: Signature;
}

export type AnchorProblem = 'malformed' | 'no-seat' | 'too-few-seats' | 'bad-signature';

export function signAnchor(anchor: AnchorText, auditor: Signer): Signature {
  return auditor.sign(anchorBytes(anchor));
}

/** True when the auditor signed exactly this. */
export function isAnchorSigned(
  anchor: AnchorText,
  auditor: NodeId,
  signature: Uint8Array,
  verify: Verify,
): boolean {
  return verify(auditor, anchorBytes(anchor), signature);
}

/** Whether so many seats decide: more than two thirds of all. */
export function isEnough(signedSeats: number, { seats }: Auditors): boolean {
  return 3 * signedSeats > 2 * seats.reduce((sum, each) => sum + each, 0);
}

/** Why `signatures` do not make the anchor the group's; undefined when they do. Cheap reasons come first. Never throws. */
export function anchorProblem(
  anchor: AnchorText,
  signatures: readonly AnchorSignature[],
  auditors: Auditors,
  verify: Verify,
): AnchorProblem | undefined {
  const isAscending = signatures.every(
    ({ auditor }, index) => index === 0 || auditor > signatures[index - 1]!.auditor,
  );
  if (!isAscending) return 'malformed';
  const seats = signatures.map(({ auditor }) => auditors.seats[auditor] ?? 0);
  if (seats.includes(0)) return 'no-seat';
  const signed = seats.reduce((sum, each) => sum + each, 0);
  if (!isEnough(signed, auditors)) return 'too-few-seats';
  const bytes = anchorBytes(anchor);
  const isSigned = ({ auditor, signature }: AnchorSignature): boolean =>
    verify(auditors.keys[auditor]!, bytes, signature);
  return signatures.every(isSigned) ? undefined : 'bad-signature';
}

function anchorBytes({ network, round, group, count, root, counts }: AnchorText): Uint8Array {
  const lines = counts.map(({ asked, failed, heldKib }) => [asked, failed, heldKib]);
  return signedBytes('audit-anchor', encode([network, round, group, count, root, lines]));
}
