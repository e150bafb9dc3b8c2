// Anybody shows that an auditor has signed the opposite of its own receipt: that something failed which it had found held. Two signatures convict
// it, so nobody has to be believed; whoever brings them gets a part of what it costs.

import type { NodeId } from '../../base/ids.ts';
import { z } from 'zod';
import {
  type Contradiction,
  contradictionSchema,
  contradictionTuple,
  isContradiction,
} from '../../proofs/contradiction.ts';
import { anchorKey, anchorOf } from '../anchors.ts';
import { type AuditRound, auditRoundOf, auditRoundsKey } from '../audit-rounds.ts';
import { chargeAuditors } from '../false-audits.ts';
import { parametersKey } from '../parameters.ts';
import { supplyKey } from '../supply.ts';
import { pay, systemOperation, type SystemOperation } from '../system-operation.ts';
import { entriesOf } from '../validator-sets.ts';
import type { Overlay } from '../view.ts';

export interface ReportAuditor {
  readonly evidence: Contradiction;
}

export const reportAuditor: SystemOperation<ReportAuditor> = systemOperation({
  kind: 'report-auditor',
  tag: 30,
  schema: z.tuple([contradictionSchema]).transform(([evidence]): ReportAuditor => ({ evidence })),
  tuple: ({ evidence }) => [contradictionTuple(evidence)],
  touches: (_from, { evidence }) => [
    parametersKey(),
    supplyKey(),
    auditRoundsKey(),
    anchorKey(evidence.round, evidence.group),
  ],
  execute: (context, { from, action }) => {
    const { state, block } = context;
    const { evidence } = action;
    const { group, auditor } = evidence;
    const round = auditRoundOf(state, evidence.round);
    const anchor = anchorOf(state, evidence.round, group);
    if (round === undefined || anchor === undefined) return 'too-late';
    const key = keyOf(state, round, auditor);
    if (key === undefined || !anchor.auditors.includes(auditor)) return 'invalid-evidence';
    if (anchor.charged.includes(auditor)) return 'already-exists';
    if (!isContradiction(evidence, block.network, anchor, key, block.verify, block.sha256))
      return 'invalid-evidence';
    pay(context, from, chargeAuditors(state, round, group, [auditor]) ?? []);
    return undefined;
  },
});

function keyOf(state: Overlay, { epoch }: AuditRound, auditor: number): NodeId | undefined {
  return entriesOf(state, epoch)?.[auditor]?.node;
}
