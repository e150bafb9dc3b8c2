// Why a block is invalid. Whoever makes one of these has broken a rule of the protocol, so nobody votes for it; what a transaction
// may get wrong without harm to the block is a refusal (`operation.ts`).

export const BLOCK_PROBLEMS = [
  'too-long',
  'wrong-network',
  'wrong-height',
  'wrong-epoch',
  'wrong-parent',
  'wrong-time', // not later than its parent
  'wrong-commit', // no certificate of the parent by its validators
  'wrong-validators',
  'wrong-state-root',
  'wrong-shards-root',
  'wrong-body', // a root of the header is not of what the block carries
  'wrong-proposer', // no validator of the height
  'too-many',
  'foreign-transaction', // of another network
  'bad-signature',
  'wrong-nonce', // not the next of its sender
  'transaction-expired',
  'fee-too-low',
  'fee-unpayable',
  'unknown-lane',
  'old-lanes-first', // a receipt on a new lane while old ones have some
  'receipt-order', // parcels that are not in the order of lanes
  'receipt-repeated', // executed already
  'receipt-gap', // not the next on its lane
  'receipt-unproved',
  'receipt-expired', // it is to be taken back
  'reclaim-too-early', // not expired, or it never does
  'reclaim-unproved', // no proof of the cursor
  'rule-broken', // evidence, reveal and other rules that plug in
] as const;
export type BlockProblem = (typeof BLOCK_PROBLEMS)[number];
