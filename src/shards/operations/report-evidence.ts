// Anybody brings evidence of misbehaviour and gets a share of what it costs the guilty.

import { z } from 'zod';
import { bytesUpTo } from '../../base/codec.ts';
import { CONSENSUS_MESSAGE_LENGTH_MAX } from '../../base/limits.ts';
import { judge, judgementTouches, readEvidence } from '../offences.ts';
import { pay, systemOperation, type SystemOperation } from '../system-operation.ts';

export interface ReportEvidence {
  /** As `encodeEvidence` writes it. */
  readonly evidence: Uint8Array;
}

export const reportEvidence: SystemOperation<ReportEvidence> = systemOperation({
  kind: 'report-evidence',
  tag: 26,
  schema: z
    .tuple([bytesUpTo(CONSENSUS_MESSAGE_LENGTH_MAX)])
    .transform(([evidence]): ReportEvidence => ({ evidence })),
  tuple: ({ evidence }) => [evidence],
  check: (_context, { evidence }) => (readEvidence(evidence) === undefined ? 'invalid-evidence' : undefined),
  touches: () => judgementTouches(),
  execute: (context, { from, action }) => {
    const evidence = readEvidence(action.evidence);
    if (evidence === undefined) return 'invalid-evidence';
    const judgement = judge(context.state, context.block, evidence);
    if (judgement.refusal !== undefined) return judgement.refusal;
    pay(context, from, judgement.reward);
    return undefined;
  },
});
