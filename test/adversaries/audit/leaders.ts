// Auditors that lead a group to what they want: they send reviews of their own making to the others, and collect what these sign.

import {
  encodeReview,
  decodeReviewReply,
  type Review,
  type ReviewReply,
  REVIEW_LENGTH_MAX,
  REVIEW_SERVICE,
} from '../../../src/node/audit/review-messages.ts';
import type { Auditor } from '../../node/audit/audit-kit.ts';

/** The answer of `to` to a review by `leader`; the code of the refusal otherwise. */
export async function proposes(
  leader: Auditor,
  to: Auditor,
  proposal: Partial<Review>,
): Promise<ReviewReply | string> {
  const { watched, audit } = leader;
  const honest = {
    round: watched.round.round,
    group: audit.group.group,
    verdicts: new Uint8Array(0),
    shown: [],
  };
  return sends(leader, to, encodeReview({ ...honest, ...proposal }));
}

/** Any bytes at all. */
export async function sends(leader: Auditor, to: Auditor, body: Uint8Array): Promise<ReviewReply | string> {
  const request = { header: new Uint8Array(0), body: [body] };
  try {
    const reply = await leader.network.call(to.node, REVIEW_SERVICE, request, {
      maxBodyLength: REVIEW_LENGTH_MAX,
    });
    return decodeReviewReply(reply.body);
  } catch (error) {
    return (error as { code: string }).code;
  }
}
