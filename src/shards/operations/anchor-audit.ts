// What the auditors of a group found comes onto the chain: a root over all results, a line for each node, and the signatures of more than two thirds
// of the seats. Whoever hands it in does not matter; the first one counts. Results of an epoch end with it, because with it its members do.

import { z } from 'zod';
import { bytesOf, digestOf, listOf, uint } from '../../base/codec.ts';
import type { Digest, NodeId, Signature } from '../../base/ids.ts';
import {
  AUDIT_ASKED_MAX,
  AUDIT_GROUP_NODES_MAX,
  AUDIT_GROUPS_MAX,
  AUDIT_ROUND_MAX,
  VALIDATORS_MAX,
} from '../../base/limits.ts';
import { anchorProblem, type AnchorSignature, isAnchorSigned } from '../../proofs/anchor.ts';
import { type NodeCounts, RESULTS_MAX } from '../../proofs/results.ts';
import { anchorKey, anchorOf, putAnchor } from '../anchors.ts';
import {
  type AuditRound,
  auditGroup,
  auditRoundOf,
  auditRoundsKey,
  groupSize,
  touchesOfGroups,
} from '../audit-rounds.ts';
import { epochStateKey } from '../epoch-state.ts';
import { earn, earnedKey, escrowKey, escrowOf } from '../escrow.ts';
import { nodeKeyStateKey, nodeWithKey, type Registration } from '../node.ts';
import type { BlockContext, RefusalCode } from '../operation.ts';
import { parametersKey } from '../parameters.ts';
import { readAll } from '../read-all.ts';
import { afterRound, putStanding, standingKey, standingOf } from '../standing.ts';
import { systemOperation, type SystemOperation } from '../system-operation.ts';
import { settledEntries, validatorSetKey } from '../validator-sets.ts';
import type { Overlay } from '../view.ts';

export interface AnchorAudit {
  readonly round: number;
  readonly group: number;
  /** Results, and their root. */
  readonly count: number;
  readonly root: Digest;
  /** Of each node of the group, in its order. */
  readonly counts: readonly NodeCounts[];
  /** Ascending by auditor. */
  readonly signatures: readonly AnchorSignature[];
}

const countsSchema: z.ZodType<NodeCounts> = z
  .tuple([uint(AUDIT_ASKED_MAX), uint(AUDIT_ASKED_MAX), uint()])
  .transform(([asked, failed, heldKib]): NodeCounts => ({ asked, failed, heldKib }))
  .refine(({ asked, failed }) => failed <= asked, 'more failures than were asked');

const signatureSchema: z.ZodType<AnchorSignature> = z
  .tuple([uint(VALIDATORS_MAX - 1), bytesOf(64)])
  .transform(([auditor, signature]): AnchorSignature => ({ auditor, signature: signature as Signature }));

export const anchorAudit: SystemOperation<AnchorAudit> = systemOperation({
  kind: 'anchor-audit',
  tag: 29,
  schema: z
    .tuple([
      uint(AUDIT_ROUND_MAX),
      uint(AUDIT_GROUPS_MAX - 1),
      uint(RESULTS_MAX),
      digestOf<Digest>(),
      listOf(countsSchema, AUDIT_GROUP_NODES_MAX),
      listOf(signatureSchema, VALIDATORS_MAX),
    ])
    .transform(
      ([round, group, count, root, counts, signatures]): AnchorAudit => ({
        round,
        group,
        count,
        root,
        counts,
        signatures,
      }),
    ),
  tuple: ({ round, group, count, root, counts, signatures }) => [
    round,
    group,
    count,
    root,
    counts.map(({ asked, failed, heldKib }) => [asked, failed, heldKib]),
    signatures.map(({ auditor, signature }) => [auditor, signature]),
  ],
  touches: (_from, { round, group }, { epoch }) => [
    auditRoundsKey(),
    anchorKey(round, group),
    epochStateKey(),
    parametersKey(),
    validatorSetKey(epoch),
    escrowKey(),
  ],
  execute: ({ state, block }, { action }) => {
    const round = auditRoundOf(state, action.round);
    if (round === undefined) return 'too-late';
    if (anchorOf(state, action.round, action.group) !== undefined) return 'already-exists';
    if (round.epoch !== block.epoch) return 'too-late';
    if (action.group >= round.groups) return 'invalid-argument';
    if (action.counts.length !== groupSize(state, round, action.group)) return 'invalid-argument';
    const keys = settledEntries(state, block.epoch).map(({ node }) => node);
    const text = { ...action, network: block.network };
    // Groups are made of all members: nobody but a validator makes everybody shuffle thousands.
    const [first] = action.signatures;
    const signer = first === undefined ? undefined : keys[first.auditor];
    if (signer === undefined || !isAnchorSigned(text, signer, first!.signature, block.verify))
      return 'invalid-certificate';
    readAll(state, touchesOfGroups(state));
    const group = auditGroup(state, block, round, action.group)!;
    const auditors = { keys, seats: group.seats };
    if (anchorProblem(text, action.signatures, auditors, block.verify) !== undefined)
      return 'invalid-certificate';
    return anchor(state, block, action, round, group.nodes);
  },
});

function anchor(
  state: Overlay,
  { height, epoch }: BlockContext,
  action: AnchorAudit,
  round: AuditRound,
  nodes: readonly NodeId[],
): RefusalCode | undefined {
  const lines = linesOf(state, nodes, action.counts);
  for (const [registration, counts] of lines) {
    const before = standingOf(state, registration);
    putStanding(state, registration, afterRound(before, round.round, round.height, counts));
  }
  if (escrowOf(state).held > 0n) {
    readAll(
      state,
      lines.map(([registration]) => earnedKey(registration)),
    );
    for (const [registration, counts] of lines) earn(state, registration, epoch, counts);
  }
  const { root, count } = action;
  const auditors = action.signatures.map(({ auditor }) => auditor);
  putAnchor(state, action.round, action.group, { root, count, height, auditors, charged: [] });
  return undefined;
}

/** A node that was retired since the round began has no standing any more. */
function linesOf(
  state: Overlay,
  nodes: readonly NodeId[],
  counts: readonly NodeCounts[],
): readonly (readonly [Registration, NodeCounts])[] {
  readAll(state, nodes.map(nodeKeyStateKey));
  const found = nodes.flatMap((key, index) => {
    const node = nodeWithKey(state, key);
    return node === undefined || node.isRetired ? [] : [[node.registration, counts[index]!] as const];
  });
  readAll(
    state,
    found.map(([registration]) => standingKey(registration)),
  );
  return found;
}
