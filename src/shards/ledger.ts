// The ledger put together: every kind of transaction and message, and the rules of a block in their order. Who executes, builds
// or checks blocks takes the rules from here, so that all have the same.

import { auditRule } from './audit-rounds.ts';
import { STAKE_HOLDINGS } from './bonds.ts';
import { LEDGER_HOLDINGS } from './conservation.ts';
import { DISPUTE_HOLDINGS } from './disputes.ts';
import { ESCROW_HOLDINGS } from './escrow.ts';
import { refundDelivery } from './operations/refund.ts';
import { creditDelivery, transfer } from './operations/transfer.ts';
import { Deliveries } from './receipts.ts';
import type { Rules } from './rules.ts';
import {
  epochRule,
  evidenceRule,
  loadRule,
  STAKE_DELIVERIES,
  STAKE_OPERATIONS,
  turnsRule,
} from './stake-rules.ts';
import { STORAGE_DELIVERIES, STORAGE_OPERATIONS } from './storage-rules.ts';
import { Operations } from './transaction.ts';

export const LEDGER_RULES: Rules = {
  operations: new Operations([transfer, ...STAKE_OPERATIONS, ...STORAGE_OPERATIONS]),
  deliveries: new Deliveries([creditDelivery, refundDelivery, ...STAKE_DELIVERIES, ...STORAGE_DELIVERIES]),
  opening: [turnsRule, evidenceRule, auditRule],
  closing: [loadRule],
  border: [epochRule],
  holdings: new Map([...LEDGER_HOLDINGS, ...STAKE_HOLDINGS, ...ESCROW_HOLDINGS, ...DISPUTE_HOLDINGS]),
};
