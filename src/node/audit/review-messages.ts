// What the leader of a group and its other auditors tell each other until they agree: the leader sends what it makes of every position, the other
// one either signs what that amounts to, or says what it sees otherwise, with proof.

import { z } from 'zod';
import { bytesOf, bytesUpTo, decodeCanonical, encode, listOf, uint } from '../../base/codec.ts';
import type { Signature } from '../../base/ids.ts';
import {
  AUDIT_GROUPS_MAX,
  AUDIT_PART_LENGTH_MAX,
  AUDIT_ROUND_MAX,
  AUDIT_SHOWN_MAX,
} from '../../base/limits.ts';
import { RESULTS_MAX } from '../../proofs/results.ts';
import { decodeShown, encodeShown, type ShownOpening } from '../../proofs/shown.ts';
import type { VerdictList } from './group-audit.ts';

export const REVIEW_SERVICE = 'audit-review';

/** An opening that the other side has not seen. */
export interface ShownAt {
  readonly position: number;
  readonly shown: ShownOpening;
}

export interface Review {
  readonly round: number;
  readonly group: number;
  readonly verdicts: VerdictList;
  readonly shown: readonly ShownAt[];
}

export interface ReviewReply {
  /** Of the anchor that the verdicts amount to; null unless it agrees to all of them. */
  readonly signature: Signature | null;
  /** Positions said to be held that it has not seen: the first of them. */
  readonly needs: readonly number[];
  /** Positions said to have failed that it has seen. */
  readonly shown: readonly ShownAt[];
  /** Positions where the chain says otherwise about who is to have the place. */
  readonly elsewhere: readonly number[];
}

/** Verdicts of the largest group beside as many openings as a part may have. */
export const REVIEW_LENGTH_MAX: number = 2 * AUDIT_PART_LENGTH_MAX + RESULTS_MAX;

const positionSchema = uint(RESULTS_MAX - 1);
const positionsSchema = listOf(positionSchema, AUDIT_SHOWN_MAX);
const shownSchema: z.ZodType<readonly ShownAt[]> = listOf(
  z
    .tuple([positionSchema, bytesUpTo(AUDIT_PART_LENGTH_MAX)])
    .transform(([position, bytes]): ShownAt => ({ position, shown: decodeShown(bytes) })),
  AUDIT_SHOWN_MAX,
);
const shownTuple = (shown: readonly ShownAt[]): readonly unknown[] =>
  shown.map((each) => [each.position, encodeShown(each.shown)]);

const reviewSchema = z
  .tuple([uint(AUDIT_ROUND_MAX), uint(AUDIT_GROUPS_MAX - 1), bytesUpTo(RESULTS_MAX), shownSchema])
  .transform(([round, group, verdicts, shown]): Review => ({ round, group, verdicts, shown }));

export function encodeReview({ round, group, verdicts, shown }: Review): Uint8Array {
  return encode([round, group, verdicts, shownTuple(shown)]);
}

/** Throws INVALID_ENCODING. */
export function decodeReview(bytes: Uint8Array): Review {
  return decodeCanonical(reviewSchema, bytes, REVIEW_LENGTH_MAX, 'audit review');
}

const replySchema = z
  .tuple([bytesOf(64).nullable(), positionsSchema, shownSchema, positionsSchema])
  .transform(([signature, needs, shown, elsewhere]): ReviewReply => {
    return { signature: signature as Signature | null, needs, shown, elsewhere };
  });

export function encodeReviewReply({ signature, needs, shown, elsewhere }: ReviewReply): Uint8Array {
  return encode([signature, needs, shownTuple(shown), elsewhere]);
}

/** Throws INVALID_ENCODING. */
export function decodeReviewReply(bytes: Uint8Array): ReviewReply {
  return decodeCanonical(replySchema, bytes, REVIEW_LENGTH_MAX, 'audit review reply');
}
