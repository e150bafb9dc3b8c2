// An auditor that signs that something failed which it has given a receipt for, and how whoever has the receipt convicts it.

import { type Contradiction, contradiction } from '../../../src/proofs/contradiction.ts';
import { PORTABLE_HASHES } from '../../../src/proofs/opening.ts';
import type { Receipt } from '../../../src/proofs/receipt.ts';
import { proveResult } from '../../../src/proofs/results.ts';
import type { VerdictList } from '../../../src/node/audit/group-audit.ts';
import type { Stage } from './stage.ts';

/** Of the first that failed of `node` by an anchor with these verdicts. */
export function contradictsItself(
  stage: Stage,
  auditor: string,
  node: string,
  verdicts: VerdictList,
  receipt: Receipt,
): Contradiction | undefined {
  const { audit } = stage.of(auditor);
  const [position] = stage.positions(node);
  const { round } = audit.watched.round;
  const proof = proveResult(round, audit.findings(verdicts), position!, PORTABLE_HASHES.sha256)!;
  return contradiction({ group: audit.group.group, auditor: stage.auditor(auditor) }, receipt, proof);
}
