// Whoever has the opening that a disputed result is about shows it, and gets the bond: the node, one of those who audited it, or anybody to whom they
// gave it. It has to be what the node signed for that round, of what the chain says was there.

import { z } from 'zod';
import { uint } from '../../base/codec.ts';
import { AUDIT_GROUPS_MAX, AUDIT_ROUND_MAX } from '../../base/limits.ts';
import { PORTABLE_HASHES } from '../../proofs/opening.ts';
import { compareAsked } from '../../proofs/draw.ts';
import { RESULTS_MAX } from '../../proofs/results.ts';
import { type ShownOpening, shownSchema, shownTuple, verifyShown } from '../../proofs/shown.ts';
import { amountOf, NATIVE } from '../amounts.ts';
import { auditRoundOf, auditRoundsKey } from '../audit-rounds.ts';
import { disputesKey, disputesOf, isSameResult, putDisputes, type ResultName } from '../disputes.ts';
import { pay, systemOperation, type SystemOperation } from '../system-operation.ts';

export interface AnswerDispute extends ResultName {
  readonly shown: ShownOpening;
}

export const answerDispute: SystemOperation<AnswerDispute> = systemOperation({
  kind: 'answer-dispute',
  tag: 31,
  schema: z
    .tuple([uint(AUDIT_ROUND_MAX), uint(AUDIT_GROUPS_MAX - 1), uint(RESULTS_MAX - 1), shownSchema])
    .transform(([round, group, index, shown]): AnswerDispute => ({ round, group, index, shown })),
  tuple: ({ round, group, index, shown }) => [round, group, index, shownTuple(shown)],
  touches: () => [auditRoundsKey(), disputesKey()],
  execute: (context, { from, action }) => {
    const { state, block } = context;
    const { open, owed } = disputesOf(state);
    const dispute = open.find((each) => isSameResult(each, action));
    const round = auditRoundOf(state, action.round);
    // Answered by somebody else, or never disputed.
    if (dispute === undefined || round === undefined) return 'too-late';
    const { node, asked, content, bond } = dispute;
    const signed = { network: block.network, round: round.round, seed: round.seed, node };
    const hashes = { ...PORTABLE_HASHES, sha256: block.sha256 };
    const isShown =
      compareAsked(action.shown.opening, asked) === 0 &&
      verifyShown(signed, action.shown, content, block.verify, hashes);
    if (!isShown) return 'invalid-evidence';
    putDisputes(state, { open: open.filter((each) => each !== dispute), owed });
    pay(context, from, amountOf(NATIVE, bond));
    return undefined;
  },
});
